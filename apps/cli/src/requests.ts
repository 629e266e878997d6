// What guests ask of their hypervisor: hypercalls in the ABI's own names, instructions that came to the backend, operations. Shown or counted.
import type { Taps } from "@paravane/paravirt-ops";

/** One kind of call. */
export interface CallCount {
  calls: number;
  /** Those that answered with an error. */
  failed: number;
}

const MAX_KINDS = 4096;

/** Counts of one run, each record in the order in which its names were first seen. */
export class RequestCounts {
  readonly #hypercalls = new Map<string, CallCount>();
  readonly #instructions = new Map<string, { calls: number }>();
  readonly #operations = new Map<string, { calls: number }>();

  /** Where a machine is watched for them. */
  readonly taps: Taps = {
    hypercall: (_at, _vcpu, name, _args, result) => {
      const count = this.#hypercalls.get(name);
      if (count !== undefined) {
        count.calls++;
        if (result < 0n) count.failed++;
      } else if (this.#hypercalls.size < MAX_KINDS) this.#hypercalls.set(name, { calls: 1, failed: result < 0n ? 1 : 0 });
    },
    intercept: (_at, _vcpu, { instruction }) => rise(this.#instructions, instruction),
    operation: (_at, _vcpu, group, name) => rise(this.#operations, `${group}.${name}`),
  };

  /** As `--stats` has it: what the guest asked for by calls, what of it was emulated, what ended at an operation. */
  report(): {
    hypercalls: Record<string, CallCount>;
    instructions: Record<string, number>;
    operations: Record<string, number>;
  } {
    return {
      hypercalls: Object.fromEntries(this.#hypercalls),
      instructions: numbers(this.#instructions),
      operations: numbers(this.#operations),
    };
  }
}

function rise(counts: Map<string, { calls: number }>, name: string): void {
  const count = counts.get(name);
  if (count !== undefined) count.calls++;
  else if (counts.size < MAX_KINDS) counts.set(name, { calls: 1 });
}

const numbers = (counts: ReadonlyMap<string, { readonly calls: number }>): Record<string, number> =>
  Object.fromEntries([...counts].map(([name, { calls }]) => [name, calls]));

const hex = (value: bigint): string => (value < 0n ? `-${(-value).toString(16)}` : value.toString(16));
const time = (ns: number): string => (ns / 1e9).toFixed(6).padStart(11);

/** Lines for `--trace hypercall` and `--trace op`. Only names that begin with one of the prefixes are shown, where there are some. */
export function requestTrace(
  wanted: { readonly hypercall?: readonly string[] | undefined; readonly op?: readonly string[] | undefined },
  line: (text: string) => void,
): Taps {
  const shown = (prefixes: readonly string[], name: string): boolean =>
    prefixes.length === 0 || prefixes.some((prefix) => name.startsWith(prefix));
  const { hypercall, op } = wanted;
  return {
    ...(hypercall === undefined
      ? {}
      : {
          hypercall: (at, vcpu, name, args, result) => {
            if (!shown(hypercall, name)) return;
            const written = result < 0n ? `${result}` : `0x${hex(result)}`;
            line(`hypercall ${time(at)} vcpu ${vcpu} ${name}(${args.map(hex).join(", ")}) = ${written}`);
          },
        }),
    ...(op === undefined
      ? {}
      : {
          operation: (at, vcpu, group, name, args) => {
            if (!shown(op, `${group}.${name}`)) return;
            const written = args.map((arg) => (typeof arg === "bigint" ? hex(arg) : String(arg)));
            line(`op ${time(at)} vcpu ${vcpu} ${group}.${name}(${written.join(", ")})`);
          },
        }),
  };
}

/** Several watchers of one machine; a tap that none of them has stays absent. */
export function allTaps(...watchers: readonly Taps[]): Taps {
  const names = ["operation", "intercept", "hypercall", "delivery", "slice"] as const;
  const taps: Record<string, (...args: readonly never[]) => void> = {};
  for (const name of names) {
    const listening = watchers.filter((watcher) => watcher[name] !== undefined);
    if (listening.length === 0) continue;
    if (listening.length === 1) {
      taps[name] = listening[0]![name] as (...args: readonly never[]) => void;
      continue;
    }
    taps[name] = (...args) => {
      for (const watcher of listening) (watcher[name] as (...args: readonly never[]) => void)(...args);
    };
  }
  return taps;
}
