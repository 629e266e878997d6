// A profile as Chrome's .cpuprofile (DevTools Protocol, Profiler.Profile), which DevTools, VS Code and speedscope open; and as folded stacks,
// one a line, which flame graph tools read. There are no call stacks: a sample's stack is whose code it is, then the function.
import type { Profile } from "./profile.js";
import { IDLE } from "./samples.js";

interface Node {
  readonly id: number;
  readonly callFrame: { functionName: string; scriptId: string; url: string; lineNumber: number; columnNumber: number };
  readonly children: number[];
  hitCount: number;
}

/** Bars of a folded profile and nodes of a tree: whose code, then the function. */
const ownerOf = (owner: string, root: bigint): string => (owner === "user" ? `program ${root.toString(16)}` : owner);

/** JSON of a Profiler.Profile; times in microseconds from the beginning. */
export function cpuProfile({ functions, timeline }: Profile): string {
  const nodes: Node[] = [];
  const add = (functionName: string, parent: Node | undefined): Node => {
    const node = {
      id: nodes.length + 1,
      callFrame: { functionName, scriptId: "0", url: "", lineNumber: -1, columnNumber: -1 },
      children: [],
      hitCount: 0,
    };
    nodes.push(node);
    parent?.children.push(node.id);
    return node;
  };
  const root = add("(root)", undefined);
  const idle = add("(idle)", root);
  const owners = new Map<string, Node>();
  const leaves = functions.map(({ name, owner, root: space }) => {
    const title = ownerOf(owner, space);
    const parent = owners.get(title) ?? add(title, root);
    owners.set(title, parent);
    return add(name, parent);
  });
  const samples: number[] = [];
  const timeDeltas: number[] = [];
  let endTime = 0;
  timeline.functions.forEach((index, at) => {
    const node = index === IDLE ? idle : leaves[index]!;
    node.hitCount++;
    samples.push(node.id);
    // A sample's delta is the time since the one before; DevTools gives it to the one before, so the record is shifted by one.
    timeDeltas.push(at === 0 ? 0 : Math.round(timeline.ms[at - 1]! * 1000));
    endTime += Math.round(timeline.ms[at]! * 1000);
  });
  if (samples.length > 0) {
    samples.push(idle.id);
    timeDeltas.push(Math.round(timeline.ms[timeline.ms.length - 1]! * 1000));
  }
  return JSON.stringify({ nodes, startTime: 0, endTime, samples, timeDeltas });
}

/** One line a function: `whose;name MICROSECONDS`. */
export function foldedStacks({ functions }: Profile): string {
  return functions
    .filter(({ ms }) => ms > 0)
    .sort((a, b) => b.ms - a.ms)
    .map(({ name, owner, root, ms }) => `${ownerOf(owner, root)};${name.replaceAll(";", ":")} ${Math.round(ms * 1000)}`)
    .concat("")
    .join("\n");
}
