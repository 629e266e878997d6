// The contract's own limits: at most a hundred operations, each with a case in the conformance suite, which calls it on every backend.
import { listOperations, type Operation, type ParavirtOps } from "../../packages/paravirt-ops/src/index.js";
import { backendSuite, plainBackend, plainOps, sampleArguments } from "../../packages/paravirt-ops/src/conformance/index.js";

/** What Molnar said would suffice. */
const LIMIT = 100;

const rows = listOperations();
const problems: string[] = [];
if (rows.length > LIMIT) problems.push(`the contract has ${rows.length} operations, and may have ${LIMIT}`);

const samples = sampleArguments as unknown as Record<string, Record<string, readonly unknown[] | undefined> | undefined>;
for (const { group, name } of rows) {
  if (!samples[group]?.[name]?.length)
    problems.push(`${group}.${name} has no conformance case: conformance/samples.ts gives no arguments for it`);
}
for (const [group, names] of Object.entries(samples)) {
  for (const name of Object.keys(names ?? {})) {
    if (!rows.some((row) => row.group === group && row.name === name))
      problems.push(`${group}.${name} has a conformance case and is no operation`);
  }
}

// The suite really calls each of them: a backend that counts.
if (problems.length === 0) {
  const called = new Set<string>();
  const counted = (group: string, slots: object): object =>
    Object.fromEntries(
      Object.entries(slots as Record<string, Operation>).map(([name, slot]) => [
        name,
        {
          inline: slot.inline,
          run(...args: Parameters<Operation["run"]>) {
            called.add(`${group}.${name}`);
            return slot.run(...args);
          },
        },
      ]),
    );
  const ops = Object.fromEntries(Object.entries(plainOps()).map(([group, slots]) => [group, counted(group, slots)]));
  const counting = plainBackend({ install: () => ({ ops: ops as unknown as ParavirtOps }) });
  for (const { run } of backendSuite(counting)) await run();
  for (const { group, name } of rows)
    if (!called.has(`${group}.${name}`)) problems.push(`${group}.${name} is called by no conformance case`);
}

for (const problem of problems) console.error(problem);
if (problems.length > 0) process.exitCode = 1;
