/** Cuts an X86DIFF1 file down to some of its cases; base states and classes that no kept case uses are left out. */

const HEADER = 80;
const BASE_STATE = 4584;

/** Where the parts of a file lie: its classes, base states and case records (each with its length field). */
export interface Parts {
  readonly view: DataView;
  readonly classes: readonly Uint8Array[];
  readonly bases: readonly Uint8Array[];
  readonly records: readonly Uint8Array[];
}

export function partsOf(input: Uint8Array): Parts {
  const bytes = new Uint8Array(input.buffer, input.byteOffset, input.byteLength);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = HEADER;
  const take = (count: number, length: (at: number) => number): Uint8Array[] =>
    Array.from({ length: count }, () => {
      const start = at;
      at += length(start);
      return bytes.subarray(start, at);
    });
  const classes = take(view.getUint32(20, true), (p) => 2 + bytes[p + 1]!);
  const bases = take(view.getUint32(12, true), () => BASE_STATE);
  const records = take(view.getUint32(16, true), (p) => 2 + view.getUint16(p, true));
  return { view, classes, bases, records };
}

/** Number of the base state that a record starts from. */
export const baseOf = (record: Uint8Array): number => record[4]! | (record[5]! << 8);
const classOf = (record: Uint8Array): number => record[2]! | (record[3]! << 8);

/** A file with the cases numbered in `keep`, in that order. */
export function subset({ view, classes, bases, records }: Parts, keep: readonly number[]): Uint8Array {
  const kept = keep.map((n) => records[n]!);
  const usedBases = [...new Set(kept.map(baseOf))].sort((a, b) => a - b);
  const usedClasses = [...new Set(kept.map(classOf))].sort((a, b) => a - b);
  const header = new Uint8Array(view.buffer, view.byteOffset, HEADER).slice();
  const out = new DataView(header.buffer);
  out.setUint32(12, usedBases.length, true);
  out.setUint32(16, kept.length, true);
  out.setUint32(20, usedClasses.length, true);
  const renumbered = kept.map((record) => {
    const copy = record.slice();
    const fields = new DataView(copy.buffer);
    fields.setUint16(2, usedClasses.indexOf(classOf(record)), true);
    fields.setUint16(4, usedBases.indexOf(baseOf(record)), true);
    return copy;
  });
  return concatenate([header, ...usedClasses.map((n) => classes[n]!), ...usedBases.map((n) => bases[n]!), ...renumbered]);
}

function concatenate(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
