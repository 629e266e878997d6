// What the WebAssembly side asks of the host. Every import is a cold path: ports, devices, MSRs of the board, intercepts.
// 64-bit results come back through the vCPU's EXIT_ARG slot, so that no call carries a bigint.

/** Port read of 1, 2 or 4 bytes. */
@external("host", "pioRead")
export declare function hostPioRead(cpu: usize, port: u32, size: u32): u32;
@external("host", "pioWrite")
export declare function hostPioWrite(cpu: usize, port: u32, size: u32, value: u32): void;
/** Device memory, `size` 1, 2 or 4; the physical address in two halves. */
@external("host", "mmioRead")
export declare function hostMmioRead(cpu: usize, low: u32, high: u32, size: u32): u32;
@external("host", "mmioWrite")
export declare function hostMmioWrite(cpu: usize, low: u32, high: u32, size: u32, value: u32): void;
/** MSRs that the board owns. 1: done (a read's value is in EXIT_ARG; a write's value is taken from there), 0: #GP. */
@external("host", "msrRead")
export declare function hostMsrRead(cpu: usize, index: u32): u32;
@external("host", "msrWrite")
export declare function hostMsrWrite(cpu: usize, index: u32): u32;
/** CR8 as the local APIC has it. */
@external("host", "readTaskPriority")
export declare function hostReadTaskPriority(cpu: usize): u32;
@external("host", "writeTaskPriority")
export declare function hostWriteTaskPriority(cpu: usize, cr8: u32): void;
/** INTA cycle: a vector, or -1 when the request went away. */
@external("host", "acknowledge")
export declare function hostAcknowledge(cpu: usize): i32;
/** Puts the raw time-stamp counter (before TSC_OFFSET) into EXIT_ARG. */
@external("host", "readTsc")
export declare function hostReadTsc(cpu: usize): void;
/** Puts 64 random bits into EXIT_ARG. */
@external("host", "random")
export declare function hostRandom(cpu: usize): void;
/** Decodes the block at host address `host` for mode key `mode`; `linear` is its address; returns the block header or 0. */
@external("host", "decode")
export declare function hostDecode(cpu: usize, host: u32, mode: u32): u32;
/** VMCALL or VMMCALL. 1: answered, 0: there is no such instruction. */
@external("host", "hypercall")
export declare function hostHypercall(cpu: usize): u32;
/** The intercepted instruction at operation `u`; RIP is at it. An ANSWER_*. */
@external("host", "intercept")
export declare function hostIntercept(cpu: usize, u: u32): u32;
/** Something wants to enter the guest: `kind` is a DELIVER_*, `error` is -1 without an error code. An ANSWER_*. */
@external("host", "deliver")
export declare function hostDeliver(cpu: usize, kind: u32, vector: u32, error: u32): u32;
/**
 * A store of `size` bytes at host address `from` to physical address `pa` of a protected frame; its linear address is in REFUSED_ADDRESS.
 * 1: it has been dealt with, 0: it is a #PF.
 */
@external("host", "store")
export declare function hostStore(cpu: usize, pa: u32, from: u32, size: u32, writable: u32): u32;
/** An interrupt could be taken now, for which somebody has waited. */
@external("host", "interruptWindow")
export declare function hostInterruptWindow(cpu: usize): void;
/** The block at `header`, which begins at RIP, has run often enough to be worth translating. */
@external("host", "hot")
export declare function hostHot(cpu: usize, header: u32): void;
/** A block that is part of a translation is no more. */
@external("host", "dropped")
export declare function hostDropped(header: u32): void;
/** Unit `unit` (H_UNIT; its base is in EXIT_ARG) has left because something is not as it takes it to be (APART_WHY tells more). */
@external("host", "apart")
export declare function hostApart(cpu: usize, unit: u32): void;
/** One of the leaps from unit to unit, of which every so many is told: control goes from unit `from` (H_UNIT; its base is in EXIT_ARG) to unit `to`, whose entry is at RIP. */
@external("host", "grow")
export declare function hostGrow(cpu: usize, from: u32, to: u32): void;
