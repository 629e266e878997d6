// `abi list` and `abi show`: what is installed, which calls each backend has, and what they become.
import { type BackendDefinition, CONTRACT_VERSION, contractIncludes } from "@paravane/paravirt-ops";
import type { Column } from "./columns.js";
import { table } from "./matrix-text.js";

/** A backend in the list. */
export interface ListedBackend {
  readonly name: string;
  readonly abi: string;
  /** Versions of the contract that it is written for. */
  readonly contract: string;
  /** The contract that is installed is one of them. */
  readonly fits: boolean;
  readonly modes: readonly string[];
  readonly needs: readonly string[];
  readonly capabilities: readonly string[];
}

/** What `abi list` tells. */
export const listBackends = (installed: readonly BackendDefinition[]) => ({
  contract: CONTRACT_VERSION,
  backends: installed.map(
    ({ name, abi, contract, modes, needs, capabilities }): ListedBackend => ({
      name,
      abi,
      contract,
      fits: contractIncludes(contract, CONTRACT_VERSION),
      modes: (modes ?? []).map((mode) => mode.name),
      needs,
      capabilities,
    }),
  ),
});

/** The same for people. */
export function formatList({ contract, backends }: ReturnType<typeof listBackends>): string {
  const row = ({ name, abi, contract: range, fits, modes, needs, capabilities }: ListedBackend): string[] => [
    name,
    abi,
    fits ? range : `${range}: does not fit`,
    modes.join(", ") || "-",
    needs.join(", ") || "-",
    capabilities.join(", "),
  ];
  return [`contract ${contract}`, "", table([["backend", "ABI", "contract", "guests", "stands on", "can"], ...backends.map(row)])].join(
    "\n",
  );
}

/** A call in `abi show`. */
export interface ShownCall {
  readonly name: string;
  readonly number: number;
  readonly command?: number;
  /** Whether guests of each kind get an answer that is not an error. */
  readonly answered: Readonly<Record<string, boolean>>;
  /** Operations that it asks for, of all kinds of guests; empty for what exists in this ABI alone. */
  readonly operations: readonly string[];
}

/** What `abi show` tells. */
export function showBackend(columns: readonly Column[]) {
  const { name, abi, contract, manifest } = columns[0]!.backend;
  const calls = new Map<string, { call: Column["calls"][number]; answered: Record<string, boolean>; operations: Set<string> }>();
  for (const { mode, calls: own, rows } of columns) {
    for (const call of own) {
      const known = calls.get(call.name) ?? { call, answered: {}, operations: new Set() };
      known.answered[mode] = call.answered;
      calls.set(call.name, known);
    }
    for (const { operation, answer } of rows) for (const call of answer.calls) calls.get(call)?.operations.add(operation);
  }
  return {
    backend: name,
    abi,
    contract,
    modes: columns.map(({ mode }) => mode).filter((mode) => mode !== ""),
    calls: [...calls.values()].map(
      ({ call: { name: call, number, command }, answered, operations }): ShownCall => ({
        name: call,
        number,
        ...(command === undefined ? {} : { command }),
        answered,
        operations: [...operations],
      }),
    ),
    entries: manifest.entries,
  };
}

/** The same for people; `numbers`: with every entry of the manifest. */
export function formatShow({ backend, abi, contract, modes, calls, entries }: ReturnType<typeof showBackend>, numbers: boolean): string {
  const kinds = new Map<string, number>();
  for (const { kind } of entries) kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
  const head = `${backend}: guest ABI ${abi}, contract ${contract}${modes.length === 0 ? "" : `, guests: ${modes.join(", ")}`}`;
  const counted = [...kinds].map(([kind, count]) => `${count} ${kind}`).join(", ");
  const rows = calls.map(({ name, number, command, answered, operations }) => [
    name,
    String(number),
    command === undefined ? "" : String(command),
    ...modes.map((mode) => (answered[mode] ? "yes" : "no")),
    operations.join(", ") || "-",
  ]);
  return [
    head,
    `numbers that guests see: ${entries.length === 0 ? "none of its own" : counted}`,
    "",
    ...(calls.length === 0
      ? ["no calls: its guests ask by the processor's instructions"]
      : [
          table([["call", "number", "command", ...modes, "operations"], ...rows]),
          "",
          "Under a kind of guest: whether the call is answered there. A call without operations exists in this ABI alone.",
        ]),
    ...(numbers && entries.length > 0
      ? [
          "",
          table([
            ["kind", "name", "value", "bytes"],
            ...entries.map(({ kind, name, value, size }) => [kind, name, String(value), size === undefined ? "" : String(size)]),
          ]),
        ]
      : []),
  ].join("\n");
}
