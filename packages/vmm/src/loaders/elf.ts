/**
 * ELF32 and ELF64 for i386 and x86-64: System V gABI chapters 4 (notes, symbols) and 5 (program headers).
 * Executables only: relocations and dynamic linking are left out, kernels have none.
 */
import { type ElfImage, type GuestNote, type GuestSegment, type GuestSymbol, HvError } from "@paravane/paravirt-ops";
import { Reader } from "./reader.js";

const PT_LOAD = 1;
const PT_INTERP = 3;
const PT_NOTE = 4;
const SHT_SYMTAB = 2;
const SHT_NOTE = 7;
const STT_NOTYPE = 0;
const STT_FUNC = 2;
const EM_386 = 3;
const EM_X86_64 = 62;
/** Real kernels have five at most. */
const MAX_SEGMENTS = 1024;
const MAX_NOTES = 4096;

const MACHINES: Readonly<Record<number, string>> = {
  8: "MIPS",
  20: "PowerPC",
  21: "PowerPC 64",
  22: "S/390",
  40: "ARM",
  43: "SPARC 64",
  50: "IA-64",
  183: "arm64",
  243: "RISC-V",
  258: "LoongArch",
};
const TYPES: Readonly<Record<number, string>> = { 1: "relocatable object", 2: "executable", 3: "shared object", 4: "core dump" };

/** An ELF file with what tells a kernel from a program. */
export interface ParsedElf extends ElfImage {
  /** It asks for a dynamic linker: a program for user space. */
  readonly interpreter: boolean;
}

/** True when the file starts as an ELF file does. */
export function isElf(file: Uint8Array): boolean {
  return file[0] === 0x7f && file[1] === 0x45 && file[2] === 0x4c && file[3] === 0x46;
}

/** Parses headers, segments and notes. @throws HvError "image/elf", "image/machine", "image/truncated" or "image/corrupt" */
export function parseElf(file: Uint8Array): ParsedElf {
  const reader = new Reader(file, "ELF file");
  const bits = elfClass(reader);
  const type = reader.u16(16);
  const machine = reader.u16(18);
  if (machine !== EM_386 && machine !== EM_X86_64) {
    throw new HvError(
      "image/machine",
      `the kernel is an ELF file for ${MACHINES[machine] ?? `machine ${machine}`}; this machine is an x86`,
    );
  }
  if (type !== 2 && type !== 3)
    throw new HvError("image/elf", `the kernel is an ELF ${TYPES[type] ?? `file of type ${type}`}, not an executable`);
  const wide = bits === 64;
  const entry = wide ? reader.u64(24) : BigInt(reader.u32(24));
  const headers = wide ? reader.n64(32) : reader.u32(28);
  const headerSize = reader.u16(wide ? 54 : 42);
  const headerCount = reader.u16(wide ? 56 : 44);
  if (headerCount > 0 && headerSize < (wide ? 56 : 32)) throw new HvError("image/corrupt", "the ELF file's program headers are too short");

  const segments: GuestSegment[] = [];
  const notes: GuestNote[] = [];
  let interpreter = false;
  for (let index = 0; index < headerCount; index++) {
    const at = headers + index * headerSize;
    const kind = reader.u32(at);
    const offset = wide ? reader.n64(at + 8) : reader.u32(at + 4);
    const fileBytes = wide ? reader.n64(at + 32) : reader.u32(at + 16);
    if (kind === PT_INTERP) interpreter = true;
    else if (kind === PT_NOTE) parseNotes(reader.slice(offset, fileBytes), notes);
    else if (kind === PT_LOAD) {
      const linear = wide ? reader.u64(at + 16) : BigInt(reader.u32(at + 8));
      const physical = wide ? physicalAddress(reader, at + 24, linear) : reader.u32(at + 12);
      const memoryBytes = wide ? reader.n64(at + 40) : reader.u32(at + 20);
      if (memoryBytes < fileBytes) throw new HvError("image/corrupt", `ELF segment ${index} is larger in the file than in memory`);
      if (memoryBytes === 0) continue;
      if (segments.length === MAX_SEGMENTS) throw new HvError("image/elf", `the ELF file has more than ${MAX_SEGMENTS} segments to load`);
      segments.push({ physical, linear, bytes: reader.slice(offset, fileBytes), memoryBytes });
    }
  }
  if (notes.length === 0) notesFromSections(reader, wide, notes);
  return { bits, machine, entry, segments, notes, interpreter, symbols: () => parseSymbols(reader, wide) };
}

