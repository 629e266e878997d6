/**
 * Call gates of 32-bit guests. Under a 64-bit Xen no gate of theirs can work, so their level is forced to 0: using one is #GP with the
 * gate's selector, and that is where the call or jump is done, from user code to the kernel's stack if need be. 64-bit guests get the #GP.
 * Xen's pv_emulate_gate_op; SDM Vol. 3A §5.8.3 to §5.8.5.
 */
import { type GeneralRegister, type GuestFault, isGuestFault, type Mfn, type ResumeAt, type SegmentCache } from "@paravane/paravirt-ops";
import type { Domain } from "../domain/domain.js";
import type { Descriptor } from "../mmu/descriptors.js";
import { segmentOf } from "./descriptor-tables.js";
import { farTransfer, MAX_INSTRUCTION } from "./far-transfer.js";
import type { VirtualCpu } from "./virtual-cpu.js";

const INVALID_TSS = 10;
const NOT_PRESENT = 11;
const STACK_FAULT = 12;
const GENERAL_PROTECTION = 13;
const PAGE_FAULT = 14;
const STORE = 2;
const RF = 0x1_0000n;
const KERNEL_RING = 1;

/** Of a descriptor's high half. */
const GATE_TYPE = 0x1f00;
const CALL_GATE = 0xc00;
const PRESENT = 0x8000;
const LEVEL = 0x6000;
/** Of a segment's attributes: not a system segment, code, expand-down or conforming, writable or readable, 32 bit. */
const NOT_SYSTEM = 0x10;
const CODE = 0x8;
const EXPAND_DOWN = 0x4;
const WRITABLE = 0x2;
const IS_PRESENT = 0x80;
const WIDE = 0x4000;

const generalProtection = (errorCode: number): GuestFault => ({ fault: GENERAL_PROTECTION, errorCode });
const levelOf = ({ access }: SegmentCache): number => (access >>> 5) & 3;

/** Finds the frame that the guest's kernel maps at a linear address. */
export function leafOf({ paging }: Domain, vcpu: VirtualCpu): (address: bigint) => Mfn | undefined {
  return (address) => (vcpu.space.root === undefined ? undefined : paging.frameAt(vcpu.space.root, address));
}

interface Gate {
  readonly selector: number;
  readonly offset: number;
  /** Least privileged level that may use it. */
  readonly level: number;
  readonly present: boolean;
  /** Words that go from stack to stack. */
  readonly parameters: number;
}

function gateOf({ low, high }: Descriptor): Gate | undefined {
  // A level is kept only where nobody has looked; what the guest asked for is in the selector since then.
  if ((high & LEVEL) !== 0 || (high & GATE_TYPE) !== CALL_GATE) return undefined;
  return {
    selector: (low >>> 16) & 0xfffc,
    offset: ((low & 0xffff) | (high & 0xffff_0000)) >>> 0,
    level: (low >>> 16) & 3,
    present: (high & PRESENT) !== 0,
    parameters: high & 0x1f,
  };
}

/** One use of a gate. */
class GateUse {
  readonly #level: number;

  constructor(
    private readonly domain: Domain,
    private readonly vcpu: VirtualCpu,
    /** Selector of the gate without its level. */
    private readonly errorCode: number,
  ) {
    this.#level = vcpu.registers.segment("cs").selector & 3;
  }

