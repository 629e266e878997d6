// The matrix's columns: every way of being a guest of an installed backend, with what the backend declares and what its slots say.
import {
  type AnswerKind,
  type AnswerRow,
  answerOfForm,
  type BackendDefinition,
  type GuestCall,
  type InterceptableInstruction,
  listOperations,
  type Operation,
  type OperationName,
  operationsOf,
} from "@paravane/paravirt-ops";
import { backendBench } from "@paravane/paravirt-ops/conformance";
import { BACKEND_NAMES } from "../backends.js";
import { usageError } from "../errors.js";

/** One way of being a guest. */
export interface Column {
  /** "xen/pv", or a backend's name where it has one way only. */
  readonly title: string;
  /** The backend, set up for guests of this kind. */
  readonly backend: BackendDefinition;
  /** "" where the backend has one way only. */
  readonly mode: string;
  /** In the order of the contract. */
  readonly rows: readonly AnswerRow[];
  readonly intercepts: readonly InterceptableInstruction[];
  /** Operations whose instruction comes to the backend. */
  readonly alsoEmulated: ReadonlySet<OperationName>;
  readonly calls: readonly GuestCall[];
}

/** Kinds in the order in which they are told. */
export const KINDS: readonly AnswerKind[] = ["paravirtual", "emulated", "memory", "native", "none"];

/** What a kind is called in a cell. */
export const KIND_WORDS: Readonly<Record<AnswerKind, string>> = {
  paravirtual: "paravirtual",
  emulated: "emulated",
  memory: "in memory",
  native: "native",
  none: "-",
};

/** What a kind means. */
export const KIND_MEANINGS: Readonly<Record<AnswerKind, string>> = {
  paravirtual: "the guest makes a call of the backend's ABI",
  emulated: "the guest uses the bare machine's instruction, and the backend answers it",
  memory: "the guest does it in its own memory; no exit",
  native: "the processor or the layer beneath answers, under its own name",
  none: "not applicable: guests of this kind have nothing to ask",
};

/** The layers beneath a backend, from the bottom up. */
function layersUnder(definition: BackendDefinition, all: readonly BackendDefinition[]): BackendDefinition[] {
  return definition.needs.flatMap((need) => {
    const layer = all.find(({ name }) => name === need);
    return layer === undefined ? [] : [...layersUnder(layer, all), layer];
  });
}

/** The columns of one backend. It is put to work on recording parts, so that its slots can be asked. */
async function columnsOf(definition: BackendDefinition, all: readonly BackendDefinition[]): Promise<Column[]> {
  const bench = await backendBench(definition, layersUnder(definition, all));
  const { ops } = bench.backend;
  const operations = listOperations().map(({ group, name }) => ({
    operation: `${group}.${name}` as OperationName,
    group,
    name,
    form: answerOfForm((ops[group] as unknown as Readonly<Record<string, Operation>>)[name]!),
  }));
  bench.backend.close?.();
  const ways = definition.modes ?? [{ name: "", config: {}, answers: undefined, intercepts: [], calls: [] }];
  return ways.map(({ name: mode, config, answers, intercepts, calls }) => ({
    title: ways.length === 1 ? definition.name : `${definition.name}/${mode}`,
    backend: definition.with(config),
    mode: ways.length === 1 ? "" : mode,
    // An operation that is younger than the backend has the contract's default, which its slot shows.
    rows: operations.map(({ operation, group, name, form }) => ({
      operation,
      answer: (answers?.[group] as Readonly<Record<string, AnswerRow["answer"]>> | undefined)?.[name] ?? form,
    })),
    intercepts,
    alsoEmulated: new Set(intercepts.flatMap((instruction) => operationsOf({ instruction }))),
    calls,
  }));
}

/** One of the installed backends. @throws usage error that names those that there are */
export function backendNamed(name: string, installed: readonly BackendDefinition[]): BackendDefinition {
  const found = installed.find((definition) => definition.name === name);
  if (found !== undefined) return found;
  if ((BACKEND_NAMES as readonly string[]).includes(name))
    throw usageError(`backend ${name} is not installed; npm install @paravane/backend-${name}`);
  throw usageError(`there is no backend ${name}; installed: ${installed.map((definition) => definition.name).join(", ")}`);
}

/** The columns that were asked for, by backend or by title; all without a name. @throws usage error for a name that is none of them */
export async function columns(installed: readonly BackendDefinition[], names: readonly string[] = []): Promise<Column[]> {
  const wanted = names.map((name) => ({ name, backend: backendNamed(name.split("/")[0]!, installed).name }));
  const all: Column[] = [];
  for (const definition of installed) {
    if (wanted.length > 0 && !wanted.some(({ backend }) => backend === definition.name)) continue;
    all.push(...(await columnsOf(definition, installed)));
  }
  for (const { name, backend } of wanted) {
    if (name === backend || all.some(({ title }) => title === name)) continue;
    const titles = all.filter((column) => column.backend.name === backend).map(({ title }) => title);
    throw usageError(`there is no ${name}; ${backend} has: ${titles.join(", ")}`);
  }
  if (wanted.length === 0) return all;
  return all.filter(({ title, backend }) => wanted.some(({ name }) => name === title || name === backend.name));
}