/** A segment above 2^53 has no place in a machine, but its file may still be a program with a better error than "corrupt". */
function physicalAddress(reader: Reader, at: number, linear: bigint): number {
  const physical = reader.u64(at);
  if (physical > BigInt(Number.MAX_SAFE_INTEGER)) {
    throw new HvError(
      "image/outside-memory",
      `an ELF segment wants physical address 0x${physical.toString(16)} (linear 0x${linear.toString(16)})`,
    );
  }
  return Number(physical);
}

function elfClass(reader: Reader): 32 | 64 {
  const found = reader.u8(4);
  if (found !== 1 && found !== 2) throw new HvError("image/elf", `the ELF file has class ${found}; known are 1 (32 bit) and 2 (64 bit)`);
  if (reader.u8(5) !== 1) throw new HvError("image/machine", "the kernel is a big-endian ELF file; this machine is an x86");
  return found === 1 ? 32 : 64;
}

/** Notes of one segment. One that runs past the end is the last, with as much as there is: GRUB's i386 image says 12 bytes for "yes". */
function parseNotes(bytes: Uint8Array, notes: GuestNote[]): void {
  const reader = new Reader(bytes, "ELF note");
  let at = 0;
  while (reader.has(at, 12) && notes.length < MAX_NOTES) {
    const nameBytes = reader.u32(at);
    const length = reader.u32(at + 4);
    const type = reader.u32(at + 8);
    const data = at + 12 + align4(nameBytes);
    if (!reader.has(data, 1) && length > 0) return;
    const there = Math.min(length, bytes.byteLength - data);
    notes.push({ owner: reader.text(at + 12, nameBytes), type, bytes: reader.slice(data, there) });
    at = data + align4(length);
  }
}

/** Kernels linked without a PT_NOTE keep their notes in sections. */
function notesFromSections(reader: Reader, wide: boolean, notes: GuestNote[]): void {
  for (const section of sections(reader, wide)) {
    if (section.type === SHT_NOTE && reader.has(section.offset, section.size))
      parseNotes(reader.slice(section.offset, section.size), notes);
  }
}

interface Section {
  readonly type: number;
  readonly offset: number;
  readonly size: number;
  readonly link: number;
}

/** The section headers, or nothing when they are absent or cut off: loading does not need them. */
function sections(reader: Reader, wide: boolean): Section[] {
  const table = wide ? Number(reader.u64(40)) : reader.u32(32);
  const size = reader.u16(wide ? 58 : 46);
  const count = reader.u16(wide ? 60 : 48);
  if (table === 0 || size < (wide ? 64 : 40) || !reader.has(table, size * count)) return [];
  return Array.from({ length: count }, (_, index) => {
    const at = table + index * size;
    return wide
      ? { type: reader.u32(at + 4), offset: Number(reader.u64(at + 24)), size: Number(reader.u64(at + 32)), link: reader.u32(at + 40) }
      : { type: reader.u32(at + 4), offset: reader.u32(at + 16), size: reader.u32(at + 20), link: reader.u32(at + 24) };
  });
}

function parseSymbols(reader: Reader, wide: boolean): GuestSymbol[] {
  const all = sections(reader, wide);
  const table = all.find((section) => section.type === SHT_SYMTAB);
  const names = table === undefined ? undefined : all[table.link];
  if (table === undefined || names === undefined) return [];
  const entryBytes = wide ? 24 : 16;
  const symbols: GuestSymbol[] = [];
  for (let at = table.offset; at + entryBytes <= table.offset + table.size && reader.has(at, entryBytes); at += entryBytes) {
    const name = reader.text(names.offset + reader.u32(at), 512);
    if (name === "") continue;
    const value = wide ? reader.u64(at + 8) : BigInt(reader.u32(at + 4));
    const type = reader.u8(at + (wide ? 4 : 12)) & 0xf;
    const size = wide ? Number(reader.u64(at + 16)) : reader.u32(at + 8);
    symbols.push({ name, value, size, code: type === STT_NOTYPE || type === STT_FUNC });
  }
  return symbols;
}

function align4(value: number): number {
  return Math.ceil(value / 4) * 4;
}
