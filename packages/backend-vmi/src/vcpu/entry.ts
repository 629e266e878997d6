/**
 * Exceptions and interrupts of a guest whose kernel is at CPL 1: through the guest's own IDT, on the stack that its own TSS names, with a frame whose
 * EFLAGS have the kernel's interrupt flag. SDM Vol. 3A §6.12.
 */
import {
  type DeliveryAnswer,
  type GuestFault,
  type HypervisorHandle,
  isGuestFault,
  type ResumeAt,
  type SegmentCache,
} from "@paravane/paravirt-ops";
import type { CpuShadow } from "./shadow.js";

/** What enters. */
export interface Entering {
  readonly vector: number;
  readonly errorCode?: number | undefined;
  /** INT n, INT3, INTO: the gate must be open to the level that asks. */
  readonly software: boolean;
  /** A fault: the frame's RF is set, so that a breakpoint at the instruction is not met again when it is repeated. */
  readonly fault: boolean;
}

const SUPERVISOR = { level: 0, implicit: true } as const;
const KERNEL = { level: 1, write: true } as const;
const RFLAGS_RF = 1n << 16n;
const RFLAGS_VM = 1n << 17n;
/** Cleared on entry: TF, NT, RF, VM. */
const CLEARED = (1n << 8n) | (1n << 14n) | RFLAGS_RF | RFLAGS_VM;
const IDT_FLAG = 2;
const INTERRUPT_GATE = 0x0e;
const TRAP_GATE = 0x0f;
const DOUBLE_FAULT = 8;
/** Exceptions that are faults whatever raised them. #DB is a trap mostly, and has no RF of its own as a fault. SDM Vol. 3A §6.15, §17.3.1.1. */
export const FAULTS: ReadonlySet<number> = new Set([0, 5, 6, 7, 10, 11, 12, 13, 14, 16, 17, 19]);
const CONTRIBUTORY: ReadonlySet<number> = new Set([0, 10, 11, 12, 13, 14]);
const NULL_SEGMENT: SegmentCache = { selector: 0, base: 0n, limit: 0, access: 0 };

/** Where the guest goes on. A fault on the way is delivered in its place, or as #DF; a fault of that is the guest's end. */
export function enterGuest(hypervisor: HypervisorHandle, cpu: CpuShadow, event: Entering): DeliveryAnswer {
  const answer = enter(hypervisor, cpu, event);
  if (!isGuestFault(answer)) return answer;
  if (event.vector !== DOUBLE_FAULT) {
    const both = CONTRIBUTORY.has(event.vector) && CONTRIBUTORY.has(answer.fault);
    if (answer.fault === 14 && !both && answer.address !== undefined) cpu.vcpu.registers.set("cr2", answer.address);
    const next = both
      ? { vector: DOUBLE_FAULT, errorCode: 0, software: false, fault: false }
      : { vector: answer.fault, errorCode: answer.errorCode, software: false, fault: true };
    return enterGuest(hypervisor, cpu, next);
  }
  const rip = cpu.vcpu.registers.get("rip").toString(16);
  return { crash: `triple fault at rip 0x${rip}: the kernel's entry for a double fault cannot be used` };
}

function enter(hypervisor: HypervisorHandle, cpu: CpuShadow, { vector, errorCode, software, fault }: Entering): ResumeAt | GuestFault {
  const { registers, id } = cpu.vcpu;
  const wrong: GuestFault = { fault: 13, errorCode: vector * 8 + IDT_FLAG };
  const idtr = registers.table("idtr");
  if (vector * 8 + 7 > idtr.limit) return wrong;
  const gate = words(hypervisor, id, idtr.base + BigInt(vector * 8), 2);
  if (isGuestFault(gate)) return gate;
  const [low = 0, high = 0] = gate;
  const type = (high >>> 8) & 0x1f;
  const flags = registers.get("rflags");
  const virtual86 = (flags & RFLAGS_VM) !== 0n;
  const outer = virtual86 || (registers.segment("ss").access & 0x60) === 0x60;
  if (type !== INTERRUPT_GATE && type !== TRAP_GATE) return wrong;
  if (software && outer && ((high >>> 13) & 3) !== 3) return wrong;
  if ((high & 0x8000) === 0) return { fault: 11, errorCode: vector * 8 + IDT_FLAG };
  const code = cpu.kernelSegment(low >>> 16, "code");
  if (isGuestFault(code)) return code;

  const frame: number[] = [];
  if (errorCode !== undefined) frame.push(errorCode);
  const shown = cpu.visibleFlags() | (fault ? RFLAGS_RF : 0n);
  frame.push(Number(BigInt.asUintN(32, registers.get("rip"))), registers.segment("cs").selector, Number(shown & 0xffffffffn));
  let stack: SegmentCache | undefined;
  let base = registers.segment("ss").base;
  let pointer = registers.get("rsp") & 0xffffffffn;
  if (outer) {
    frame.push(Number(pointer), registers.segment("ss").selector);
    if (virtual86) for (const name of ["es", "ds", "fs", "gs"] as const) frame.push(registers.segment(name).selector);
    const inner = words(hypervisor, id, registers.segment("tr").base + 4n, 2);
    if (isGuestFault(inner)) return { fault: 10, errorCode: registers.segment("tr").selector & 0xfffc };
    const found = cpu.kernelSegment(inner[1]! & 0xffff, "data");
    if (isGuestFault(found)) return { fault: 10, errorCode: inner[1]! & 0xfffc };
    stack = found;
    base = found.base;
    pointer = BigInt(inner[0]!);
  }
  pointer = BigInt.asUintN(32, pointer - BigInt(4 * frame.length));
  const bytes = new Uint8Array(4 * frame.length);
  for (const [index, value] of frame.entries()) new DataView(bytes.buffer).setUint32(4 * index, value, true);
  const unwritten = hypervisor.linear.write(id, BigInt.asUintN(32, base + pointer), bytes, KERNEL);
  if (unwritten !== undefined) return unwritten;
  if (virtual86) for (const name of ["es", "ds", "fs", "gs"] as const) registers.setSegment(name, NULL_SEGMENT);
  if (type === INTERRUPT_GATE) cpu.interruptFlag = false;
  const rip = BigInt(((low & 0xffff) | (high & 0xffff0000)) >>> 0);
  return { rip, rsp: pointer, rflags: cpu.realFlags(flags & ~CLEARED), code, ...(stack === undefined ? {} : { stack }) };
}

function words(hypervisor: HypervisorHandle, vcpu: number, address: bigint, count: number): number[] | GuestFault {
  const bytes = new Uint8Array(4 * count);
  const fault = hypervisor.linear.read(vcpu, BigInt.asUintN(32, address), bytes, SUPERVISOR);
  const view = new DataView(bytes.buffer);
  return fault ?? Array.from({ length: count }, (_, index) => view.getUint32(4 * index, true));
}
