import { expect, test } from "vitest";
import { callNames } from "./abi/calls.js";
import { describePolicy, parsePolicy } from "./policy.js";

test("without words every call has its usual answer", () => {
  const policy = parsePolicy("");
  expect([policy.IRET, policy.SYSEXIT, policy.IODelay, policy.SetCR3]).toEqual(["call", "jump", "nop", "call"]);
});

test("words change answers in their order, whatever their case", () => {
  const policy = parsePolicy("all=native, setcr3=call,IRET=jump");
  expect([policy.SetCR3, policy.GetCR3, policy.IRET, policy.SYSEXIT]).toEqual(["call", "native", "jump", "jump"]);
});

test("a policy that is shown can be read again", () => {
  const policy = parsePolicy("SetCR3=native,IODelay=call");
  expect(parsePolicy(describePolicy(policy).replaceAll("\n", ","))).toEqual(policy);
  expect(describePolicy(policy).split("\n").length).toBe(callNames.length);
});

test.each([
  ["SetCR9=call", "no call"],
  ["SetCR3", "NAME=ANSWER"],
  ["SetCR3=maybe", "NAME=ANSWER"],
  ["SetCR3=jump", "returns to its caller"],
  ["IRET=nop", "dies"],
  ["IRET=native", "dies"],
])("%s is refused", (text, words) => {
  expect(() => parsePolicy(text)).toThrowError(
    expect.objectContaining({ code: "config/vmi-calls", message: expect.stringContaining(words) }),
  );
});
