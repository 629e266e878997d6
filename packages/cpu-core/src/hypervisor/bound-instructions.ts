/** The parts of an instruction around its operation: operands in memory, results into registers and memory, fields of shared records. */
import {
  type CpuidResult,
  type FieldMeaning,
  type FieldReference,
  type GuestFault,
  type InterceptAnswer,
  type InterceptedInstruction,
  isGuestFault,
  type LinearMemory,
  type ParavirtOps,
  type TableOperand,
} from "@paravane/paravirt-ops";
import * as L from "../layout.js";
import type { HypervisorMemory } from "./frames.js";
import { blockOf, type LentState, takeFault } from "./state.js";

const PE = 1n;
const STATUS_WORD = 0xfn;
const RFLAGS_IF = 0x200n;

export class BoundInstructions {
  #fault: GuestFault | undefined;

  constructor(
    private readonly state: LentState,
    private readonly linear: LinearMemory,
    private readonly frames: HypervisorMemory,
    private readonly ops: ParavirtOps,
  ) {}

  recordRow(name: string): number {
    return this.frames.recordRow(name);
  }

  /** The fault that kept an operand from being read. */
  fault(_vcpu: number): GuestFault {
    return this.#fault ?? { fault: 13, errorCode: 0 };
  }

  #long(vcpu: number): boolean {
    return (this.state.view.getUint32(blockOf(vcpu) + L.MODE, true) & L.MODE_64) !== 0;
  }

  #cpl(vcpu: number): 0 | 1 | 2 | 3 {
    return this.state.view.getUint32(blockOf(vcpu) + L.CPL, true) as 0 | 1 | 2 | 3;
  }

  #register(vcpu: number, number: number): bigint {
    return this.state.view.getBigUint64(blockOf(vcpu) + L.GPR + 8 * number, true);
  }

  #setRegister(vcpu: number, number: number, bits: number, value: bigint): void {
    const whole =
      bits >= 32
        ? BigInt.asUintN(bits, value)
        : (this.#register(vcpu, number) & ~((1n << BigInt(bits)) - 1n)) | BigInt.asUintN(bits, value);
    this.state.view.setBigUint64(blockOf(vcpu) + L.GPR + 8 * number, whole, true);
  }

  /** The operand of LGDT and LIDT: 6 or 10 bytes, of whose base 16-bit code uses 24 bits. */
  readTable(vcpu: number, { operand, bits }: InterceptedInstruction): [TableOperand] | "fault" {
    const long = this.#long(vcpu);
    const image = new Uint8Array(long ? 10 : 6);
    this.#fault = this.linear.read(vcpu, operand ?? 0n, image, { level: this.#cpl(vcpu) });
    if (this.#fault !== undefined) return "fault";
    const view = new DataView(image.buffer);
    const base = long ? view.getBigUint64(2, true) : BigInt(view.getUint32(2, true));
    return [{ limit: view.getUint16(0, true), base: bits === 16 ? base & 0xffffffn : base }];
  }

  /** SGDT, SIDT. */
  storeTable(vcpu: number, { operand }: InterceptedInstruction, { base, limit }: TableOperand): GuestFault | undefined {
    const image = new DataView(new ArrayBuffer(this.#long(vcpu) ? 10 : 6));
    image.setUint16(0, limit, true);
    if (image.byteLength === 10) image.setBigUint64(2, BigInt.asUintN(64, base), true);
    else image.setUint32(2, Number(BigInt.asUintN(32, base)), true);
    return this.linear.write(vcpu, operand ?? 0n, new Uint8Array(image.buffer), { level: this.#cpl(vcpu), write: true });
  }

  /** SLDT, STR, SMSW: a register at the operand size, or two bytes of memory. */
  storeSelector(vcpu: number, { destination, operand, bits }: InterceptedInstruction, value: bigint): GuestFault | undefined {
    if (destination !== undefined) {
      this.#setRegister(vcpu, destination, bits, value);
      return undefined;
    }
    const word = Number(value & 0xffffn);
    return this.linear.write(vcpu, operand ?? 0n, Uint8Array.of(word & 0xff, word >> 8), { level: this.#cpl(vcpu), write: true });
  }

  /** What LMSW makes of CR0. */
  machineStatus(vcpu: number, { operand }: InterceptedInstruction): [bigint] | "fault" {
    const old = this.ops.cpu.readCr0.run(this.state.vcpus[vcpu]!);
    if (isGuestFault(old)) {
      this.#fault = old;
      return "fault";
    }
    return [(old & ~(STATUS_WORD ^ PE)) | ((operand ?? 0n) & STATUS_WORD)];
  }

  /** CPUID's leaf and subleaf. */
  leaf(vcpu: number): [number, number] {
    return [Number(this.#register(vcpu, 0) & 0xffffffffn), Number(this.#register(vcpu, 1) & 0xffffffffn)];
  }

  setCpuid(vcpu: number, { eax, ebx, ecx, edx }: CpuidResult): void {
    for (const [number, value] of [eax, ecx, edx, ebx].entries()) this.#setRegister(vcpu, number, 32, BigInt(value));
  }

  /** EDX:EAX; RDTSCP also reads IA32_TSC_AUX. */
  setPair(vcpu: number, value: bigint, auxiliary: boolean): void {
    this.#setRegister(vcpu, 0, 32, value);
    this.#setRegister(vcpu, 2, 32, value >> 32n);
    if (auxiliary) this.#setRegister(vcpu, 1, 32, this.state.view.getBigUint64(blockOf(vcpu) + L.MSR_TSC_AUX, true));
  }

  /** A control or debug register's value at the mode's width, or the accumulator at the port's. */
  setDestination(vcpu: number, { destination, size }: InterceptedInstruction, value: bigint): void {
    this.#setRegister(vcpu, destination ?? 0, size !== undefined ? 8 * size : this.#long(vcpu) ? 64 : 32, value);
  }

  /** PUSHF with the given interrupt flag, or the architectural one. */
  pushFlags(vcpu: number, record: InterceptedInstruction, flag: number | undefined): GuestFault | undefined {
    const { view, engine } = this.state;
    const cpu = blockOf(vcpu);
    engine.pushFlagsWith(cpu, this.#stackOperation(vcpu, record), flag ?? view.getUint32(cpu + L.EFLAGS, true));
    return takeFault(view, cpu);
  }

  /** POPF without its interrupt flag; what was popped. */
  popFlags(vcpu: number, record: InterceptedInstruction): number | InterceptAnswer {
    const { view, engine } = this.state;
    const cpu = blockOf(vcpu);
    const flags = engine.popFlagsWithout(cpu, this.#stackOperation(vcpu, record)) >>> 0;
    return takeFault(view, cpu) ?? flags;
  }

  #stackOperation(vcpu: number, { bits }: InterceptedInstruction): number {
    const u = blockOf(vcpu) + L.EXECUTE_UOP;
    this.state.view.setUint32(u + L.U_AUX, bits === 64 ? L.AUX_OP64 : bits === 16 ? L.AUX_OP16 : L.AUX_OP32, true);
    return u;
  }

  /** An operand as a field keeps it. */
  converted(value: bigint, meaning: FieldMeaning): bigint {
    if (meaning === "value") return value;
    return ((value & RFLAGS_IF) !== 0n) === (meaning === "interrupt-flag") ? 1n : 0n;
  }

  readField(vcpu: number, field: FieldReference): bigint {
    const { view } = this.state;
    const at = this.frames.fieldAt(vcpu, field);
    if (field.bits === 64) return view.getBigUint64(at, true);
    return BigInt(field.bits === 8 ? view.getUint8(at) : field.bits === 16 ? view.getUint16(at, true) : view.getUint32(at, true));
  }

  writeField(vcpu: number, field: FieldReference, value: bigint): void {
    const { view } = this.state;
    const at = this.frames.fieldAt(vcpu, field);
    if (field.bits === 64) view.setBigUint64(at, BigInt.asUintN(64, value), true);
    else if (field.bits === 8) view.setUint8(at, Number(BigInt.asUintN(8, value)));
    else if (field.bits === 16) view.setUint16(at, Number(BigInt.asUintN(16, value)), true);
    else view.setUint32(at, Number(BigInt.asUintN(32, value)), true);
  }
}
