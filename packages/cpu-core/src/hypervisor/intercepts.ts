/**
 * Intercept sets: each different list of instructions has a number, which stands in the mode key, so that code decoded under one set is
 * never run under another. Number 0 intercepts nothing, and decoding under it asks nobody.
 */
import {
  HvError,
  type InterceptableInstruction,
  type InterceptedInstruction,
  type InterceptHandler,
  type InterceptSet,
  isGuestFault,
  type PrivilegeLevel,
} from "@paravane/paravirt-ops";
import type { Instruction } from "../decode/instruction.js";
import type { TableRow } from "../interp/handlers.js";
import * as L from "../layout.js";
import type { BoundForms, BoundOperation } from "./bound.js";
import type { Deliveries } from "./delivery.js";
import { type DecodedIntercept, describe, interceptable, knownParts } from "./instructions.js";
import { blockOf, idOf, type LentState, levelOf, raiseFault } from "./state.js";

const MAX_SETS = 0xffff;
const LEVELS = [0, 1, 2, 3] as const;
/** Operations stand for what a guest's kernel does: at level 3 there is none. */
const USER_LEVEL = 3;

interface NumberedSet {
  readonly instructions: ReadonlySet<InterceptableInstruction>;
  /** INT n that comes to delivery, by vector. */
  readonly software: ReadonlySet<number>;
  /** The operations' inline forms hold under it. */
  readonly bound: boolean;
}

/** What the decoder left for the run: by address of the operation, until the code cache is emptied. */
interface Site {
  readonly decoded: DecodedIntercept;
  readonly known: Partial<InterceptedInstruction>;
  /** INT n for delivery: its vector. */
  readonly software: number | undefined;
  /** Otherwise undefined: it comes to the intercept handler. */
  readonly operation: BoundOperation | undefined;
  /** What is told, by level, where nothing of it depends on registers. */
  readonly records: (InterceptedInstruction | undefined)[];
}

export class Intercepts {
  handler: InterceptHandler | undefined;
  readonly #sets: NumberedSet[] = [];
  readonly #numbers = new Map<string, number>();
  readonly #sites = new Map<number, Site>();
  readonly #wanted: InterceptSet[][];
  #bound: BoundForms | undefined;

  constructor(
    private readonly state: LentState,
    private readonly deliveries: Deliveries,
    vcpus: number,
  ) {
    const none: InterceptSet = { instructions: [], exceptions: [], interrupts: false };
    this.#wanted = Array.from({ length: vcpus }, () => LEVELS.map(() => none));
  }

  /** From now on, at `level` of `vcpu`. */
  set(vcpu: number, level: PrivilegeLevel, set: InterceptSet): void {
    this.#wanted[vcpu]![level] = set;
    this.#apply(vcpu, level);
  }

  /** Once, before the first run: the inline forms of operations that are not all architectural. */
  bind(forms: BoundForms): void {
    this.#bound = forms;
    for (const vcpu of this.#wanted.keys()) for (const level of LEVELS) this.#apply(vcpu, level);
  }

  #apply(vcpu: number, level: PrivilegeLevel): void {
    const { view, engine } = this.state;
    const cpu = blockOf(vcpu);
    const { instructions, exceptions, interrupts } = this.#wanted[vcpu]![level]!;
    const number = this.#number(new Set(instructions), new Set(exceptions), level !== USER_LEVEL && this.#bound !== undefined);
    view.setUint32(cpu + L.LEVEL_MODE + 4 * level, number * 2 ** L.MODE_INTERCEPT_SHIFT, true);
    view.setUint32(cpu + L.LEVEL_INTERRUPTS + 4 * level, interrupts ? 1 : 0, true);
    const mask = new Uint8Array(view.buffer, cpu + L.LEVEL_EXCEPTIONS + 32 * level, 32).fill(0);
    for (const vector of exceptions) mask[(vector & 0xff) >> 3]! |= 1 << (vector & 7);
    engine.updateMode(cpu);
  }

  #number(instructions: ReadonlySet<InterceptableInstruction>, software: ReadonlySet<number>, bound: boolean): number {
    if (instructions.size + software.size === 0 && !bound) return 0;
    const key = `${bound} ${[...instructions].sort().join(" ")} ${[...software].sort().join(" ")}`;
    const known = this.#numbers.get(key);
    if (known !== undefined) return known;
    if (this.#sets.length === MAX_SETS) throw new HvError("core/intercept-sets", `more than ${MAX_SETS} different intercept sets`);
    const number = this.#sets.push({ instructions, software, bound });
    this.#numbers.set(key, number);
    return number;
  }

