/** A core on a bench: flat 32-bit protected mode, an IDT whose every gate leads to an IRET, and an environment that is recorded. */
import type { Core, CoreDefinition, CoreEnvironment } from "../core.js";
import type { SegmentCache, Vcpu } from "../handles/vcpu.js";

/** One mebibyte. */
export const MIB = 0x100000;
/** Guest memory of a bench. */
export const RAM_BYTES = 8 * MIB;
/** Where programs begin. */
export const CODE = 0x100000;
const IDT = 0x110000;
const GDT = 0x111000;
/** Where every gate of the IDT leads. */
export const HANDLER = 0x112000;
/** Top of the stack. */
export const STACK = 0x120000;

/** A core on a bench: its environment is recorded, and its answers can be set. */
export interface Bench {
  readonly core: Core;
  readonly vcpu: Vcpu;
  /** "out 80 1 5", "mmio write fee00000 4 7" … */
  readonly log: string[];
  /** Called in the middle of each device access. */
  onAccess: () => void;
  /** What INTA answers. */
  vector: number;
}

/** Makes one. */
export async function bench(definition: CoreDefinition, vcpus = 1): Promise<Bench> {
  const { memoryBytes } = definition.plan({ ramBytes: RAM_BYTES, vcpus });
  const pages = Math.ceil(memoryBytes / 65536);
  const log: string[] = [];
  const state = { onAccess: (): void => {}, vector: -1 };
  const bus = (read: string, write: string): CoreEnvironment["pio"] & CoreEnvironment["mmio"] => ({
    attach: () => {},
    detach: () => {},
    read: (address, size) => {
      log.push(`${read} ${address.toString(16)} ${size}`);
      state.onAccess();
      return 0x5a5a5a5a & (size === 4 ? -1 : (1 << (8 * size)) - 1);
    },
    write: (address, size, value) => {
      log.push(`${write} ${address.toString(16)} ${size} ${value.toString(16)}`);
      state.onAccess();
    },
  });
  const core = await definition.create({
    memory: new WebAssembly.Memory({ initial: pages, maximum: pages }),
    ramBytes: RAM_BYTES,
    vcpus,
    pio: bus("in", "out"),
    mmio: bus("mmio read", "mmio write"),
    localInterrupts: {
      acknowledge: () => state.vector,
      readTaskPriority: () => 0,
      writeTaskPriority: (vcpu, cr8) => void log.push(`cr8 ${vcpu} ${cr8}`),
    },
    msrs: { msrRead: () => undefined, msrWrite: () => false },
    readTsc: () => 0,
    tscHz: 1e9,
    random: (bytes) => void bytes.fill(7),
  });
  const made = { core, vcpu: core.vcpus[0]!, log };
  return Object.defineProperties(made, {
    onAccess: { get: () => state.onAccess, set: (value: () => void) => (state.onAccess = value) },
    vector: { get: () => state.vector, set: (value: number) => (state.vector = value) },
  }) as Bench;
}

/** Places a program and sets the first vCPU to it: flat segments, a stack, an IDT whose every gate leads to HANDLER (IRET). */
export function program({ core, vcpu }: Bench, ...bytes: readonly number[]): void {
  const { guestMemory } = core;
  const flat = (selector: number, access: number): SegmentCache => ({ selector, base: 0n, limit: 0xffffffff, access });
  guestMemory.write(CODE, Uint8Array.from(bytes));
  guestMemory.write(HANDLER, Uint8Array.of(0xcf)); // iret
  guestMemory.writeU64(GDT + 8, 0x00cf9b000000ffffn);
  guestMemory.writeU64(GDT + 16, 0x00cf93000000ffffn);
  const gate = (BigInt(HANDLER >>> 16) << 48n) | 0x8e0000080000n | BigInt(HANDLER & 0xffff);
  for (let vector = 0; vector < 256; vector++) guestMemory.writeU64(IDT + 8 * vector, gate | (8n << 16n));
  const { registers } = vcpu;
  registers.set("cr0", 0x11n);
  registers.setTable("gdtr", { base: BigInt(GDT), limit: 23 });
  registers.setTable("idtr", { base: BigInt(IDT), limit: 2047 });
  registers.setSegment("cs", flat(8, 0xc09b));
  for (const name of ["ss", "ds", "es", "fs", "gs"] as const) registers.setSegment(name, flat(16, 0xc093));
  registers.set("rsp", BigInt(STACK));
  registers.set("rflags", 2n);
  registers.set("rip", BigInt(CODE));
}
