import { describe, expect, it } from "vitest";
import { constantRecipe, type FlagUse, generalRecipe, joinRecipes, storedOnEdge } from "./flag-recipes.js";
import { FK, FLAG_REGISTERS, FR, FV } from "./locals.js";
import * as N from "./node.js";

const EAX = 0,
  ECX = 1;
const KIND = constantRecipe(N.i64(3));
const ofEax = generalRecipe(EAX, false, 0, 32);
const ofEcx = generalRecipe(ECX, false, -4, 32);

/** A block that leaves the flags alone, but for what is given. */
const use = (given: Partial<FlagUse> = {}): FlagUse => ({
  demanded: 0,
  exposed: [0, 0, 0],
  changed: 0,
  kept: FLAG_REGISTERS,
  stored: 0,
  dead: 0,
  set: [undefined, undefined, undefined],
  sameKind: false,
  counts: false,
  ...given,
});
/** A block that compares EAX with 5. */
const compares = (given: Partial<FlagUse> = {}): FlagUse => use({ kept: 0, set: [ofEax, constantRecipe(N.i64(5)), KIND], ...given });

/** Keys of what is known where each block begins, and what the edges store; block 0 is the entry unless others are given. */
function joined(uses: readonly FlagUse[], successors: readonly (readonly number[])[], entries = [0], most = 16) {
  const isEntry = new Uint8Array(uses.length);
  for (const entry of entries) isEntry[entry] = 1;
  const { entering, fresh } = joinRecipes(uses, successors, isEntry, most);
  return {
    keys: entering.map((recipes) => recipes.map((recipe) => recipe?.key)),
    fresh: [...fresh],
    stored: (from: number, to?: number) => storedOnEdge(uses[from]!, entering[from]!, to === undefined ? undefined : entering[to]),
  };
}
const NONE = [undefined, undefined, undefined];
const COMPARED = ["0+0/32", "#5", "#3"];

describe("recipes for flags that wait", () => {
  it("reach what follows, over blocks that leave the flags alone, and are stored on the way out of the unit only", () => {
    const { keys, stored } = joined([compares(), use(), use()], [[1], [2], []]);
    expect(keys).toEqual([NONE, COMPARED, COMPARED]);
    expect([stored(0, 1), stored(1, 2), stored(2)]).toEqual([0, 0, FLAG_REGISTERS]);
  });
  it("are told apart register by register where ways meet", () => {
    const other = use({ kept: 0, set: [ofEcx, constantRecipe(N.i64(5)), KIND] });
    const { keys, stored } = joined([use({ kept: 0, stored: FLAG_REGISTERS }), compares(), other, use()], [[1, 2], [3], [3], []]);
    expect(keys[3]).toEqual([undefined, "#5", "#3"]);
    expect([stored(1, 3), stored(2, 3)]).toEqual([1 << FR, 1 << FR]);
  });
  it("do not pass an entry that leaves the flags alone: outside, memory has them", () => {
    const { keys, stored } = joined([use(), compares(), use()], [[2], [2], []], [0, 1]);
    expect(keys[2]).toEqual(NONE);
    expect([stored(0, 2), stored(1, 2)]).toEqual([0, FLAG_REGISTERS]);
  });
  it("hold for an entry that sets the flags itself, unless it is entered from outside just now", () => {
    const { keys, fresh, stored } = joined([compares()], [[0]]);
    expect(keys[0]).toEqual(COMPARED);
    expect(fresh).toEqual([0]);
    expect(stored(0, 0)).toBe(0);
  });
  it("end where the block changes the register that a way out would read", () => {
    const changes = use({ exposed: [1 << EAX, 1 << EAX, 1 << EAX], changed: 1 << EAX, kept: 0, set: [ofEcx, undefined, KIND] });
    const { keys, stored } = joined([compares(), changes], [[1], []]);
    expect(keys[1]).toEqual([undefined, "#5", "#3"]);
    expect(stored(0, 1)).toBe(1 << FR);
  });
  it("end where the block keeps the flags and not the register", () => {
    const { keys } = joined([compares(), use({ changed: 1 << EAX }), use()], [[1], [2], []]);
    expect(keys[1]).toEqual([undefined, "#5", "#3"]);
    expect(keys[2]).toEqual([undefined, "#5", "#3"]);
  });
  it("are stored for a block that has something find the flags in memory", () => {
    const { keys, stored } = joined([compares(), use({ demanded: (1 << FR) | (1 << FV) })], [[1], []]);
    expect(keys[1]).toEqual([undefined, undefined, "#3"]);
    expect(stored(0, 1)).toBe((1 << FR) | (1 << FV));
  });
  it("are stored behind a block that changes the count in memory, by which an entry is known to be fresh", () => {
    const { keys, fresh, stored } = joined([compares({ counts: true })], [[0]]);
    expect(keys[0]).toEqual(NONE);
    expect(fresh).toEqual([]);
    expect(stored(0, 0)).toBe(FLAG_REGISTERS);
  });
  it("are the local's own where no general register has the value, and one block alone has set it", () => {
    const loads = (): FlagUse => use({ kept: 0, set: [undefined, undefined, KIND] });
    expect(joined([loads(), use()], [[1], []]).keys[1]).toEqual(["@0", "@0", "#3"]);
    const { keys, stored } = joined([use({ kept: 0, stored: FLAG_REGISTERS }), loads(), loads(), use()], [[1, 2], [3], [3], []]);
    expect(keys[3]).toEqual([undefined, undefined, "#3"]);
    expect(stored(1, 3)).toBe((1 << FR) | (1 << FV));
  });
  it("ask nothing of a register that nobody looks at", () => {
    const tests = compares({ dead: 1 << FV, set: [ofEax, undefined, KIND] });
    const { keys, stored } = joined([use({ kept: 0, stored: FLAG_REGISTERS }), tests, compares(), use()], [[1, 2], [3], [3], []]);
    expect(keys[3]).toEqual(COMPARED);
    expect([stored(1, 3), stored(2, 3), stored(1)]).toEqual([0, 0, (1 << FR) | (1 << FK)]);
  });
  it("are of so many kinds at most, those of most blocks", () => {
    const other = use({ kept: 0, set: [ofEcx, constantRecipe(N.i64(5)), KIND] });
    const { keys } = joined([compares(), use(), use(), other, use()], [[1], [2], [3], [4], []], [0], 1);
    expect(keys).toEqual([NONE, COMPARED, COMPARED, COMPARED, NONE]);
  });
  it("need no store of FK where memory has had the same rule all along", () => {
    const { stored } = joined([compares({ sameKind: true })], [[]]);
    expect(stored(0)).toBe((1 << FR) | (1 << FV));
  });
});
