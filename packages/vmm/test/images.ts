/** Kernels made for tests: a bzImage, an ELF, a multiboot kernel, each of a few hundred bytes. */

/** Writes little-endian fields into bytes: [offset, bytes, value]. */
export function fields(bytes: Uint8Array, ...list: (readonly [offset: number, size: 1 | 2 | 4 | 8, value: number | bigint])[]): Uint8Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  for (const [offset, size, value] of list) {
    if (size === 8) view.setBigUint64(offset, BigInt(value), true);
    else if (size === 4) view.setUint32(offset, Number(value), true);
    else if (size === 2) view.setUint16(offset, Number(value), true);
    else view.setUint8(offset, Number(value));
  }
  return bytes;
}

export interface BzImageOptions {
  readonly bits?: 32 | 64;
  readonly initBytes?: number;
  readonly preferred?: number;
  readonly relocatable?: boolean;
  readonly payload?: Uint8Array;
}

/** A bzImage of boot protocol 2.15 whose protected-mode part is 4 KiB of 0x90, then the payload. */
export function bzImage({
  bits = 64,
  initBytes = 0x200000,
  preferred = 0x1000000,
  relocatable = true,
  payload = new Uint8Array(0),
}: BzImageOptions = {}): Uint8Array {
  const setup = 2 * 512;
  const kernel = new Uint8Array(4096 + Math.ceil(payload.byteLength / 16) * 16).fill(0x90);
  kernel.set(payload, 4096);
  const file = new Uint8Array(setup + kernel.byteLength);
  file.set(kernel, setup);
  file.set(new TextEncoder().encode("6.1.0-test (someone) #1\0"), 0x300);
  return fields(
    file,
    [0x1f1, 1, 1],
    [0x1f4, 4, kernel.byteLength / 16],
    [0x1fe, 2, 0xaa55],
    [0x200, 2, 0x66eb],
    [0x202, 4, 0x53726448],
    [0x206, 2, 0x020f],
    [0x20e, 2, 0x100],
    [0x211, 1, 1],
    [0x22c, 4, 0x7fffffff],
    [0x230, 4, 0x200000],
    [0x234, 1, relocatable ? 1 : 0],
    [0x236, 2, bits === 64 ? 1 : 0],
    [0x238, 4, 2047],
    [0x248, 4, payload.byteLength > 0 ? 4096 : 0],
    [0x24c, 4, payload.byteLength],
    [0x258, 8, preferred],
    [0x260, 4, initBytes],
  );
}

export interface ElfOptions {
  readonly bits?: 32 | 64;
  readonly machine?: number;
  readonly segments?: readonly { readonly physical: number; readonly bytes: Uint8Array; readonly memoryBytes?: number }[];
  readonly notes?: readonly { readonly owner: string; readonly type: number; readonly bytes: Uint8Array }[];
  readonly interpreter?: boolean;
  readonly entry?: number;
  readonly multiboot?: boolean;
}

/** An ELF executable. The multiboot header, if wanted, lies behind the program headers. */
export function elf(options: ElfOptions = {}): Uint8Array {
  const { bits = 64, segments = [], notes = [], interpreter = false, entry = 0x100000 } = options;
  const wide = bits === 64;
  const headerBytes = wide ? 64 : 52;
  const programBytes = wide ? 56 : 32;
  const noteBytes = encodeNotes(notes);
  const parts = [
    ...segments.map(({ physical, bytes, memoryBytes }) => ({ type: 1, physical, bytes, memoryBytes: memoryBytes ?? bytes.byteLength })),
    ...(notes.length > 0 ? [{ type: 4, physical: 0, bytes: noteBytes, memoryBytes: noteBytes.byteLength }] : []),
    ...(interpreter ? [{ type: 3, physical: 0, bytes: new TextEncoder().encode("/lib/ld.so\0"), memoryBytes: 11 }] : []),
  ];
  const multibootAt = Math.ceil((headerBytes + parts.length * programBytes) / 4) * 4;
  let offset = multibootAt + 12;
  const total = offset + parts.reduce((sum, { bytes }) => sum + bytes.byteLength, 0);
  const file = new Uint8Array(total);
  fields(
    file,
    [0, 4, 0x464c457f],
    [4, 1, wide ? 2 : 1],
    [5, 1, 1],
    [6, 1, 1],
    [16, 2, 2],
    [18, 2, options.machine ?? (wide ? 62 : 3)],
    [20, 4, 1],
  );
  if (wide) fields(file, [24, 8, entry], [32, 8, headerBytes], [54, 2, programBytes], [56, 2, parts.length]);
  else fields(file, [24, 4, entry], [28, 4, headerBytes], [42, 2, programBytes], [44, 2, parts.length]);
  if (options.multiboot === true)
    fields(file, [multibootAt, 4, 0x1badb002], [multibootAt + 4, 4, 0], [multibootAt + 8, 4, -0x1badb002 >>> 0]);
  parts.forEach(({ type, physical, bytes, memoryBytes }, index) => {
    const at = headerBytes + index * programBytes;
    if (wide) {
      const linear = 0xffffffff80000000n + BigInt(physical);
      fields(
        file,
        [at, 4, type],
        [at + 8, 8, offset],
        [at + 16, 8, linear],
        [at + 24, 8, physical],
        [at + 32, 8, bytes.byteLength],
        [at + 40, 8, memoryBytes],
      );
    } else {
      fields(
        file,
        [at, 4, type],
        [at + 4, 4, offset],
        [at + 8, 4, physical],
        [at + 12, 4, physical],
        [at + 16, 4, bytes.byteLength],
        [at + 20, 4, memoryBytes],
      );
    }
    file.set(bytes, offset);
    offset += bytes.byteLength;
  });
  return file;
}

function encodeNotes(notes: NonNullable<ElfOptions["notes"]>): Uint8Array {
  const align = (value: number) => Math.ceil(value / 4) * 4;
  const bytes = new Uint8Array(notes.reduce((sum, note) => sum + 12 + align(note.owner.length + 1) + align(note.bytes.byteLength), 0));
  let at = 0;
  for (const note of notes) {
    fields(bytes, [at, 4, note.owner.length + 1], [at + 4, 4, note.bytes.byteLength], [at + 8, 4, note.type]);
    bytes.set(new TextEncoder().encode(note.owner), at + 12);
    bytes.set(note.bytes, at + 12 + align(note.owner.length + 1));
    at += 12 + align(note.owner.length + 1) + align(note.bytes.byteLength);
  }
  return bytes;
}

/** A 64-bit ELF with a PVH entry at 1 MiB and one page there. */
export function pvhKernel(): Uint8Array {
  return elf({
    segments: [{ physical: 0x100000, bytes: new Uint8Array(4096).fill(0xf4), memoryBytes: 8192 }],
    notes: [{ owner: "Xen", type: 18, bytes: fields(new Uint8Array(8), [0, 8, 0x100040]) }],
  });
}

/** A 32-bit ELF with a multiboot header and one segment. */
export function multibootKernel(physical = 0x400000): Uint8Array {
  return elf({
    bits: 32,
    multiboot: true,
    entry: physical + 0x10,
    segments: [{ physical, bytes: new Uint8Array(64).fill(0xf4), memoryBytes: 256 }],
  });
}
