/**
 * A small AML encoder: terms in, byte lists out. ACPI Specification 6.4, chapter 20 (grammar and encodings).
 * It knows the terms a static board description needs; there are no operation regions, loops or arithmetic.
 */
import { HvError } from "@paravane/paravirt-ops";

/** Encoded AML. */
export type Aml = readonly number[];

/** The first argument of a method, and the constant that stands for "no object". */
export const arg0: Aml = [0x68];

/** An integer in its shortest encoding; at most 32 bits. */
export function integer(value: number): Aml {
  if (value === 0 || value === 1) return [value];
  if (value < 0x100) return [0x0a, value];
  if (value < 0x1_0000) return [0x0b, ...bytesOf(value, 2)];
  return [0x0c, ...bytesOf(value, 4)];
}
/** An ASCII string. */
export function text(value: string): Aml {
  return [0x0d, ...[...value].map((character) => character.charCodeAt(0)), 0];
}
/** A name such as `\_SB.PCI0` or `PICM`, segments filled up to four characters. @throws HvError "acpi/bad-name" */
export function path(name: string): Aml {
  const [, root, rest] = /^(\\?)(.*)$/.exec(name)!;
  const segments = rest === "" ? [] : rest!.split(".");
  if (segments.some((segment) => !/^[A-Z_][A-Z0-9_]{0,3}$/.test(segment)))
    throw new HvError("acpi/bad-name", `"${name}" is not an ACPI name`);
  const letters = segments.flatMap((segment) => [...segment.padEnd(4, "_")].map((letter) => letter.charCodeAt(0)));
  const prefix = segments.length === 0 ? [0] : segments.length === 1 ? [] : segments.length === 2 ? [0x2e] : [0x2f, segments.length];
  return [...(root === "" ? [] : [0x5c]), ...prefix, ...letters];
}
/** A PNP or ACPI hardware id such as `PNP0A03`, compressed. §19.3.4 "EISAID". */
export function eisaId(id: string): Aml {
  const [a, b, c] = [0, 1, 2].map((i) => id.charCodeAt(i) - 0x40) as [number, number, number];
  const product = Number.parseInt(id.slice(3), 16);
  return [0x0c, (a << 2) | (b >> 3), ((b & 7) << 5) | c, product >> 8, product & 0xff];
}
/** Raw bytes as a buffer object. */
export function buffer(bytes: Aml): Aml {
  return [0x11, ...withLength([...integer(bytes.length), ...bytes])];
}
/** A list of objects; at most 255. */
export function packageOf(...elements: readonly Aml[]): Aml {
  return [0x12, ...withLength([elements.length, ...elements.flat()])];
}
/** Gives an object a name in the present scope. */
export function name(what: string, value: Aml): Aml {
  return [0x08, ...path(what), ...value];
}
/** Opens an existing scope. */
export function scope(where: string, ...terms: readonly Aml[]): Aml {
  return [0x10, ...withLength([...path(where), ...terms.flat()])];
}
/** Declares a device. */
export function device(what: string, ...terms: readonly Aml[]): Aml {
  return [0x5b, 0x82, ...withLength([...path(what), ...terms.flat()])];
}
/** Declares a method, not serialized. */
export function method(what: string, argumentCount: number, ...terms: readonly Aml[]): Aml {
  return [0x14, ...withLength([...path(what), argumentCount, ...terms.flat()])];
}
/** Stores an object. */
export function store(from: Aml, to: Aml): Aml {
  return [0x70, ...from, ...to];
}
/** Runs terms when a value is not zero. */
export function when(value: Aml, ...terms: readonly Aml[]): Aml {
  return [0xa0, ...withLength([...value, ...terms.flat()])];
}
/** Ends a method with a value. */
export function returns(value: Aml): Aml {
  return [0xa4, ...value];
}

/** Little-endian bytes of an unsigned number. */
export function bytesOf(value: number, size: number): number[] {
  return Array.from({ length: size }, (_, i) => Math.floor(value / 2 ** (8 * i)) % 256);
}

/** Puts a PkgLength in front, which counts its own bytes: up to 63 in one byte, else 4 bits in the first and 8 in each further one. §20.2.4. */
function withLength(body: Aml): number[] {
  if (body.length + 1 < 0x40) return [body.length + 1, ...body];
  const extra = body.length + 2 < 0x1000 ? 1 : body.length + 3 < 0x10_0000 ? 2 : 3;
  const total = body.length + 1 + extra;
  return [(extra << 6) | (total & 0xf), ...bytesOf(Math.floor(total / 16), extra), ...body];
}
