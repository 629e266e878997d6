// What a guest asked for, by operation: calls, instructions that came to the backend, functions that ran, and from how many places.
import { type Core, type GuestFault, operationsOf, type OperationName, type Taps } from "@paravane/paravirt-ops";
import type { Column } from "./columns.js";

/** Counts of one operation in one run. */
export interface OperationCount {
  /** Calls of the ABI that ask for it; a call that serves several operations counts for each. */
  readonly calls: number;
  /** Instructions for it that came to the backend. */
  readonly instructions: number;
  /** How often its function ran, whoever ran it. */
  readonly functions: number;
  /** Distinct places in the guest from which it was asked for. */
  readonly sites: number;
}

/** Counts of one run. */
export interface RunCounts {
  /** Operations that were asked for or ran. */
  readonly operations: ReadonlyMap<OperationName, OperationCount>;
  /** All places from which operations were asked for. */
  readonly sites: number;
  /** Calls that ask for no operation: they exist in this ABI alone. */
  readonly ownCalls: ReadonlyMap<string, number>;
  /** Instructions that came to the backend, by name. */
  readonly instructions: ReadonlyMap<string, number>;
}

interface Counting {
  calls: number;
  instructions: number;
  functions: number;
  readonly sites: Set<string>;
}

/** Guests choose where they ask from, so there is a limit to what is remembered. */
const MAX_SITES = 1 << 16;
const MAX_NAMES = 4096;
const STUB_BYTES = 8;
const CS_LONG = 0x2000;
const CALLING: ReadonlySet<string> = new Set(["syscall", "int", "vmcall", "vmmcall"]);

/**
 * How many registers a stub takes from the stack before it returns, where these bytes are the end of a stub that only returns: POP r, then RET.
 * Pages of calls that a hypervisor writes are such stubs, and the place that asked is their caller.
 */
function popsBeforeReturn(code: Uint8Array): number | undefined {
  let pops = 0;
  for (let at = 0; at < code.length; pops++) {
    if (code[at] === 0xc3) return pops;
    if (code[at] === 0x41) at++;
    if (((code[at] ?? 0) & 0xf8) !== 0x58) return undefined;
    at++;
  }
  return undefined;
}

/** Counts for one column. `core` is asked while the guest runs. */
export class GuestCounts {
  readonly #operations = new Map<OperationName, Counting>();
  readonly #byCall = new Map<string, OperationName[]>();
  readonly #ownCalls = new Map<string, number>();
  readonly #instructions = new Map<string, number>();
  readonly #sites = new Set<string>();
  /** Where each vCPU's last instruction that came to the backend is. */
  readonly #at: string[] = [];

  constructor(
    column: Column,
    private readonly core: () => Core | undefined,
  ) {
    for (const { operation, answer } of column.rows) {
      for (const call of answer.calls) this.#byCall.set(call, [...(this.#byCall.get(call) ?? []), operation]);
    }
  }

  /** Where a machine is watched for them. */
  readonly taps: Taps = {
    intercept: (_at, vcpu, intercepted) => {
      this.#at[vcpu] = this.#site(vcpu, intercepted.instruction, intercepted.length);
      rise(this.#instructions, intercepted.instruction);
      for (const operation of operationsOf(intercepted)) {
        this.#counting(operation).instructions++;
        this.#from(operation, vcpu);
      }
    },
    hypercall: (_at, vcpu, name) => {
      const operations = this.#byCall.get(name);
      if (operations === undefined) rise(this.#ownCalls, name);
      for (const operation of operations ?? []) {
        this.#counting(operation).calls++;
        this.#from(operation, vcpu);
      }
    },
    operation: (_at, _vcpu, group, name) => {
      this.#counting(`${group}.${name}` as OperationName).functions++;
    },
  };

  /** What was counted so far. */
  report(): RunCounts {
    return {
      operations: new Map([...this.#operations].map(([name, { sites, ...counts }]) => [name, { ...counts, sites: sites.size }])),
      sites: this.#sites.size,
      ownCalls: this.#ownCalls,
      instructions: this.#instructions,
    };
  }

  #counting(operation: OperationName): Counting {
    const known = this.#operations.get(operation);
    if (known !== undefined) return known;
    const counting = { calls: 0, instructions: 0, functions: 0, sites: new Set<string>() };
    this.#operations.set(operation, counting);
    return counting;
  }

  #from(operation: OperationName, vcpu: number): void {
    const site = this.#at[vcpu];
    if (site === undefined) return;
    for (const sites of [this.#sites, this.#counting(operation).sites]) if (sites.size < MAX_SITES) sites.add(site);
  }

  /** Linear address of the instruction, or of the call of the stub that it is in. */
  #site(vcpu: number, instruction: string, length: number): string {
    const core = this.core();
    const registers = core?.vcpus[vcpu]?.registers;
    if (registers === undefined) return "";
    const code = registers.segment("cs");
    const wide = (code.access & CS_LONG) !== 0;
    const here = BigInt.asUintN(wide ? 64 : 32, (wide ? 0n : code.base) + registers.get("rip"));
    if (!CALLING.has(instruction)) return here.toString(16);
    const read = (address: bigint, bytes: Uint8Array): GuestFault | undefined =>
      core?.hypervisor?.linear.read(vcpu, address, bytes, { level: 0, implicit: true });
    const after = new Uint8Array(STUB_BYTES);
    const pops = read(here + BigInt(length), after) === undefined ? popsBeforeReturn(after) : undefined;
    if (pops === undefined) return here.toString(16);
    const width = wide ? 8 : 4;
    const stack = (wide ? 0n : registers.segment("ss").base) + registers.get("rsp") + BigInt(pops * width);
    const caller = new Uint8Array(8);
    if (read(BigInt.asUintN(wide ? 64 : 32, stack), caller.subarray(0, width)) !== undefined) return here.toString(16);
    return new DataView(caller.buffer).getBigUint64(0, true).toString(16);
  }
}

function rise(counts: Map<string, number>, name: string): void {
  const count = counts.get(name);
  if (count !== undefined || counts.size < MAX_NAMES) counts.set(name, (count ?? 0) + 1);
}

/** What a run shows to be otherwise than the column says, one line each; empty when all agree. */
export function disagreements(column: Column, { operations, instructions, ownCalls }: RunCounts): string[] {
  const found: string[] = [];
  for (const { operation, answer } of column.rows) {
    const count = operations.get(operation);
    if (count === undefined || answer.kind === "paravirtual" || answer.kind === "emulated") continue;
    // What a guest does in memory it may do by an instruction too that comes to the backend, and the column says so.
    const instructionsToo = answer.kind === "memory" && column.alsoEmulated.has(operation);
    const seen = [
      ...(count.calls > 0 ? [`${count.calls} calls`] : []),
      ...(count.instructions > 0 && !instructionsToo ? [`${count.instructions} intercepted instructions`] : []),
      ...(count.functions > 0 ? [`${count.functions} times its function`] : []),
    ];
    if (seen.length > 0) found.push(`${column.title}: ${operation} is said to be ${answer.kind}, and there were ${seen.join(", ")}`);
  }
  const asking = new Set(column.calls.filter(({ answered, own }) => answered && own !== true).map(({ name }) => name));
  for (const [call, count] of ownCalls)
    if (asking.has(call)) found.push(`${column.title}: ${call} is not said to ask for an operation or for none, and came ${count} times`);
  for (const [instruction, count] of instructions) {
    if (!(column.intercepts as readonly string[]).includes(instruction))
      found.push(`${column.title}: ${instruction} is not said to come to the backend, and did ${count} times`);
  }
  return found;
}