  run(): ResumeAt | GuestFault {
    const refused = generalProtection(this.errorCode);
    const { tables } = this.vcpu;
    const found = tables.has(this.errorCode) ? tables.descriptor(this.errorCode, leafOf(this.domain, this.vcpu)) : undefined;
    const gate = found && gateOf(found);
    if (gate === undefined || gate.level < this.#level) return refused;
    if (!gate.present) return { fault: NOT_PRESENT, errorCode: this.errorCode };
    const transfer = this.#instruction();
    if (transfer === undefined) return refused;
    const named = this.#selector(transfer.selector);
    if (typeof named !== "number") return named ?? refused;
    if ((named & ~3) !== this.errorCode || gate.level < (named & 3)) return refused;
    const code = this.#target(gate, transfer.jump);
    if (isGuestFault(code)) return code;
    const { registers } = this.vcpu;
    const rflags = registers.get("rflags") & ~RF;
    const rip = BigInt(gate.offset);
    if (transfer.jump) return { rip, rsp: registers.get("rsp"), rflags, code: this.#atLevel(code, this.#level) };
    const inner = levelOf(code) < this.#level;
    const level = inner ? levelOf(code) : this.#level;
    const stack = inner ? this.#innerStack(level) : this.#sameStack();
    if (isGuestFault(stack)) return stack;
    const back = (this.#register("rip") + transfer.length) >>> 0;
    const rsp = this.#push(stack, inner ? gate.parameters : 0, inner, back);
    if (typeof rsp !== "number") return rsp;
    return { rip, rsp: BigInt(rsp), rflags, code: this.#atLevel(code, level), ...(inner ? { stack: stack.segment } : {}) };
  }

  #register(name: GeneralRegister | "rip"): number {
    return Number(this.vcpu.registers.get(name) & 0xffff_ffffn);
  }

  #segment(selector: number): SegmentCache | undefined {
    const found = this.vcpu.tables.descriptor(selector, leafOf(this.domain, this.vcpu));
    return found && segmentOf(selector, found);
  }

  #atLevel(code: SegmentCache, level: number): SegmentCache {
    return { ...code, selector: code.selector | level };
  }

  /** The far call or jump at CS:EIP. */
  #instruction(): ReturnType<typeof farTransfer> {
    const code = this.vcpu.registers.segment("cs");
    const at = this.#register("rip");
    const bytes: number[] = [];
    const byte = new Uint8Array(1);
    const access = { level: this.vcpu.level, execute: true } as const;
    while (bytes.length < MAX_INSTRUCTION && at + bytes.length <= code.limit) {
      const address = BigInt.asUintN(32, code.base + BigInt(at + bytes.length));
      if (this.domain.hypervisor.linear.read(this.vcpu.id, address, byte, access) !== undefined) break;
      bytes.push(byte[0]!);
    }
    return farTransfer(Uint8Array.from(bytes), (code.access & WIDE) !== 0, (name) => this.#register(name));
  }

  /** The selector that the instruction names; undefined where its operand is beyond a segment. */
  #selector(named: number | { readonly segment: "es" | "cs" | "ss" | "ds" | "fs" | "gs" | "ldtr" | "tr"; readonly offset: number }) {
    if (typeof named === "number") return named;
    const { selector, base, limit, access } = this.vcpu.registers.segment(named.segment);
    const unreadable = (access & CODE) !== 0 && (access & WRITABLE) === 0;
    if ((selector & ~3) === 0 || unreadable || named.offset + 1 > limit) return undefined;
    const bytes = new Uint8Array(2);
    const address = BigInt.asUintN(32, base + BigInt(named.offset));
    const fault = this.domain.hypervisor.linear.read(this.vcpu.id, address, bytes, { level: this.vcpu.level });
    return fault ?? bytes[0]! | (bytes[1]! << 8);
  }

  /** The code that the gate leads to: more privileged for a call, as privileged for a jump; conforming code is open to both. */
  #target(gate: Gate, jump: boolean): SegmentCache | GuestFault {
    const code = this.#segment(gate.selector);
    if (code === undefined || (code.access & NOT_SYSTEM) === 0 || (code.access & CODE) === 0) return generalProtection(gate.selector);
    const inward = !jump || (code.access & EXPAND_DOWN) !== 0;
    if (inward ? levelOf(code) > this.#level : levelOf(code) !== this.#level) return generalProtection(gate.selector);
    if ((code.access & IS_PRESENT) === 0) return { fault: NOT_PRESENT, errorCode: gate.selector };
    return gate.offset > code.limit ? generalProtection(0) : code;
  }

