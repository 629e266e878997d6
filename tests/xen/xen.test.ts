// PV guests of our own that look at what they are given: traps, privileged instructions, page tables, calls. Both widths, by one source.
import { describe, expect, test } from "vitest";
import { type Bits, buildGuest, canBuild, INSTALL } from "./runner/build.js";
import { complaints, runDomain } from "./runner/machine.js";

const GUESTS = {
  first: "the kit of these tests works",
  traps: "traps, software interrupts, callbacks and the ways back",
  pae: "a kernel that builds tables, keeps time and serves user code",
  paging: "page tables, their rules and exact errors",
  calls: "versions, event channels, polls, grants and what only the owner may",
  gates: "call gates, from user code and from the kernel's own",
  second: "a second vCPU, made while an event is pending",
  privileged: "privileged instructions, ports, debug registers and MSRs",
} as const;

describe.each([64, 32] as const)("a %i-bit PV guest", (bits: Bits) => {
  if (!canBuild(bits)) {
    test.skip(`needs a compiler: ${INSTALL}`, () => {});
    return;
  }
  test.each(Object.entries(GUESTS))("%s: %s", { timeout: 90_000 }, async (name) => {
    expect(complaints(await runDomain(await buildGuest(name, bits), { vcpus: name === "second" ? 2 : 1 }))).toEqual([]);
  });
});
