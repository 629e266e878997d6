/**
 * Layouts of structures that guest and hypervisor share, as data, for both guest widths. Names and order are those of Xen's public headers;
 * offsets are what a C compiler gives them with interface version 0x40d00 (64: x86_64, 32: i386, where u64 is aligned to 4 bytes).
 */

/** Width of a guest: 64-bit, or 32-bit PAE. */
export type GuestBits = 64 | 32;

/** One member of a structure: where it is and how long it is, in bytes. */
export interface Field {
  readonly offset: number;
  readonly bytes: number;
}

/** A structure as one guest width sees it. */
export interface Layout<Name extends string = string> {
  readonly name: string;
  /** Bytes. */
  readonly size: number;
  readonly fields: Readonly<Record<Name, Field>>;
}

/** A structure in both widths. */
export interface Struct<Name extends string = string> {
  readonly 64: Layout<Name>;
  readonly 32: Layout<Name>;
}

/** `ulong` and pointers are as wide as the guest; a number is the length of an array in bytes, a pair its lengths for 64 and 32 bit, 0 where it is absent. */
type FieldType = "u8" | "u16" | "u32" | "u64" | "ulong" | number | readonly [number, number];
/** Type, offset for 64-bit guests, offset for 32-bit guests when it differs. */
type FieldSource = readonly [FieldType, number, number?];

const BYTES = { u8: 1, u16: 2, u32: 4, u64: 8 } as const;

function bytesOf(type: FieldType, bits: GuestBits): number {
  if (typeof type === "number") return type;
  if (typeof type === "object") return type[bits === 64 ? 0 : 1];
  return type === "ulong" ? bits / 8 : BYTES[type];
}

/** Writes a structure down: sizes for 64 and 32 bit, then the members. */
export function struct<Name extends string>(
  name: string,
  sizes: readonly [number, number],
  fields: Readonly<Record<Name, FieldSource>>,
): Struct<Name> {
  const layout = (bits: GuestBits): Layout<Name> => ({
    name,
    size: sizes[bits === 64 ? 0 : 1],
    fields: Object.fromEntries(
      Object.entries<FieldSource>(fields).map(([field, [type, at64, at32]]) => [
        field,
        { offset: bits === 64 ? at64 : (at32 ?? at64), bytes: bytesOf(type, bits) },
      ]),
    ) as Record<Name, Field>,
  });
  return { 64: layout(64), 32: layout(32) };
}

/** A structure over bytes: reads and writes members by name. Array members are reached through `bytes`. */
export class StructView<Name extends string> {
  readonly #view: DataView;

  constructor(
    readonly layout: Layout<Name>,
    readonly bytes: Uint8Array,
  ) {
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** A zeroed structure of its own. */
  static empty<Name extends string>(layout: Layout<Name>): StructView<Name> {
    return new StructView(layout, new Uint8Array(layout.size));
  }

  /** A member, unsigned; exact to 2^53, beyond which no frame number, length or port is valid. */
  get(name: Name): number {
    return Number(this.wide(name));
  }

  /** A member, unsigned, whatever its width. */
  wide(name: Name): bigint {
    const { offset, bytes } = this.layout.fields[name];
    if (bytes === 8) return this.#view.getBigUint64(offset, true);
    return BigInt(
      bytes === 4 ? this.#view.getUint32(offset, true) : bytes === 2 ? this.#view.getUint16(offset, true) : this.bytes[offset]!,
    );
  }

  /** Stores what fits of `value`. */
  set(name: Name, value: number | bigint): void {
    const { offset, bytes } = this.layout.fields[name];
    if (bytes === 8) this.#view.setBigUint64(offset, BigInt.asUintN(64, BigInt(value)), true);
    else if (bytes === 4) this.#view.setUint32(offset, Number(BigInt.asUintN(32, BigInt(value))), true);
    else if (bytes === 2) this.#view.setUint16(offset, Number(value) & 0xffff, true);
    else this.bytes[offset] = Number(value) & 0xff;
  }

  /** The bytes of a member. */
  field(name: Name): Uint8Array {
    const { offset, bytes } = this.layout.fields[name];
    return this.bytes.subarray(offset, offset + bytes);
  }
}
