/**
 * Operations bound to the instructions by which a guest's kernel asks for them on bare metal: the table of which is which, and what an
 * instruction does whose operation the core does not own. Operations of `architectural` form have no part in this.
 */
import {
  type CpuidResult,
  type FieldMeaning,
  type FieldReference,
  type InterceptableInstruction,
  type InterceptAnswer,
  type InterceptedInstruction,
  isGuestFault,
  type Operation,
  type ParavirtOps,
  type TableOperand,
  type Vcpu,
} from "@paravane/paravirt-ops";
import type { BoundInstructions } from "./bound-instructions.js";
import { type FormPlace, writeInlineForm } from "./inline-forms.js";
import type { DecodedIntercept } from "./instructions.js";

type AnyOperation = Operation<readonly never[], unknown>;
type Args = readonly unknown[];

/** An instruction's operation at one place in the guest's code. */
export interface BoundOperation {
  /** Writes the inline form into the operation at `u`; false when the instruction must leave to `run`. */
  inline(view: DataView, u: number): boolean;
  /** Calls the function, and does the rest of what the instruction does. */
  run(vcpu: number, record: InterceptedInstruction): InterceptAnswer;
}

/** What instruction asks for which operation: the operation, its arguments, what becomes of the result. */
interface Row {
  operation(ops: ParavirtOps, decoded: DecodedIntercept): AnyOperation | undefined;
  args?(record: InterceptedInstruction, on: BoundInstructions, vcpu: number): Args | "fault";
  /** Where inline forms find the operand or put the result. */
  place?: FormPlace;
  /** Results go to: the destination register or EAX, EDX:EAX, the four registers of CPUID, the stack, memory; POPF has its own way. */
  result?: "destination" | "pair" | "cpuid" | "flags" | "table" | "selector";
  /** The operation changes RIP by itself. */
  transfers?: boolean;
}

const row = <A extends readonly unknown[], R>(
  operation: (ops: ParavirtOps, decoded: DecodedIntercept) => Operation<A, R> | undefined,
  rest: Omit<Row, "operation"> = {},
): Row => ({ operation: operation as Row["operation"], ...rest });

const operand = (record: InterceptedInstruction): Args => [record.operand ?? 0n];
const selector = (record: InterceptedInstruction): Args => [Number(record.operand ?? 0n)];
const index = (record: InterceptedInstruction): Args => [record.index ?? 0];
const indexed = (record: InterceptedInstruction): Args => [record.index ?? 0, record.operand ?? 0n];
const table = (record: InterceptedInstruction, on: BoundInstructions, vcpu: number): Args | "fault" => on.readTable(vcpu, record);

const READ_CR = {
  cr0: (ops: ParavirtOps) => ops.cpu.readCr0,
  cr2: (ops: ParavirtOps) => ops.mmu.readCr2,
  cr3: (ops: ParavirtOps) => ops.mmu.readCr3,
  cr4: (ops: ParavirtOps) => ops.cpu.readCr4,
  cr8: (ops: ParavirtOps) => ops.cpu.readCr8,
} as const;
const WRITE_CR = {
  cr0: (ops: ParavirtOps) => ops.cpu.writeCr0,
  cr2: (ops: ParavirtOps) => ops.mmu.writeCr2,
  cr3: (ops: ParavirtOps) => ops.mmu.writeCr3,
  cr4: (ops: ParavirtOps) => ops.cpu.writeCr4,
  cr8: (ops: ParavirtOps) => ops.cpu.writeCr8,
} as const;
type Control = keyof typeof READ_CR;

const ROWS: Readonly<Partial<Record<InterceptableInstruction, Row>>> = {
  "mov-from-cr": row((ops, { control }) => READ_CR[control as Control](ops), { result: "destination", place: "register" }),
  "mov-to-cr": row((ops, { control }) => WRITE_CR[control as Control](ops), { args: operand, place: "register" }),
  clts: row((ops) => ops.cpu.clts),
  smsw: row((ops) => ops.cpu.readCr0, { result: "selector" }),
  // LMSW sets PE, MP, EM and TS, and cannot clear PE: what it writes is made of what the guest may see in CR0.
  lmsw: row((ops) => ops.cpu.writeCr0, { args: (record, on, vcpu) => on.machineStatus(vcpu, record) }),
  "mov-from-dr": row((ops) => ops.cpu.getDebugreg, { args: index, result: "destination", place: "register" }),
  "mov-to-dr": row((ops) => ops.cpu.setDebugreg, { args: indexed, place: "register" }),
  lgdt: row((ops) => ops.cpu.loadGdt, { args: table }),
  lidt: row((ops) => ops.cpu.loadIdt, { args: table }),
  sgdt: row((ops) => ops.cpu.storeGdt, { result: "table" }),
  sidt: row((ops) => ops.cpu.storeIdt, { result: "table" }),
  lldt: row((ops) => ops.cpu.setLdt, { args: selector }),
  sldt: row((ops) => ops.cpu.storeLdt, { result: "selector" }),
  ltr: row((ops) => ops.cpu.loadTr, { args: selector }),
  str: row((ops) => ops.cpu.storeTr, { result: "selector" }),
  pushf: row((ops) => ops.irq.saveFl, { result: "flags", place: "push" }),
  popf: row((ops) => ops.irq.restoreFl, { place: "pop" }),
  cli: row((ops) => ops.irq.disable),
  sti: row((ops) => ops.irq.enable),
  hlt: row((ops) => ops.irq.halt),
  pause: row((ops) => ops.smp.yield, { args: () => [undefined] }),
  invlpg: row((ops) => ops.mmu.flushTlbSingle, { args: operand }),
  invd: row((ops) => ops.cpu.wbinvd),
  wbinvd: row((ops) => ops.cpu.wbinvd),
  rdmsr: row((ops) => ops.cpu.readMsr, { args: index, result: "pair", place: "pair" }),
  wrmsr: row((ops) => ops.cpu.writeMsr, { args: indexed, place: "pair" }),
  rdtsc: row((ops) => ops.time.readTsc, { result: "pair", place: "pair" }),
  rdtscp: row((ops) => ops.time.readTsc, { result: "pair" }),
  rdpmc: row((ops) => ops.cpu.readPmc, { args: index, result: "pair", place: "pair" }),
  cpuid: row((ops) => ops.cpu.cpuid, { args: (_record, on, vcpu) => on.leaf(vcpu), result: "cpuid" }),
  xsetbv: row((ops) => ops.cpu.writeXcr0, { args: operand, place: "pair" }),
  swapgs: row((ops) => ops.cpu.swapgs),
  in: row((ops) => ops.cpu.readPort, { args: ({ port, size }) => [port, size], result: "destination" }),
  out: row((ops) => ops.cpu.writePort, { args: ({ port, size, operand: value }) => [port, size, Number(value)] }),
  iret: row((ops) => ops.cpu.iret, { transfers: true }),
  sysret: row((ops) => ops.cpu.sysret, { args: ({ bits }) => [bits === 64 ? 64 : 32], transfers: true }),
  sysexit: row((ops) => ops.cpu.sysexit, { transfers: true }),
};

