/**
 * What a kernel finds when the monitor has loaded it, taken down after each boot protocol: registers, segments, descriptor tables, and the
 * words of the page that the protocol hands over.
 */
import { type AbiEntry, generalRegisters } from "../../packages/paravirt-ops/src/index.js";
import { RecordingMemory, RecordingVcpu, spin } from "../../packages/paravirt-ops/src/conformance/index.js";
import { bootImage } from "../../packages/vmm/src/loaders/boot.js";
import { inspectImage } from "../../packages/vmm/src/loaders/detect.js";
import { MemoryMap } from "../../packages/vmm/src/loaders/memory-map.js";
import { bzImage, multibootKernel, pvhKernel } from "../../packages/vmm/test/images.js";

const RAM = 64 << 20;
const SEGMENTS = ["cs", "ds", "es", "fs", "gs", "ss", "tr", "ldtr"] as const;
const CONTROL = ["rip", "rflags", "cr0", "cr3", "cr4", "efer"] as const;

/** Protocol, a kernel for it, and the register with the page that is handed over and its length. */
const PROTOCOLS = [
  ["linux64", bzImage(), "rsi", 0x350],
  ["linux32", bzImage({ bits: 32 }), "rsi", 0x350],
  ["pvh", pvhKernel(), "rbx", 56],
  ["multiboot1", multibootKernel(), "rbx", 120],
] as const;

const hex = (value: bigint | number): string => `0x${value.toString(16)}`;

/** The promise of the loaders. */
export function bootEntries(): AbiEntry[] {
  return PROTOCOLS.flatMap(([protocol, kernel, pointer, bytes]) => {
    const memory = new RecordingMemory(RAM);
    const map = new MemoryMap(RAM);
    map.reserve(0x9fc00, 0x400, "reserved");
    const vcpu = new RecordingVcpu(0, spin);
    const image = inspectImage(kernel, { commandLine: "console=ttyS0", initrd: new Uint8Array(5000).fill(1) });
    if (bootImage(image, { memory, map, vcpu, rsdp: 0x9fc00 }) !== protocol)
      throw new Error(`the sample of ${protocol} was booted otherwise`);
    const { registers } = vcpu;
    const entry = (name: string, value: string): AbiEntry => ({ kind: "boot", name: `${protocol} ${name}`, value });
    const page = Number(registers.get(pointer));
    const words = Array.from({ length: bytes / 4 }, (_, n) => 4 * n).filter((offset) => memory.readU32(page + offset) !== 0);
    return [
      ...[...generalRegisters, ...CONTROL].map((name) => entry(name, hex(registers.get(name)))),
      ...SEGMENTS.map((name) => {
        const { selector, base, limit, access } = registers.segment(name);
        return entry(name, [selector, base, limit, access].map(hex).join(" "));
      }),
      ...(["gdtr", "idtr"] as const).map((name) =>
        entry(name, [registers.table(name).base, registers.table(name).limit].map(hex).join(" ")),
      ),
      ...words.map((offset) => entry(`page+${hex(offset)}`, hex(memory.readU32(page + offset)))),
    ];
  });
}
