/** A vCPU whose "instructions" are a function, with registers that are only remembered. */
import type { MsrDevice } from "../core.js";
import {
  type ControlRegister,
  type DebugRegister,
  type ExitReason,
  type GeneralRegister,
  generalRegisters,
  type SegmentCache,
  type SegmentName,
  type TableRegister,
  type Vcpu,
  type VcpuRegisters,
} from "../handles/vcpu.js";

type RegisterName = GeneralRegister | "rip" | "rflags" | ControlRegister | DebugRegister;

const GS_BASE = 0xc000_0101;
/** General registers by name. */
const NUMBERS = new Map<RegisterName, number>(generalRegisters.map((name, number) => [name, number]));

/** MSRs of one vCPU that a board answers. */
type BoardMsrs = { read(index: number): bigint | undefined; write(index: number, value: bigint): boolean };

/** Registers that remember what was set. MSRs are the board's where it has them; a few more are there from the start. */
export class RecordingRegisters implements VcpuRegisters {
  readonly general = new BigUint64Array(generalRegisters.length);
  readonly #values = new Map<RegisterName, bigint>();
  readonly #segments = new Map<SegmentName, SegmentCache>();
  readonly #tables = new Map<string, TableRegister>();
  readonly #fx = new Uint8Array(512);
  readonly #msrs = new Map<number, bigint>([
    [0x10, 0n],
    [0x1b, 0xfee00900n],
    [0x6e0, 0n],
    [0xc0000102, 0n],
  ]);

  constructor(private readonly board?: BoardMsrs) {}

  get(name: RegisterName): bigint {
    const number = NUMBERS.get(name);
    if (number !== undefined) return this.general[number]!;
    return this.#values.get(name) ?? (name === "rflags" ? 2n : 0n);
  }

  set(name: RegisterName, value: bigint): void {
    const number = NUMBERS.get(name);
    if (number === undefined) this.#values.set(name, BigInt.asUintN(64, value));
    else this.general[number] = value;
  }

  flags(): number {
    return Number(BigInt.asUintN(32, this.get("rflags")));
  }

  setFlags(value: number): void {
    this.set("rflags", BigInt(value >>> 0));
  }

  segment(name: SegmentName): SegmentCache {
    return this.#segments.get(name) ?? { selector: 0, base: 0n, limit: 0xffff, access: 0x93 };
  }

  selector(name: SegmentName): number {
    return this.segment(name).selector;
  }

  setSegment(name: SegmentName, value: SegmentCache): void {
    this.#segments.set(name, { ...value });
  }

  table(name: "gdtr" | "idtr"): TableRegister {
    return this.#tables.get(name) ?? { base: 0n, limit: 0xffff };
  }

  setTable(name: "gdtr" | "idtr", value: TableRegister): void {
    this.#tables.set(name, { ...value });
  }

  fxState(): Uint8Array {
    return this.#fx.slice();
  }

  setFxState(image: Uint8Array): void {
    this.#fx.set(image.subarray(0, this.#fx.length));
  }

  msr(index: number): bigint | undefined {
    if (index === GS_BASE) return this.segment("gs").base;
    return this.board?.read(index) ?? this.#msrs.get(index);
  }

  setMsr(index: number, value: bigint): boolean {
    if (this.board?.write(index, value) === true) return true;
    if (index === GS_BASE) this.setSegment("gs", { ...this.segment("gs"), base: value });
    else if (this.#msrs.has(index)) this.#msrs.set(index, value);
    else return false;
    return true;
  }
}

/** What a recording vCPU does with a budget: retire instructions by `retire`, and say why it stops. */
export type GuestProgram = (vcpu: RecordingVcpu, budget: number) => ExitReason;

/** Retires its whole budget. */
export const spin: GuestProgram = (vcpu, budget) => {
  vcpu.retire(budget);
  return "budget";
};

/** A vCPU that runs a `GuestProgram`. */
export class RecordingVcpu implements Vcpu {
  readonly registers: RecordingRegisters;
  retired = 0;
  fault: string | undefined;
  halted: boolean;
  /** Latched events and the INTR pin. */
  interruptRequest = false;
  nmiPending = false;
  /** STARTUP vector that arrived while waiting for one. */
  startupVector: number | undefined;
  stopRequested = false;

  constructor(
    readonly id: number,
    readonly program: GuestProgram,
    msrs?: MsrDevice,
  ) {
    const board = msrs && {
      read: (index: number) => msrs.msrRead(id, index),
      write: (index: number, value: bigint) => msrs.msrWrite(id, index, value),
    };
    this.registers = new RecordingRegisters(board);
    this.halted = id !== 0;
  }

  get hasWork(): boolean {
    return this.nmiPending || this.interruptRequest || this.startupVector !== undefined;
  }

  retire(instructions: number): void {
    this.retired += instructions;
  }

  run(budget: number): ExitReason {
    if (this.halted && !this.hasWork) return "halted";
    this.halted = false;
    this.stopRequested = false;
    const reason = this.program(this, budget);
    if (reason === "halted") this.halted = true;
    return reason;
  }

  setInterruptRequest(level: boolean): void {
    this.interruptRequest = level;
  }

  raiseNmi(): void {
    this.nmiPending = true;
  }

  init(): void {
    this.halted = true;
    this.startupVector = undefined;
  }

  startup(vector: number): void {
    if (this.halted) this.startupVector = vector;
  }

  reset(): void {
    this.init();
    this.halted = this.id !== 0;
  }

  requestStop(): void {
    this.stopRequested = true;
  }
}
