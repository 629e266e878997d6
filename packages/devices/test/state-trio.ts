/** The three things that must hold of every part's saved state, as tests: STYLE.md §7. */
import { describe, expect, test } from "vitest";

interface Saved {
  readonly schema: string;
}
interface Part<S extends Saved> {
  save(): S;
  load(state: S): void;
}

/** Paths to all numbers and booleans of a plain record. */
function leaves(value: unknown, path: (string | number)[] = []): (string | number)[][] {
  if (typeof value === "number" || typeof value === "boolean") return [path];
  if (Array.isArray(value)) return value.flatMap((each, index) => leaves(each, [...path, index]));
  if (typeof value === "object" && value !== null) return Object.entries(value).flatMap(([key, each]) => leaves(each, [...path, key]));
  return [];
}

function flip<S>(state: S, path: (string | number)[]): S {
  const copy = structuredClone(state);
  // biome-ignore lint/suspicious/noExplicitAny: walks a record of unknown shape
  let at: any = copy;
  for (const key of path.slice(0, -1)) at = at[key];
  const last = path[path.length - 1]!;
  const old = at[last];
  at[last] = typeof old === "boolean" ? !old : old % 2 === 0 ? old + 1 : old - 1;
  return copy;
}

/**
 * Declares the tests. `create` gives a part after power-on, `busy` brings it into a state far from that, `mutations` are what a guest can do:
 * each must show in the snapshot.
 */
export function stateTrio<S extends Saved, P extends Part<S>>(
  create: () => P,
  busy: (part: P) => void,
  mutations: Record<string, (part: P) => void>,
): void {
  describe("saved state", () => {
    const prepared = () => {
      const part = create();
      busy(part);
      return part;
    };

    test("loading what was saved gives the same state, and the record is plain data", () => {
      const saved = prepared().save();
      expect(JSON.parse(JSON.stringify(saved))).toEqual(saved);
      const other = create();
      other.load(saved);
      expect(other.save()).toEqual(saved);
    });

    test("a saved record does not change with the part", () => {
      const part = prepared();
      const saved = part.save();
      const copy = structuredClone(saved);
      for (const mutate of Object.values(mutations)) mutate(part);
      expect(saved).toEqual(copy);
    });

    test("each field of the record is read back", () => {
      const saved = prepared().save();
      for (const path of leaves(saved)) {
        const changed = flip(saved, path);
        const part = create();
        part.load(changed);
        expect(part.save(), path.join(".")).toEqual(changed);
      }
    });

    for (const [name, mutate] of Object.entries(mutations)) {
      test(`the snapshot shows: ${name}`, () => {
        const part = prepared();
        const before = part.save();
        mutate(part);
        expect(part.save()).not.toEqual(before);
      });
    }

    test("a record of an unknown schema is refused", () => {
      const part = create();
      const before = part.save();
      expect(() => part.load({ ...prepared().save(), schema: "toaster@7" })).toThrowError(
        expect.objectContaining({ code: "snapshot/unknown-schema" }),
      );
      expect(part.save()).toEqual(before);
    });
  });
}