/** The bound operations of one machine. */
export class BoundForms {
  constructor(
    private readonly ops: ParavirtOps,
    private readonly on: BoundInstructions,
    private readonly vcpus: readonly Vcpu[],
  ) {}

  /** False when every instruction is architectural. */
  get any(): boolean {
    const decoded = (control: Control): DecodedIntercept => ({ control }) as DecodedIntercept;
    const controls = Object.keys(READ_CR) as Control[];
    return Object.values(ROWS).some((entry) =>
      controls.some((control) => entry.operation(this.ops, decoded(control))?.inline.kind !== "architectural"),
    );
  }

  /** What an instruction does, unless it is architectural. */
  of(decoded: DecodedIntercept): BoundOperation | undefined {
    const entry = ROWS[decoded.instruction];
    const operation = entry?.operation(this.ops, decoded);
    if (entry === undefined || operation === undefined || operation.inline.kind === "architectural") return undefined;
    const form = operation.inline;
    // PUSHF and POPF move the stack whatever becomes of the flag.
    const movesStack = decoded.instruction === "pushf" || decoded.instruction === "popf";
    let inlined = false;
    return {
      inline: (view, u) => {
        if (movesStack && form.kind === "nop") return false;
        inlined = writeInlineForm(view, u, form, entry.place, (name) => this.on.recordRow(name));
        return inlined;
      },
      run: (vcpu, record) => this.#run(vcpu, record, entry, operation, inlined && form.kind === "store-field"),
    };
  }

  #run(vcpu: number, record: InterceptedInstruction, entry: Row, operation: AnyOperation, stored: boolean): InterceptAnswer {
    const { on } = this;
    const form = operation.inline;
    let args: Args | "fault" = entry.args?.(record, on, vcpu) ?? [];
    if (args === "fault") return on.fault(vcpu);
    if (record.instruction === "popf") {
      const flags = stored ? 0 : on.popFlags(vcpu, record);
      if (typeof flags !== "number") return flags;
      args = [flags];
    }
    if (form.kind === "fault") return form.fault;
    let result: unknown;
    if (form.kind === "load-field") result = this.#load(vcpu, form.field, form.meaning, entry);
    else if (form.kind === "exit" || stored) result = this.#call(vcpu, operation, args);
    else if (form.kind === "store-field") {
      const value =
        form.value === "operand"
          ? on.converted(BigInt((args.at(-1) as bigint | number | undefined) ?? 0), form.meaning)
          : BigInt(form.value);
      on.writeField(vcpu, form.field, value);
      if (form.unlessZero !== undefined && on.readField(vcpu, form.unlessZero) !== 0n) result = this.#call(vcpu, operation, args);
    }
    if (isGuestFault(result)) return result;
    const fault =
      form.kind === "nop"
        ? record.instruction === "pushf"
          ? on.pushFlags(vcpu, record, undefined)
          : undefined
        : this.#put(vcpu, record, entry, result);
    if (fault !== undefined) return fault;
    return entry.transfers === true && form.kind === "exit" ? "resume" : "next";
  }

  #call(vcpu: number, operation: AnyOperation, args: Args): unknown {
    return operation.run(this.vcpus[vcpu]!, ...(args as never[]));
  }

  #load(vcpu: number, field: FieldReference, meaning: FieldMeaning, { result }: Row): unknown {
    const value = this.on.readField(vcpu, field);
    const read = meaning === "value" ? value : (value !== 0n) === (meaning === "interrupt-flag") ? 0x200n : 0n;
    return result === "flags" || result === "selector" ? Number(read) : read;
  }

  #put(vcpu: number, record: InterceptedInstruction, { result: where }: Row, result: unknown): InterceptAnswer | undefined {
    const { on } = this;
    switch (where) {
      case "destination":
        on.setDestination(vcpu, record, BigInt(result as bigint | number));
        return undefined;
      case "pair":
        on.setPair(vcpu, BigInt(result as bigint), record.instruction === "rdtscp");
        return undefined;
      case "cpuid":
        on.setCpuid(vcpu, result as CpuidResult);
        return undefined;
      case "flags":
        return on.pushFlags(vcpu, record, Number(result));
      case "table":
        return on.storeTable(vcpu, record, result as TableOperand);
      case "selector":
        return on.storeSelector(vcpu, record, BigInt(result as number | bigint));
      default:
        return undefined;
    }
  }
}
