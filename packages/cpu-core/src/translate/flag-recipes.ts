/**
 * Flags that wait without being in memory. What comes behind a block that sets flags mostly sets them again, and only a way out in between wants
 * them; so a block need not store what the ways out can make: constants, and what a general register still holds, or held but for a constant.
 * Where all ways to a block agree on such a recipe, ways out of that block store by it; otherwise the edges into the block do.
 */
import { FK, FLAG_REGISTERS, FR, FV } from "./locals.js";
import * as N from "./node.js";
import type { Node } from "./node.js";

/** What a flag register holds, by registers that have locals. */
export interface Recipe {
  /** Equal for equal recipes, and for those that the same way out serves. */
  readonly key: string;
  readonly way: string;
  /** General registers that it reads, one bit each. */
  readonly registers: number;
  readonly value: Node;
}

export const constantRecipe = (value: Node): Recipe => {
  const key = `#${value.value}`;
  return { key, way: key, registers: 0, value };
};
/** What flag register `register` was set to by block `block`: its local still has it. */
const localRecipe = (register: number, block: number): Recipe => ({
  key: `@${block}`,
  way: "local",
  registers: 0,
  value: N.reg(register, true),
});

/** The low `bits` bits of the sum of a general register and a constant. */
export function generalRecipe(register: number, long: boolean, offset: number, bits: number): Recipe {
  const whole = long ? N.reg(register, true) : N.extend(N.reg(register, false));
  const key = `${register}+${offset}/${bits}`;
  return { key, way: key, registers: 1 << register, value: N.truncate(N.add(whole, N.i64(offset)), bits) };
}

/** FR, FV and FK where a block begins: recipes for those that memory may not have. */
export type Recipes = readonly [fr: Recipe | undefined, fv: Recipe | undefined, fk: Recipe | undefined];

/** What a block does with flag registers; masks have one bit for each. */
export interface FlagUse {
  /** Must be in memory on entering. */
  readonly demanded: number;
  /** By flag register from FR on: general registers changed before the last way out that wants it as it was on entering. */
  readonly exposed: readonly number[];
  /** General registers changed at all. */
  readonly changed: number;
  /** As on entering. */
  readonly kept: number;
  /** In memory at the end, whatever was before. */
  readonly stored: number;
  /** Nobody behind the block looks at it. */
  readonly dead: number;
  /** By flag register from FR on: those that are set, where there is a recipe. */
  readonly set: Recipes;
  /** FK holds what it held on entering. */
  readonly sameKind: boolean;
  /** The count of instructions in memory changes. */
  readonly counts: boolean;
}

export interface JoinedRecipes {
  /** For each block, as it is entered. */
  readonly entering: readonly Recipes[];
  /** Blocks that are entered from outside too, where memory has the flags and the count is that in memory. */
  readonly fresh: ReadonlySet<number>;
}

export const NO_RECIPES: Recipes = [undefined, undefined, undefined];
export const WAITING_REGISTERS = [FR, FV, FK] as const;

/** No way to the block has been looked at. */
const ANY = Symbol("any");
type State = Recipe | undefined | typeof ANY;

export const wayOf = (recipes: Recipes): string => recipes.map((recipe) => recipe?.way ?? "").join();

/**
 * @param isEntry - may be entered from outside
 * @param most - so many different sets of recipes at most, those of most blocks
 */
export function joinRecipes(
  uses: readonly FlagUse[],
  successors: readonly (readonly number[])[],
  isEntry: Uint8Array,
  most: number,
): JoinedRecipes {
  const demanded = uses.map((use) => use.demanded);
  for (;;) {
    const entering = recipesOnEntering(uses, demanded, successors, isEntry);
    const counts = new Map<string, number>();
    for (const recipes of entering) {
      const key = wayOf(recipes);
      if (recipes.some((recipe) => recipe !== undefined)) counts.set(key, (counts.get(key) ?? 0) + 1);
    }
    if (counts.size <= most) {
      const fresh = new Set(entering.flatMap((recipes, i) => (isEntry[i] && recipes.some((recipe) => recipe !== undefined) ? [i] : [])));
      return { entering, fresh };
    }
    const kept = new Set(
      [...counts]
        .sort((a, b) => b[1] - a[1])
        .slice(0, most)
        .map(([key]) => key),
    );
    entering.forEach((recipes, i) => {
      if (!kept.has(wayOf(recipes))) demanded[i] = FLAG_REGISTERS;
    });
  }
}

function recipesOnEntering(
  uses: readonly FlagUse[],
  demanded: readonly number[],
  successors: readonly (readonly number[])[],
  isEntry: Uint8Array,
): Recipes[] {
  const entered: State[][] = uses.map(() => [ANY, ANY, ANY]);
  /** What the block makes of what all ways to it agree on. */
  const accepted = (block: number, at: number): State => {
    const state = entered[block]![at];
    const { exposed, changed, kept } = uses[block]!;
    const bit = 1 << WAITING_REGISTERS[at]!;
    const keeps = (kept & bit) !== 0;
    if (keeps && isEntry[block]) return undefined;
    if (state === ANY || state === undefined) return state;
    if (demanded[block]! & bit) return undefined;
    return state.registers & (exposed[at]! | (keeps ? changed : 0)) ? undefined : state;
  };
  const local = (block: number, at: number): State =>
    WAITING_REGISTERS[at] === FK || uses[block]!.stored & (1 << WAITING_REGISTERS[at]!)
      ? undefined
      : localRecipe(WAITING_REGISTERS[at]!, block);
  const leaving = (block: number, at: number): State => {
    const { kept, dead, set, counts } = uses[block]!;
    const bit = 1 << WAITING_REGISTERS[at]!;
    if (dead & bit) return ANY;
    if (counts) return undefined;
    return kept & bit ? accepted(block, at) : (set[at] ?? local(block, at));
  };
  for (let again = true; again; ) {
    again = false;
    for (let i = 0; i < uses.length; i++) {
      for (let at = 0; at < WAITING_REGISTERS.length; at++) {
        const state = leaving(i, at);
        if (state === ANY) continue;
        for (const to of successors[i]!) {
          const before = entered[to]![at];
          if (before === undefined || (before !== ANY && before.key === state?.key)) continue;
          entered[to]![at] = before === ANY ? state : undefined;
          again = true;
        }
      }
    }
  }
  return uses.map((_, i) => {
    const known = WAITING_REGISTERS.map((_, at) => accepted(i, at)).map((state) => (state === ANY ? undefined : state));
    return known.every((recipe) => recipe === undefined) ? NO_RECIPES : [known[0], known[1], known[2]];
  });
}

/** Flag registers that an edge has to store: from `use`, entered as `entering` says, to where `wanted` is known of them. */
export function storedOnEdge(use: FlagUse, entering: Recipes, wanted: Recipes | undefined): number {
  let stored = 0;
  WAITING_REGISTERS.forEach((register, at) => {
    const bit = 1 << register;
    if (wanted?.[at] !== undefined || (use.dead | use.stored) & bit) return;
    if ((use.kept & bit || (register === FK && use.sameKind)) && entering[at] === undefined) return;
    stored |= bit;
  });
  return stored;
}
