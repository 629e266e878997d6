/**
 * One call as its handler sees it: the registers and stack words of the i386 convention (regparm 3), and where results go. RIP is at the VMCALL,
 * behind which the ROM returns to the caller.
 */
import { type GuestFault, isGuestFault } from "@paravane/paravirt-ops";
import type { CallName } from "../abi/calls.js";
import type { Guest, GuestCpu } from "../guest.js";
import type { Done } from "../vcpu/kernel.js";

/** What becomes of a call: back to the caller, on at RIP as the handler set it, or a fault at the VMCALL. */
export type CallAnswer = Done | "resume" | undefined;

/** Does what a call asks for. */
export type CallHandler = (call: RomCall) => CallAnswer;

/** Handlers by name. */
export type CallHandlers = Readonly<Partial<Record<CallName, CallHandler>>>;

const SUPERVISOR = { level: 0, implicit: true } as const;

/** A call in progress. */
export class RomCall {
  constructor(
    readonly guest: Guest,
    readonly cpu: GuestCpu,
    /** A return address lies above the frame, of a call that does not return to its caller. */
    readonly discard: boolean,
  ) {}

  get vcpu() {
    return this.cpu.vcpu;
  }

  get registers() {
    return this.cpu.vcpu.registers;
  }

  get eax(): number {
    return Number(this.registers.get("rax") & 0xffffffffn);
  }

  get edx(): number {
    return Number(this.registers.get("rdx") & 0xffffffffn);
  }

  get ecx(): number {
    return Number(this.registers.get("rcx") & 0xffffffffn);
  }

  /** EDX:EAX. */
  get pair(): bigint {
    return (BigInt(this.edx) << 32n) | BigInt(this.eax);
  }

  /** Linear address of ESP + `offset`. */
  stackAddress(offset: number): bigint {
    const { base } = this.registers.segment("ss");
    return BigInt.asUintN(32, base + this.registers.get("rsp") + BigInt(offset));
  }

  /** Arguments on the stack, `first` counting from 0 above the return address. */
  stackWords(first: number, count: number): readonly number[] | GuestFault {
    return this.words(this.stackAddress(4 + 4 * first), count);
  }

  /** Words of guest memory. */
  words(address: bigint, count: number): readonly number[] | GuestFault {
    const bytes = this.read(address, 4 * count);
    if (isGuestFault(bytes)) return bytes;
    const view = new DataView(bytes.buffer);
    return Array.from({ length: count }, (_, index) => view.getUint32(4 * index, true));
  }

  /** Bytes of guest memory, as its kernel may read them. */
  read(address: bigint, length: number): Uint8Array | GuestFault {
    const bytes = new Uint8Array(length);
    return this.guest.hypervisor.linear.read(this.vcpu.id, BigInt.asUintN(32, address), bytes, SUPERVISOR) ?? bytes;
  }

  /** Stores to guest memory, as its kernel may. */
  write(address: bigint, bytes: Uint8Array): GuestFault | undefined {
    return this.guest.hypervisor.linear.write(this.vcpu.id, BigInt.asUintN(32, address), bytes, { ...SUPERVISOR, write: true });
  }

  /** The result in EAX, of an operation or a handler. */
  result(value: bigint | number | GuestFault): CallAnswer {
    if (isGuestFault(value)) return value;
    this.registers.set("rax", BigInt.asUintN(32, BigInt(value)));
  }

  /** The result in EDX:EAX. */
  resultPair(value: bigint | GuestFault): CallAnswer {
    if (isGuestFault(value)) return value;
    this.registers.set("rax", BigInt.asUintN(32, value));
    this.registers.set("rdx", BigInt.asUintN(32, value >> 32n));
  }
}
