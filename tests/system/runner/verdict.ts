// Reads a run's console: every `not ok` line, and whether the run came to its end.
import type { Mode, Settings, WrongLine } from "./catalogue.js";
import type { Outcome } from "./machines.js";

/** `*` stands for any text. */
const patternOf = (line: string) => new RegExp(`^${line.replaceAll(/[.+?^${}()|[\]\\]/g, "\\$&").replaceAll("*", ".*")}$`);
const nameOf = (line: string) => /^not ok (.*): expected /.exec(line)?.[1] ?? line;

/**
 * What is wrong with a run, one string each; empty when nothing is.
 *
 * @param wrong - lines that this machine is known to get wrong; they must fail, and nothing else may
 * @param ends - how the run has to end; with `shutdown` there is no last line
 */
export function complaints(
  { console, status, shutdown, end }: Outcome,
  wrong: readonly WrongLine[] = [],
  mode?: Mode,
  ends: Settings["ends"] = "exit",
): string[] {
  const lines = console.replaceAll("\r", "").trimEnd().split("\n");
  const known = wrong.filter(({ modes }) => modes === undefined || mode === undefined || modes.includes(mode));
  const matches = ({ line }: WrongLine, name: string) => patternOf(line).test(name);
  const failed = lines.filter((line) => line.startsWith("not ok "));
  const unexpected = failed.filter((line) => !known.some((entry) => matches(entry, nameOf(line))));
  const stale = known.filter((entry) => !failed.some((line) => matches(entry, nameOf(line))));
  const counts = /^(\d+) passed, (\d+) failed$/.exec(lines.at(-1) ?? "");
  const passed = lines.filter((line) => line.startsWith("ok ")).length;
  const complete = counts !== null && Number(counts[1]) === passed && Number(counts[2]) === failed.length && passed > 0;
  const finished = ends === "shutdown" ? shutdown && passed > 0 && counts === null : complete && status === (failed.length > 0 ? 3 : 1);
  return [
    ...unexpected,
    ...stale.map(({ line }) => `listed as wrong, but right: ${line}`),
    ...(finished ? [] : [`did not finish (${end}); the console ends with:\n${lines.slice(-5).join("\n")}`]),
  ];
}
