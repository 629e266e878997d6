/**
 * How a guest of a backend gets what each operation promises. The slots say what happens when an operation runs; a guest of a layered backend
 * mostly asks in another way (a call, a store to a shared page), which no slot shows, so the backend declares it for each way of being its guest.
 * Declarations are checked against the slots by the conformance suite, and against what guests do by counting.
 */
import type { InterceptableInstruction, InterceptedInstruction } from "./handles/intercepts.js";
import { type OperationGroup, operations, type ParavirtOps } from "./ops/index.js";
import type { Operation } from "./ops/operation.js";

/**
 * Who answers: the backend, by a call of its ABI (paravirtual) or because the bare machine's instruction comes to it (emulated); the processor or
 * the layer beneath, under its own name (native); memory that the guest reads, writes or executes itself, without an exit (memory); or nobody,
 * since guests of this kind have nothing to ask (none).
 */
export type AnswerKind = "paravirtual" | "emulated" | "native" | "memory" | "none";

/** The answer to one operation. Made with `by`. */
export interface Answer {
  /** Who answers. */
  readonly kind: AnswerKind;
  /** The calls that ask for it, as the hypercall tap names them; empty exactly when the answer is not paravirtual. */
  readonly calls: readonly string[];
  /** Where in memory, or why there is nothing to ask; "" when the kind says all. */
  readonly note: string;
}

/** Makers of answers: `by.calls("set_gdt")`, `by.memory("vcpu_info.evtchn_upcall_mask")`. */
export const by = {
  /** The guest makes one of these calls. */
  calls: (...calls: readonly [string, ...string[]]): Answer => ({ kind: "paravirtual", calls, note: "" }),
  /** The guest uses the bare machine's instruction, and the backend answers it. */
  emulation: { kind: "emulated", calls: [], note: "" } as Answer,
  /** The guest does what it would on the bare machine, and the processor or the layer beneath answers. */
  native: { kind: "native", calls: [], note: "" } as Answer,
  /** The guest does it in memory: `where`. No exit. */
  memory: (where: string): Answer => ({ kind: "memory", calls: [], note: where }),
  /** The guest has nothing to ask: `why`. */
  nothing: (why: string): Answer => ({ kind: "none", calls: [], note: why }),
} as const;

/** An answer for every operation of the contract. */
export type Answers = {
  readonly [Group in OperationGroup]: { readonly [Name in keyof (typeof operations)[Group]]: Answer };
};

/** `group.name` of an operation. */
export type OperationName = { [Group in OperationGroup]: `${Group}.${keyof (typeof operations)[Group] & string}` }[OperationGroup];

/** A call that guests can make, as the hypercall tap names it. */
export interface GuestCall {
  /** "set_gdt", "sched_op.block", "VMI_CALL_SetCR3". */
  readonly name: string;
  /** The call's number. */
  readonly number: number;
  /** Number of the command in it, for a call that has commands. */
  readonly command?: number;
  /** False: it is known, and answered by an error. */
  readonly answered: boolean;
  /** It asks for no operation by itself: it exists in this ABI alone, or carries others. */
  readonly own?: boolean;
}

/** One way of being a guest of a backend: a Xen domain is PV or PVH. */
export interface GuestMode<Config = unknown> {
  /** Lower case: "pv". */
  readonly name: string;
  /** Settings under which the backend starts its guests in this way. */
  readonly config: Partial<Config>;
  /** How its guests get what operations promise. */
  readonly answers: Answers;
  /** Instructions that come to the backend. */
  readonly intercepts: readonly InterceptableInstruction[];
  /** Calls that its guests can make. */
  readonly calls: readonly GuestCall[];
}

const CONTROL: Readonly<Record<string, Readonly<Record<string, OperationName>>>> = {
  "mov-from-cr": { cr0: "cpu.readCr0", cr2: "mmu.readCr2", cr3: "mmu.readCr3", cr4: "cpu.readCr4", cr8: "cpu.readCr8" },
  "mov-to-cr": { cr0: "cpu.writeCr0", cr2: "mmu.writeCr2", cr3: "mmu.writeCr3", cr4: "cpu.writeCr4", cr8: "cpu.writeCr8" },
};

