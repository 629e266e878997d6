/**
 * Branded units: a number that says what it counts. STYLE.md's vocabulary: guest-physical address, frame, vector, GSI, nanosecond.
 * Physical addresses are numbers (exact to 2^53), so no bigint is needed where devices and memory meet.
 */
declare const unit: unique symbol;
/** A number with a unit that the compiler keeps apart from others. */
type Unit<Name extends string> = number & { readonly [unit]?: Name };

/** Guest-physical address, bytes. */
export type Gpa = Unit<"Gpa">;
/** Guest frame number: Gpa >> 12. */
export type Gfn = Unit<"Gfn">;
/** Machine frame number: a frame of the core's own physical space, as Xen names it. */
export type Mfn = Unit<"Mfn">;
/** Port-I/O address, 0..0xffff. */
export type Port = Unit<"Port">;
/** IDT slot, 0..255. */
export type Vector = Unit<"Vector">;
/** Global system interrupt: an input of the interrupt controllers, numbered as ACPI does. */
export type Gsi = Unit<"Gsi">;
/** Nanoseconds of guest time since the machine was created; integers below 2^53 (104 days). */
export type Ns = Unit<"Ns">;
/** Width of one access in bytes. */
export type AccessSize = 1 | 2 | 4;
