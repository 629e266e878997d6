/** What can be seen in an image of whether its kernel would use the ROM: VMI is no boot protocol, so nothing in the image declares it. */
import type { BootWay, ProbedImage } from "@paravane/paravirt-ops";
import { VROM_SIGNATURE } from "./abi/vmi.js";

const EM_386 = 3;

/** Offset of the little-endian word in the bytes, aligned or not; undefined where it is not. */
function find(bytes: Uint8Array, word: number): number | undefined {
  const [first, second, third, fourth] = [word & 0xff, (word >>> 8) & 0xff, (word >>> 16) & 0xff, word >>> 24] as const;
  for (let at = bytes.indexOf(first); at >= 0; at = bytes.indexOf(first, at + 1)) {
    if (bytes[at + 1] === second && bytes[at + 2] === third && bytes[at + 3] === fourth) return at;
  }
  return undefined;
}

/** As a paravirtual kernel, and as the PC that every guest of VMI is before its first call. */
export function bootWays({ image, unpacked }: ProbedImage): BootWay[] {
  const boots = image.protocols.length > 0;
  const wide = unpacked.elf !== undefined && unpacked.elf.machine !== EM_386;
  const signature = wide ? undefined : find(unpacked.file, VROM_SIGNATURE);
  const seen = wide
    ? "the kernel is not for the i386; VMI has 32-bit guests only"
    : signature === undefined
      ? `the ROM's signature 0x${VROM_SIGNATURE.toString(16)} ("cVmi") is nowhere in the kernel, so it does not look for the ROM`
      : `the ROM's signature 0x${VROM_SIGNATURE.toString(16)} ("cVmi") is at byte 0x${signature.toString(16)}: the kernel looks for the ROM`;
  return [
    { name: "paravirtual", open: boots && signature !== undefined, why: [seen] },
    {
      name: "pc",
      open: boots,
      why: [
        boots ? `boots as on the bare machine, by ${image.protocols[0]}` : "it cannot be started on a PC, and VMI has no boot protocol",
      ],
    },
  ];
}
