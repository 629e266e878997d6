/**
 * The order of a region's blocks, and its loops. WebAssembly knows blocks that one leaves forward and loops that one leaves backward; this
 * finds the natural loops (headers that dominate their back edges) and puts each loop's blocks together, in reverse postorder. What does
 * not fit (entries from outside, returns, irreducible edges) goes through the region's dispatcher, which can reach `entries` alone.
 */

/** A block by number, or a loop of them whose first item is its header. */
export type Item = { readonly block: number } | { readonly loop: number; readonly items: readonly Item[] };

export interface Structure {
  readonly items: readonly Item[];
  /** Blocks that the dispatcher reaches. */
  readonly entries: readonly number[];
  /** Is the edge a jump back to the header of a loop around it? */
  isBackEdge(from: number, to: number): boolean;
}

/** The first block of an item. */
export const headOf = (item: Item): number => ("loop" in item ? item.loop : item.block);

function reversePostorder(successors: readonly (readonly number[])[], entries: readonly number[]): number[] {
  const seen = new Uint8Array(successors.length);
  const order: number[] = [];
  const stack: { block: number; next: number }[] = [];
  // Later entries first, so that the first one comes first in the reverse order.
  for (let i = entries.length - 1; i >= 0; i--) {
    if (seen[entries[i]!]) continue;
    seen[entries[i]!] = 1;
    stack.push({ block: entries[i]!, next: 0 });
    while (stack.length > 0) {
      const top = stack[stack.length - 1]!;
      const list = successors[top.block]!;
      // The last successor (the fall-through) is walked first, so it ends up closest.
      if (top.next < list.length) {
        const to = list[top.next++]!;
        if (!seen[to]) {
          seen[to] = 1;
          stack.push({ block: to, next: 0 });
        }
      } else {
        order.push(top.block);
        stack.pop();
      }
    }
  }
  return order.reverse();
}

/** Immediate dominators by number, -1 for the virtual root (Cooper, Harvey, Kennedy: "A Simple, Fast Dominance Algorithm"). */
function dominators(
  order: readonly number[],
  position: Int32Array,
  predecessors: readonly (readonly number[])[],
  isEntry: Uint8Array,
): Int32Array {
  const idom = new Int32Array(position.length).fill(-2);
  const intersect = (a: number, b: number): number => {
    let x = a;
    let y = b;
    while (x !== y) {
      if (x === -1 || y === -1) return -1;
      if (position[x]! > position[y]!) x = idom[x]!;
      else y = idom[y]!;
    }
    return x;
  };
  for (let changed = true; changed; ) {
    changed = false;
    for (const block of order) {
      let now = isEntry[block] ? -1 : -2;
      for (const from of predecessors[block]!) {
        if (idom[from] === -2) continue;
        now = now === -2 ? from : intersect(now, from);
      }
      if (now !== idom[block]) {
        idom[block] = now;
        changed = true;
      }
    }
  }
  return idom;
}

/** @param successors - known edges inside the region; fall-through last */
export function structureOf(successors: readonly (readonly number[])[], firstEntries: readonly number[]): Structure {
  const count = successors.length;
  const isEntry = new Uint8Array(count);
  for (const entry of firstEntries) isEntry[entry] = 1;
  const predecessors: number[][] = successors.map(() => []);
  successors.forEach((list, from) => {
    for (const to of list) predecessors[to]!.push(from);
  });
  for (;;) {
    const entries = [...firstEntries.filter((e) => isEntry[e])];
    for (let block = 0; block < count; block++) if (isEntry[block] && !entries.includes(block)) entries.push(block);
    const order = reversePostorder(successors, entries);
    const position = new Int32Array(count).fill(-1);
    order.forEach((block, i) => {
      position[block] = i;
    });
    const idom = dominators(order, position, predecessors, isEntry);
    const dominates = (a: number, b: number): boolean => {
      let at = b;
      while (at !== a && at >= 0) at = idom[at]!;
      return at === a;
    };
    // Headers with the blocks of their loops; irreducible edges make their target an entry, and everything is looked at again.
    const bodies = new Map<number, Set<number>>();
    let again = false;
    for (const from of order) {
      for (const to of successors[from]!) {
        if (position[to]! > position[from]!) continue;
        if (!dominates(to, from)) {
          if (!isEntry[to]) {
            isEntry[to] = 1;
            again = true;
          }
          continue;
        }
        const body = bodies.get(to) ?? new Set([to]);
        bodies.set(to, body);
        const work = [from];
        for (let block = work.pop(); block !== undefined; block = work.pop()) {
          if (body.has(block)) continue;
          body.add(block);
          for (const before of predecessors[block]!) if (position[before]! >= 0) work.push(before);
        }
      }
    }
    if (again) continue;
    const arrange = (blocks: readonly number[], inside: number): Item[] => {
      const items: Item[] = [];
      const placed = new Set<number>();
      for (const block of blocks) {
        if (placed.has(block)) continue;
        const body = block === inside ? undefined : bodies.get(block);
        if (body === undefined) {
          items.push({ block });
          continue;
        }
        const members = blocks.filter((b) => body.has(b));
        for (const member of members) placed.add(member);
        items.push({ loop: block, items: arrange(members, block) });
      }
      return items;
    };
    return {
      items: arrange(order, -1),
      entries: entries.filter((e) => position[e]! >= 0),
      isBackEdge: (from, to) => position[to]! <= position[from]! && bodies.get(to)?.has(from) === true,
    };
  }
}
