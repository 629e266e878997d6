/**
 * What a kernel's ELF notes ask of Xen: public/elfnote.h. Left out: the legacy `__xen_guest` section, which no kernel of the last fifteen
 * years has, and symbol tables for NetBSD (BSD_SYMTAB).
 */
import { type ElfImage, type GuestNote, HvError } from "@paravane/paravirt-ops";
import { elfNotes, features, NOTE_OWNER } from "../abi/elfnote.js";
import type { GuestBits } from "../abi/struct.js";

const EM_386 = 3;
const EM_X86_64 = 62;
const XEN_VERSION = "xen-3.0";

/** The notes, with defaults for those that are absent. */
export interface XenNotes {
  readonly bits: GuestBits;
  /** It says how it is entered as a PV guest. */
  readonly pv: boolean;
  /** Linear entry address of a PV guest. */
  readonly entry: bigint;
  /** Linear address of pseudo-physical frame 0. */
  readonly virtBase: bigint;
  /** Subtracted from the physical addresses of segments. */
  readonly paddrOffset: bigint;
  /** Linear address of a page that is to be filled with calls. */
  readonly hypercallPage: bigint | undefined;
  /** Lowest linear address that the hypervisor may keep. */
  readonly hvStartLow: bigint | undefined;
  /** Where the list of frames is to be mapped, away from the kernel. */
  readonly initP2m: bigint | undefined;
  /** The ramdisk need not be mapped; it is named by frame. */
  readonly modStartPfn: boolean;
  /** Entry of a PVH guest, physical. */
  readonly phys32Entry: number | undefined;
  /** PAE_MODE of 32-bit kernels, or "". */
  readonly paeMode: string;
  /** Bits of the feature map that it asks for and must get. */
  readonly required: bigint;
}

/** A note's number; undefined for an empty one. */
export function noteNumber({ bytes }: GuestNote): bigint | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.byteLength >= 8) return view.getBigUint64(0, true);
  if (bytes.byteLength >= 4) return BigInt(view.getUint32(0, true));
  return bytes.byteLength >= 1 ? BigInt(bytes[0]!) : undefined;
}

/** A note's text, up to a zero. */
export function noteText({ bytes }: GuestNote): string {
  const end = bytes.indexOf(0);
  return String.fromCharCode(...bytes.subarray(0, end < 0 ? bytes.byteLength : end));
}

/** Features that a kernel requires, as bits. An unknown one that is only supported does no harm. @throws HvError "image/xen-feature" */
function requiredFeatures(list: string): bigint {
  let bits = 0n;
  for (const word of list.split("|")) {
    if (!word.startsWith("!")) continue;
    const name = word.slice(1);
    const bit = (features as Record<string, number>)[name];
    if (bit === undefined) throw new HvError("image/xen-feature", `the kernel requires the Xen feature "${name}", which is not known`);
    bits |= 1n << BigInt(bit);
  }
  return bits;
}

/**
 * True for a kernel made for PV guests of the interface that is known. Entry and base have defaults (the ELF header's entry, 0), so only an
 * image whose one way in is PVH's has to name one of them to be a PV kernel too. Does not judge the rest.
 */
export function isPvKernel(elf: ElfImage): boolean {
  const notes = new Map(elf.notes.filter(({ owner }) => owner === NOTE_OWNER).map((note) => [note.type, note]));
  const version = notes.get(elfNotes.XEN_VERSION);
  if (version === undefined || noteText(version) !== XEN_VERSION) return false;
  return notes.has(elfNotes.ENTRY) || notes.has(elfNotes.VIRT_BASE) || !notes.has(elfNotes.PHYS32_ENTRY);
}

/** Reads the notes; undefined when there is none of Xen's. @throws HvError "image/xen-version", "image/xen-feature" */
export function readNotes(elf: ElfImage): XenNotes | undefined {
  const notes = new Map(elf.notes.filter(({ owner }) => owner === NOTE_OWNER).map((note) => [note.type, note]));
  if (notes.size === 0 || (elf.machine !== EM_386 && elf.machine !== EM_X86_64)) return undefined;
  const number = (name: keyof typeof elfNotes): bigint | undefined => {
    const note = notes.get(elfNotes[name]);
    return note === undefined ? undefined : noteNumber(note);
  };
  const string = (name: keyof typeof elfNotes): string => {
    const note = notes.get(elfNotes[name]);
    return note === undefined ? "" : noteText(note);
  };
  const version = string("XEN_VERSION");
  if (version !== "" && version !== XEN_VERSION) {
    throw new HvError("image/xen-version", `the kernel is made for "${version}"; known is "${XEN_VERSION}"`);
  }
  const entry = number("ENTRY");
  const initP2m = number("INIT_P2M");
  const virtBase = number("VIRT_BASE") ?? 0n;
  const bits = elf.machine === EM_X86_64 ? 64 : 32;
  const movable = bits === 64 && initP2m !== undefined && initP2m % 4096n === 0n && initP2m < virtBase;
  const phys32 = number("PHYS32_ENTRY");
  return {
    bits,
    pv: isPvKernel(elf),
    entry: entry ?? elf.entry,
    virtBase,
    paddrOffset: number("PADDR_OFFSET") ?? 0n,
    hypercallPage: number("HYPERCALL_PAGE"),
    hvStartLow: number("HV_START_LOW"),
    initP2m: movable ? initP2m : undefined,
    modStartPfn: (number("MOD_START_PFN") ?? 0n) !== 0n,
    phys32Entry: phys32 === undefined ? undefined : Number(phys32 & 0xffff_ffffn),
    paeMode: string("PAE_MODE"),
    required: requiredFeatures(string("FEATURES")),
  };
}

/** What a 32-bit kernel must say to be one that a PAE hypervisor can start. @throws HvError "image/xen-pae" */
export function checkClass({ bits, paeMode }: XenNotes): void {
  if (bits === 64 || /^(yes|bimodal)/.test(paeMode)) return;
  throw new HvError("image/xen-pae", "the kernel is for 32-bit Xen without PAE, which ended with Xen 3");
}