  /** Decoding: what the operation at `u`, which is `i`, becomes under set `number`; undefined: it stays what it is. */
  lower(number: number, u: number, i: Instruction, row: TableRow): "intercept" | "inlineForm" | undefined {
    const name = interceptable(row);
    const set = this.#sets[number - 1];
    if (name === undefined || set === undefined) return undefined;
    const own = set.instructions.has(name);
    if (!own && !set.bound && name !== "int") return undefined;
    const decoded = describe(name, i, row.entry.type === "outlined" ? row.entry.fn : "");
    if (decoded === undefined) return undefined;
    const vector = name === "int" && typeof decoded.index === "number" ? decoded.index : -1;
    const software = !own && set.software.has(vector) ? vector : undefined;
    const operation = own || software !== undefined || !set.bound ? undefined : this.#bound?.of(decoded);
    if (!own && software === undefined && operation === undefined) return undefined;
    this.#sites.set(u, { decoded, known: knownParts(decoded), software, operation, records: [] });
    return operation?.inline(this.state.view, u) === true ? "inlineForm" : "intercept";
  }

  /** The code cache is empty. */
  flushed(): void {
    this.#sites.clear();
  }

  /** Running: the operation at `u`, with RIP at it. An ANSWER_*. */
  run(cpu: number, u: number): number {
    const { view } = this.state;
    const site = this.#sites.get(u);
    if (site === undefined) return L.ANSWER_ARCHITECTURAL;
    if (site.software !== undefined) return this.deliveries.software(cpu, site.software, site.decoded.length);
    const record = this.#record(cpu, u, site);
    if (record === undefined) return L.ANSWER_FAULT;
    const answer = site.operation === undefined ? this.handler?.(idOf(cpu), record) : site.operation.run(idOf(cpu), record);
    if (answer === undefined || answer === "architectural") return L.ANSWER_ARCHITECTURAL;
    if (answer === "next") return L.ANSWER_NEXT;
    if (!isGuestFault(answer)) return L.ANSWER_DONE;
    raiseFault(view, cpu, answer);
    return L.ANSWER_FAULT;
  }

  /** With registers looked up; undefined when a memory operand faulted. */
  #record(cpu: number, u: number, { decoded, known, records }: Site): InterceptedInstruction | undefined {
    const { view } = this.state;
    const { instruction, length, bits, source, index, port } = decoded;
    if (source === undefined && index !== "rcx" && port !== "dx") {
      const level = levelOf(view, cpu);
      records[level] ??= { instruction, length, bits, level, ...known };
      return records[level];
    }
    let operand: bigint | undefined;
    if (source !== undefined) {
      operand = this.#operand(cpu, u, decoded);
      if (operand === undefined) return undefined;
    }
    return {
      instruction,
      length,
      bits,
      level: levelOf(view, cpu),
      ...known,
      ...(operand === undefined ? {} : { operand }),
      ...(index === "rcx" ? { index: view.getUint32(cpu + L.GPR + 8, true) } : {}),
      ...(port === "dx" ? { port: view.getUint16(cpu + L.GPR + 16, true) } : {}),
    };
  }

  #operand(cpu: number, u: number, { source, register, bits, size, instruction }: DecodedIntercept): bigint | undefined {
    const { view, engine } = this.state;
    const general = (number: number): bigint => view.getBigUint64(cpu + L.GPR + 8 * number, true);
    switch (source) {
      case "accumulator":
        return BigInt.asUintN(8 * size!, general(0));
      case "pair":
        return (BigInt.asUintN(32, general(2)) << 32n) | BigInt.asUintN(32, general(0));
      case "register": {
        const width = instruction.startsWith("mov-") ? (view.getUint32(cpu + L.MODE, true) & L.MODE_64 ? 64 : 32) : Math.min(bits, 16);
        return BigInt.asUintN(width, general(register));
      }
      case "address":
        return BigInt.asUintN(64, engine.interceptAddress(cpu, u));
      default: {
        const word = engine.interceptWord(cpu, u);
        return view.getInt32(cpu + L.FAULT, true) < 0 ? BigInt(word) : undefined;
      }
    }
  }
}
