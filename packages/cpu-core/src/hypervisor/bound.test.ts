import {
  exit,
  type InterceptableInstruction,
  type InterceptedInstruction,
  listOperations,
  operationsOf,
  type ParavirtOps,
} from "@paravane/paravirt-ops";
import { plainOps } from "@paravane/paravirt-ops/conformance";
import { expect, test } from "vitest";
import { BoundForms } from "./bound.js";
import type { BoundInstructions } from "./bound-instructions.js";
import type { DecodedIntercept } from "./instructions.js";

/** Instructions that the contract says ask for an operation, CR moves once a register. */
const ASKING: readonly Pick<InterceptedInstruction, "instruction" | "control">[] = [
  ...(["cr0", "cr2", "cr3", "cr4", "cr8"] as const).flatMap((control) => [
    { instruction: "mov-from-cr" as const, control },
    { instruction: "mov-to-cr" as const, control },
  ]),
  ..."clts lmsw smsw mov-from-dr mov-to-dr lgdt lidt lldt ltr sgdt sidt sldt str pushf popf cli sti hlt iret pause invlpg invd wbinvd rdmsr wrmsr rdtsc rdtscp rdpmc cpuid xsetbv swapgs in out sysret sysexit"
    .split(" ")
    .map((instruction) => ({ instruction: instruction as InterceptableInstruction })),
];

/** Operations, all architectural but one. */
function only(group: string, name: string): ParavirtOps {
  const ops = plainOps();
  return { ...ops, [group]: { ...ops[group as keyof ParavirtOps], [name]: exit(() => undefined) } };
}

test("an instruction runs the operation that the contract says it asks for, and no other", () => {
  const bound = new Map(ASKING.map((asking) => [asking, [] as string[]]));
  for (const { group, name } of listOperations()) {
    const forms = new BoundForms(only(group, name), {} as BoundInstructions, []);
    for (const [asking, found] of bound) if (forms.of(asking as DecodedIntercept) !== undefined) found.push(`${group}.${name}`);
  }
  for (const [asking, found] of bound) expect([asking, found]).toEqual([asking, operationsOf(asking).slice(0, 1)]);
});
