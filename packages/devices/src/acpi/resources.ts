/** Resource descriptors and templates, as `_CRS` returns them. ACPI Specification 6.4 §6.4. */
import { buffer, bytesOf } from "./aml.js";
import type { Aml } from "./aml.js";

const MIN_FIXED = 4,
  MAX_FIXED = 8;
const TYPE_MEMORY = 0,
  TYPE_IO = 1,
  TYPE_BUS = 2;
const ENTIRE_RANGE = 3,
  READ_WRITE = 1;

/** Ports that a device decodes with 16 address bits. */
export function io(base: number, length: number): Aml {
  return [0x47, 1, ...bytesOf(base, 2), ...bytesOf(base, 2), 1, length];
}
/** An edge-triggered ISA interrupt. */
export function irq(number: number): Aml {
  return [0x22, ...bytesOf(1 << number, 2)];
}
/** Memory that a device occupies. */
export function memory32(base: number, length: number): Aml {
  return [0x86, 9, 0, READ_WRITE, ...bytesOf(base, 4), ...bytesOf(length, 4)];
}
/** Bus numbers that a bridge passes on. */
export function busNumbers(first: number, last: number): Aml {
  return addressSpace(0x88, 2, TYPE_BUS, 0, first, last);
}
/** Ports that a bridge passes on. */
export function ioWindow(first: number, last: number): Aml {
  return addressSpace(0x88, 2, TYPE_IO, ENTIRE_RANGE, first, last);
}
/** Memory that a bridge passes on, not cacheable. */
export function memoryWindow(first: number, last: number): Aml {
  return addressSpace(0x87, 4, TYPE_MEMORY, READ_WRITE, first, last);
}
/** A buffer of descriptors with its end tag. */
export function template(...descriptors: readonly Aml[]): Aml {
  return buffer([...descriptors.flat(), 0x79, 0]);
}

/** Word and doubleword address space descriptors (§6.4.3.5): granularity, minimum, maximum, translation, length of `size` bytes each. */
function addressSpace(tag: number, size: number, type: number, typeFlags: number, first: number, last: number): Aml {
  const fields = [0, first, last, 0, last - first + 1].flatMap((field) => bytesOf(field, size));
  return [tag, ...bytesOf(3 + fields.length, 2), type, MIN_FIXED | MAX_FIXED, typeFlags, ...fields];
}
