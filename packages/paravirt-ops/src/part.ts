/**
 * What every part of a machine says of itself, so that whoever composes can tell beforehand whether parts go together. Parts come from
 * packages with releases of their own, perhaps with a copy of this package each: all that is compared is data, never a class.
 */
import { CONTRACT_VERSION } from "./abi.js";

/** Key of a part's mark, the same in every copy and version of the contract. */
export const PART = "~hv/part";

/** What sort of part it is. */
export type PartKind = "core" | "board" | "backend";

/** The mark of a part: what it is, and the version of the copy of the contract that defined it. */
export interface PartMark {
  /** What sort of part. */
  readonly kind: PartKind;
  /** CONTRACT_VERSION of that copy. */
  readonly contract: string;
}

/** What the author of a core, a board or a backend declares. */
export interface PartDeclaration {
  /** What people call it. */
  readonly name: string;
  /** Name of the package that it comes in, for advice what to install. */
  readonly package?: string;
  /** Versions of the contract that it was written for: `^1.0` is 1.0 and all minors after it; ` || ` parts alternatives. */
  readonly contract: string;
  /** What it can do, in words that `requires` of other parts may name. */
  readonly capabilities: readonly string[];
  /** Capabilities that the core, the board or a backend beneath must have. */
  readonly requires: readonly string[];
}

/** A definition that the monitor takes. Made by `defineCore`, `defineBoard` and `defineBackend`. */
export interface Part extends PartDeclaration {
  /** Set by who defined it. */
  readonly [PART]: PartMark;
}

/** The mark that this copy of the contract gives. */
export function mark(kind: PartKind): { readonly [PART]: PartMark } {
  return { [PART]: { kind, contract: CONTRACT_VERSION } };
}

/** The kind of a part of any copy or version of the contract, undefined for anything else. */
export function partKind(value: unknown): PartKind | undefined {
  if (typeof value !== "object" || value === null || !(PART in value)) return undefined;
  return (value[PART] as Partial<PartMark> | undefined)?.kind;
}

interface Version {
  readonly major: number;
  readonly minor: number;
}

function parse(text: string): Version | undefined {
  const found = /^\^?(\d+)\.(\d+)(?:\.\d+.*)?$/.exec(text.trim());
  return found === null ? undefined : { major: Number(found[1]), minor: Number(found[2]) };
}

/** True when a range as in `PartDeclaration.contract` has this version in it. What cannot be read has nothing in it. */
export function contractIncludes(range: string, version: string): boolean {
  const asked = parse(version);
  if (asked === undefined) return false;
  return range.split("||").some((alternative) => {
    const from = parse(alternative);
    return from !== undefined && from.major === asked.major && asked.minor >= from.minor;
  });
}

/** True when parts that were defined by two copies of the contract can be in one machine: a minor only adds. */
export function sameMajor(one: string, other: string): boolean {
  const [a, b] = [parse(one), parse(other)];
  return a !== undefined && b !== undefined && a.major === b.major;
}
