// Guests of our own that look at what they are given: traps, privileged instructions, page tables, calls, events. PV ones of both widths by
// one source, PVH ones in four kinds of paging.
import { describe, expect, test } from "vitest";
import { type Bits, buildGuest, buildPvhGuest, canBuild, INSTALL, narrowed, type Paging } from "./runner/build.js";
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
  emulated: "what emulation must not lose",
  apart: "user code with tables of its own",
} as const;
/** 32-bit guests have one set of tables for kernel and user. */
const ONLY_64: readonly string[] = ["apart"];

describe.each([64, 32] as const)("a %i-bit PV guest", (bits: Bits) => {
  if (!canBuild(bits)) {
    test.skip(`needs a compiler: ${INSTALL}`, () => {});
    return;
  }
  const guests = Object.entries(GUESTS).filter(([name]) => bits === 64 || !ONLY_64.includes(name));
  test.each(guests)("%s: %s", { timeout: 90_000 }, async (name) => {
    expect(complaints(await runDomain(await buildGuest(name, bits), { vcpus: name === "second" ? 2 : 1 }))).toEqual([]);
  });
});

const PAGING = { 4: "in long mode", 3: "under PAE tables", 2: "under 4 MiB pages", 0: "without paging" } as const;
const PVH_GUESTS = {
  pvh: "what it is given, and what it may do",
  pvhmemory: "what it lends and places, and a vCPU that halts for good",
  pvhevents: "how it is told of events, and who talks to it",
} as const;

describe.each(Object.entries(PAGING))("a PVH guest with %s levels of tables, %s", (levels) => {
  const paging = Number(levels) as Paging;
  if (!canBuild(paging === 4 ? 64 : 32)) {
    test.skip(`needs a compiler: ${INSTALL}`, () => {});
    return;
  }
  test.each(Object.entries(PVH_GUESTS))("%s: %s", { timeout: 90_000 }, async (name) => {
    expect(complaints(await runDomain(await buildPvhGuest(name, paging), { vcpus: name === "pvhmemory" ? 2 : 1 }))).toEqual([]);
  });
  if (paging !== 4) return;
  test("the width of its image is not that of what it shares", { timeout: 90_000 }, async () => {
    expect(complaints(await runDomain(await narrowed(await buildPvhGuest("pvhevents", paging))))).toEqual([]);
  });
});