  /** The kernel's own stack, which is the only one known to a more privileged level. */
  #innerStack(level: number): Stack | GuestFault {
    if (level !== KERNEL_RING) return generalProtection(this.errorCode);
    const { selector, pointer } = this.vcpu.kernelStack;
    const segment = (selector & 3) === level ? this.#segment(selector) : undefined;
    if (segment === undefined || levelOf(segment) !== level || !isStack(segment))
      return { fault: INVALID_TSS, errorCode: selector & 0xfffc };
    if ((segment.access & IS_PRESENT) === 0) return { fault: STACK_FAULT, errorCode: selector & 0xfffc };
    return { segment, pointer: Number(pointer & 0xffff_ffffn), error: selector & 0xfffc };
  }

  #sameStack(): Stack {
    return { segment: this.vcpu.registers.segment("ss"), pointer: this.#register("rsp"), error: 0 };
  }

  /** Old stack and parameters when the stack is another, and where the call came from. The new ESP. */
  #push({ segment, pointer, error }: Stack, parameters: number, inner: boolean, back: number): number | GuestFault {
    const { registers } = this.vcpu;
    const count = (inner ? 4 : 2) + parameters;
    if (!fits(segment, pointer, count * 4)) return { fault: STACK_FAULT, errorCode: error };
    const words = inner ? [registers.segment("ss").selector, this.#register("rsp")] : [];
    const copied = this.#parameters(parameters);
    if (isGuestFault(copied)) return copied;
    words.push(...copied, registers.segment("cs").selector, back);
    const frame = new DataView(new ArrayBuffer(count * 4));
    for (const [index, word] of words.entries()) frame.setUint32((count - 1 - index) * 4, word, true);
    const rsp = (pointer - count * 4) >>> 0;
    const address = BigInt.asUintN(32, segment.base + BigInt(rsp));
    if (!this.domain.copy.mayName(address, count * 4)) return generalProtection(this.errorCode);
    const fault = this.domain.hypervisor.linear.write(this.vcpu.id, address, new Uint8Array(frame.buffer), {
      level: KERNEL_RING,
      write: true,
    });
    return fault === undefined ? rsp : { fault: PAGE_FAULT, errorCode: STORE, address: fault.address ?? address };
  }

  /** Words from the caller's stack, the highest first. */
  #parameters(count: number): number[] | GuestFault {
    if (count === 0) return [];
    const { base, limit, access } = this.vcpu.registers.segment("ss");
    const pointer = this.#register("rsp");
    const segment = { base, limit, access, selector: 0 };
    if (!fits(segment, pointer + count * 4, count * 4)) return generalProtection(this.errorCode);
    const bytes = new Uint8Array(count * 4);
    const address = BigInt.asUintN(32, base + BigInt(pointer));
    if (!this.domain.copy.mayName(address, bytes.length)) return generalProtection(this.errorCode);
    const fault = this.domain.hypervisor.linear.read(this.vcpu.id, address, bytes, { level: KERNEL_RING });
    if (fault !== undefined) return { fault: PAGE_FAULT, errorCode: 0, address: fault.address ?? address };
    const view = new DataView(bytes.buffer);
    return Array.from({ length: count }, (_, index) => view.getUint32((count - 1 - index) * 4, true));
  }
}

interface Stack {
  readonly segment: SegmentCache;
  readonly pointer: number;
  /** Of the #SS when it is too small. */
  readonly error: number;
}

function isStack({ access }: SegmentCache): boolean {
  return (access & (NOT_SYSTEM | CODE | WRITABLE)) === (NOT_SYSTEM | WRITABLE);
}

/** Bytes below a stack pointer are in the segment. */
function fits({ access, limit }: SegmentCache, pointer: number, bytes: number): boolean {
  const low = (pointer - bytes) >>> 0;
  const high = (pointer - 1) >>> 0;
  return low < high && ((access & EXPAND_DOWN) === 0 ? high <= limit : low > limit);
}

/** A far transfer was refused with a selector: done all the same when that is a call gate which the guest may use; else the fault. */
export function throughGate(domain: Domain, vcpu: VirtualCpu, errorCode: number): ResumeAt | GuestFault {
  return new GateUse(domain, vcpu, errorCode).run();
}
