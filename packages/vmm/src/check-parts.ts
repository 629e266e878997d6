/**
 * Whether parts go together, told before anything is made of them: that they are parts at all, that each was written for the version of the
 * contract that this machine has, and that what one needs another one can. Copies of the contract are compared by their data.
 */
import {
  type BackendDefinition,
  type BoardDefinition,
  CONTRACT_VERSION,
  type CoreDefinition,
  contractIncludes,
  HvError,
  PART,
  type Part,
  type PartKind,
  partKind,
  sameMajor,
} from "@paravane/paravirt-ops";

/** What this monitor itself was written for. */
const MONITOR_CONTRACT = "^1.0";

/** The parts of one machine. */
export interface Parts {
  readonly core: CoreDefinition;
  readonly board: BoardDefinition;
  readonly backends: readonly BackendDefinition[];
}

/** Refuses parts that do not go together. @throws HvError "compose/not-a-part", "compose/contract" or "compose/missing-capability" */
export function checkParts({ core, board, backends }: Parts, contract: string = CONTRACT_VERSION): void {
  const parts: [PartKind, Part][] = [["core", core], ["board", board], ...backends.map((part): [PartKind, Part] => ["backend", part])];
  for (const [kind, part] of parts) mustBe(kind, part);
  if (!contractIncludes(MONITOR_CONTRACT, contract)) {
    throw contractError("the monitor @paravane/vmm", "@paravane/vmm", MONITOR_CONTRACT, contract);
  }
  for (const [kind, part] of parts) {
    const who = `${kind} "${part.name}"`;
    if (!contractIncludes(part.contract, contract)) throw contractError(who, part.package, part.contract, contract);
    const copy = part[PART].contract;
    if (!sameMajor(copy, contract)) throw contractError(`the copy of the contract that ${who} came with`, part.package, copy, contract);
  }
  checkCapabilities(core, board, backends);
}

function mustBe(kind: PartKind, part: Part): void {
  const found = partKind(part);
  if (found === kind) return;
  const what = found === undefined ? "is none, or is of a contract before 1.0" : `is a ${found}`;
  const define = `define${kind[0]!.toUpperCase()}${kind.slice(1)}`;
  throw new HvError("compose/not-a-part", `what is given as a ${kind} ${what}`, {
    hint: `pass the definition that a package exports, made by ${define} of @paravane/paravirt-ops`,
  });
}

function contractError(who: string, from: string | undefined, range: string, contract: string): HvError {
  const [major] = contract.split(".");
  const release = from === undefined ? "a release of it" : `a release of ${from}`;
  return new HvError("compose/contract", `${who} is written for version ${range} of the contract, and this machine has ${contract}`, {
    hint: `install ${release} whose peer dependency is @paravane/paravirt-ops ^${major}, or @paravane/paravirt-ops@${range.split("||").at(-1)!.trim()} and releases of all other parts that go with it`,
  });
}

/** What each part requires is in the core, the board, or a backend beneath. */
function checkCapabilities(core: CoreDefinition, board: BoardDefinition, backends: readonly BackendDefinition[]): void {
  const common = [...core.capabilities, ...board.capabilities];
  const missing = (part: Part, offered: readonly string[]): string | undefined => part.requires.find((name) => !offered.includes(name));
  const refuse = (who: string, capability: string, offered: readonly string[]): never => {
    throw new HvError(
      "compose/missing-capability",
      `${who} requires "${capability}", which core "${core.name}", board "${board.name}" and what lies beneath do not have`,
      {
        hint: `they have ${offered.map((name) => `"${name}"`).join(", ") || "nothing"}; take a core or a board with "${capability}" (@paravane/cpu-core and @paravane/devices have all that ours require)`,
      },
    );
  };
  const all = [...common, ...backends.flatMap(({ capabilities }) => capabilities)];
  for (const [who, part] of [[`core "${core.name}"`, core] as const, [`board "${board.name}"`, board] as const]) {
    const capability = missing(part, all);
    if (capability !== undefined) refuse(who, capability, all);
  }
  const beneath = [...common];
  for (const backend of backends) {
    const capability = missing(backend, beneath);
    if (capability !== undefined) refuse(`backend "${backend.name}"`, capability, beneath);
    beneath.push(...backend.capabilities);
  }
}