/** Instructions that ask for operations. Those that are not here (SYSCALL, INT n, LAR …) ask for none. */
const INSTRUCTIONS: Readonly<Partial<Record<InterceptableInstruction, readonly OperationName[]>>> = {
  clts: ["cpu.clts"],
  lmsw: ["cpu.writeCr0"],
  smsw: ["cpu.readCr0"],
  "mov-from-dr": ["cpu.getDebugreg"],
  "mov-to-dr": ["cpu.setDebugreg"],
  lgdt: ["cpu.loadGdt"],
  lidt: ["cpu.loadIdt"],
  lldt: ["cpu.setLdt"],
  ltr: ["cpu.loadTr"],
  sgdt: ["cpu.storeGdt"],
  sidt: ["cpu.storeIdt"],
  sldt: ["cpu.storeLdt"],
  str: ["cpu.storeTr"],
  pushf: ["irq.saveFl"],
  popf: ["irq.restoreFl"],
  cli: ["irq.disable"],
  sti: ["irq.enable"],
  hlt: ["irq.halt", "irq.safeHalt"],
  iret: ["cpu.iret"],
  pause: ["smp.yield"],
  invlpg: ["mmu.flushTlbSingle"],
  invpcid: ["mmu.flushTlbKernel", "mmu.flushTlbSingle"],
  invd: ["cpu.wbinvd"],
  wbinvd: ["cpu.wbinvd"],
  rdmsr: ["cpu.readMsr"],
  wrmsr: ["cpu.writeMsr"],
  rdtsc: ["time.readTsc"],
  rdtscp: ["time.readTsc"],
  rdpmc: ["cpu.readPmc"],
  cpuid: ["cpu.cpuid"],
  xsetbv: ["cpu.writeXcr0"],
  swapgs: ["cpu.swapgs"],
  in: ["cpu.readPort"],
  ins: ["cpu.readPort"],
  out: ["cpu.writePort"],
  outs: ["cpu.writePort"],
  sysret: ["cpu.sysret"],
  sysexit: ["cpu.sysexit"],
};

/** The operations that a guest asks for by an instruction on the bare machine; empty for one that asks for none. */
export function operationsOf({ instruction, control }: Pick<InterceptedInstruction, "instruction" | "control">): readonly OperationName[] {
  const byControl = CONTROL[instruction];
  if (byControl === undefined) return INSTRUCTIONS[instruction] ?? [];
  if (control === undefined) return Object.values(byControl);
  return byControl[control] === undefined ? [] : [byControl[control]];
}

/** The answer that a slot's inline form alone says, for a backend whose guests ask by the bare machine's instructions. */
export function answerOfForm({ inline }: Pick<Operation, "inline">): Answer {
  switch (inline.kind) {
    case "architectural":
      return by.native;
    case "exit":
      return by.emulation;
    case "nop":
      return by.nothing("nothing is to be done");
    case "fault":
      return by.nothing("there is no such thing here");
    case "load-field":
    case "store-field":
      return by.memory(`${inline.field.record} at ${inline.field.offset}`);
  }
}

/** The answers of a backend that declares none: what its slots' forms say. */
export function answersOfForms(ops: ParavirtOps): Answers {
  const groups = Object.keys(operations).map((group) => {
    const slots = ops[group as OperationGroup] as unknown as Readonly<Record<string, Operation>>;
    return [group, Object.fromEntries(Object.entries(slots).map(([name, slot]) => [name, answerOfForm(slot)]))];
  });
  return Object.fromEntries(groups) as Answers;
}

/** An answer with the operation that it is for. */
export interface AnswerRow {
  /** `group.name` */
  readonly operation: OperationName;
  /** How guests get it. */
  readonly answer: Answer;
}

/** All answers, in the order of the contract. */
export function listAnswers(answers: Answers): AnswerRow[] {
  return Object.entries(operations).flatMap(([group, rows]) =>
    Object.keys(rows).map((name) => ({
      operation: `${group}.${name}` as OperationName,
      answer: (answers[group as OperationGroup] as Readonly<Record<string, Answer>>)[name]!,
    })),
  );
}

/** What contradicts between declared answers and slots, one line each; empty when all agree. Both are of one backend. */
export function contradictions(mode: Omit<GuestMode, "config">, ops: ParavirtOps): string[] {
  const found: string[] = [];
  const answered = new Set(mode.calls.filter((call) => call.answered).map(({ name }) => name));
  const asking = new Set(listAnswers(mode.answers).flatMap(({ answer }) => answer?.calls ?? []));
  for (const { name, answered: known, own = false } of mode.calls) {
    if (own && asking.has(name)) found.push(`${name} is said to ask for no operation, and does`);
    if (known && !own && !asking.has(name)) found.push(`${name} asks for no operation, and is not said to be of this ABI alone`);
  }
  const intercepted = new Set(mode.intercepts.flatMap((instruction) => operationsOf({ instruction })));
  for (const { operation, answer } of listAnswers(mode.answers)) {
    if (answer === undefined) {
      found.push(`${operation} has no answer`);
      continue;
    }
    const [group, name] = operation.split(".") as [OperationGroup, string];
    const form = (ops[group] as unknown as Readonly<Record<string, Operation>>)[name]!.inline.kind;
    const { kind, calls } = answer;
    const say = (what: string): void => void found.push(`${operation} is ${kind}, and ${what}`);
    if ((kind === "paravirtual") !== calls.length > 0) say(`${calls.length} calls ask for it`);
    for (const call of calls) if (!answered.has(call)) say(`there is no answered call ${call}`);
    if (kind === "emulated" && !intercepted.has(operation) && form !== "exit") say("no instruction for it comes to the backend");
    if (kind === "native" && intercepted.has(operation)) say("an instruction for it comes to the backend");
    if (kind === "native" && form !== "architectural") say(`its slot is ${form}`);
    if ((kind === "memory" || kind === "none") && form === "exit") say("its slot is a function");
    if ((form === "load-field" || form === "store-field") && kind !== "memory" && kind !== "paravirtual") say(`its slot is ${form}`);
  }
  return found;
}
