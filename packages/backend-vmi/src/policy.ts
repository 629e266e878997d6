/** Which calls the ROM answers, and how: the usual answers of the table, and what a person changed of them. */
import { HvError } from "@paravane/paravirt-ops";
import { type CallName, callNames, type RomAnswer, usualAnswer, withoutReturn } from "./abi/calls.js";

/** An answer for every call. */
export type CallPolicy = Readonly<Record<CallName, RomAnswer>>;

const ANSWERS: readonly RomAnswer[] = ["call", "jump", "nop", "native"];

/**
 * Reads a policy: `NAME=ANSWER,…` over the usual answers, in order; `all` stands for every call but IRET and SYSEXIT, which no kernel can do
 * without. @throws HvError "config/vmi-calls" for a name, an answer or a combination that cannot be
 */
export function parsePolicy(text: string): CallPolicy {
  const policy = Object.fromEntries(callNames.map((name) => [name, usualAnswer(name)])) as Record<CallName, RomAnswer>;
  for (const item of text.split(",").filter((part) => part.trim() !== "")) {
    const [left = "", right = ""] = item.split("=").map((part) => part.trim());
    const answer = ANSWERS.find((known) => known === right.toLowerCase());
    if (answer === undefined) throw mistake(`"${item}" is not NAME=ANSWER`, `answers: ${ANSWERS.join(", ")}`);
    if (left.toLowerCase() === "all") {
      for (const name of callNames) if (name !== "IRET" && name !== "SYSEXIT") policy[name] = allowed(name, answer);
      continue;
    }
    const name = callNames.find((known) => known.toLowerCase() === left.toLowerCase());
    if (name === undefined) throw mistake(`there is no call "${left}"`, `calls: all, ${callNames.join(", ")}`);
    policy[name] = allowed(name, answer);
  }
  return policy;
}

/** Name and answer of every call, a line each, as `parsePolicy` reads them. */
export function describePolicy(policy: CallPolicy): string {
  return callNames.map((name) => `${name}=${policy[name]}`).join("\n");
}

/** What a guest would die of in silence is refused here. */
function allowed(name: CallName, answer: RomAnswer): RomAnswer {
  if (answer === "jump" && !withoutReturn.has(name)) {
    throw mistake(`${name} returns to its caller, so it cannot be jumped to`, `jump is for ${[...withoutReturn].join(", ")}`);
  }
  if (name === "IRET" && (answer === "nop" || answer === "native")) {
    throw mistake(`a guest without the call IRET dies at its first return`, "IRET is call or jump");
  }
  return answer;
}

function mistake(message: string, hint: string): HvError {
  return new HvError("config/vmi-calls", message, { hint });
}
