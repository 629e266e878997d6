import { describe, expect, test } from "vitest";
import { apicRig } from "../../test/apic-rig.js";
import { stateTrio } from "../../test/state-trio.js";
import type { LocalApic } from "./local-apic.js";
import * as R from "./registers.js";

const FIXED = R.MODE_FIXED;
const LINT0 = 0x35;
const LINT1 = 0x36;
const ERROR = 0x37;

describe("priorities", () => {
  test("the highest vector comes first, and the next after its EOI", () => {
    const { apic, drain } = apicRig();
    for (const vector of [0x31, 0xf0, 0x42]) apic.deliver(FIXED, vector, false);
    expect(drain()).toEqual([0xf0, 0x42, 0x31]);
  });

  test("an interrupt in service holds back its own class and lower ones, not higher", () => {
    const { apic, cpus } = apicRig();
    apic.deliver(FIXED, 0x51, false);
    expect(apic.acknowledge()).toBe(0x51);
    apic.deliver(FIXED, 0x5f, false);
    expect(cpus[0]!.intr).toBe(false);
    expect(apic.read(R.REG_PPR)).toBe(0x50);
    apic.deliver(FIXED, 0x60, false);
    expect(apic.acknowledge()).toBe(0x60);
    apic.write(R.REG_EOI, 0);
    expect(cpus[0]!.intr).toBe(false);
    apic.write(R.REG_EOI, 0);
    expect(apic.acknowledge()).toBe(0x5f);
  });

  test("the task priority holds back classes up to its own, and shows in PPR with its low bits", () => {
    const { apic, cpus } = apicRig();
    apic.write(R.REG_TPR, 0x57);
    apic.deliver(FIXED, 0x5f, false);
    expect([cpus[0]!.intr, apic.read(R.REG_PPR)]).toEqual([false, 0x57]);
    expect(apic.acknowledge()).toBe(-1);
    apic.taskPriority = 0x40;
    expect(cpus[0]!.intr).toBe(true);
  });

  test("IRR, ISR and TMR show where a vector is", () => {
    const { apic } = apicRig();
    apic.deliver(FIXED, 0x45, true);
    expect([apic.read(R.REG_IRR + 2), apic.read(R.REG_ISR + 2), apic.read(R.REG_TMR + 2)]).toEqual([0x20, 0, 0x20]);
    apic.acknowledge();
    expect([apic.read(R.REG_IRR + 2), apic.read(R.REG_ISR + 2)]).toEqual([0, 0x20]);
    apic.deliver(FIXED, 0x45, false);
    expect(apic.read(R.REG_TMR + 2)).toBe(0);
  });

  test("a vector that is already requested is taken once", () => {
    const { apic, drain } = apicRig();
    apic.deliver(FIXED, 0x80, false);
    apic.deliver(FIXED, 0x80, false);
    expect(drain()).toEqual([0x80]);
  });

  test("EOI of a level-triggered vector is broadcast, of an edge-triggered one not", () => {
    const { apic, eois, drain } = apicRig();
    apic.deliver(FIXED, 0x80, false);
    apic.deliver(FIXED, 0x81, true);
    drain();
    expect(eois).toEqual([0x81]);
    apic.endOfInterrupt();
    expect(eois).toEqual([0x81]);
  });
});

describe("software enabling", () => {
  test("after reset no fixed interrupt is accepted and all entries are masked; NMI, INIT and SIPI come through", () => {
    const { apic, cpus } = apicRig();
    apic.reset();
    apic.deliver(FIXED, 0x80, false);
    expect(cpus[0]!.intr).toBe(false);
    for (let register = R.REG_LVT_TIMER; register <= R.REG_LVT_ERROR; register++) expect(apic.read(register)).toBe(R.LVT_MASKED);
    expect(apic.read(R.REG_SVR)).toBe(0xff);
    apic.deliver(R.MODE_NMI, 0, false);
    apic.deliver(R.MODE_INIT, 0, false);
    apic.deliver(R.MODE_STARTUP, 0x9a, false);
    expect(cpus[0]!.log).toEqual(["nmi", "init", "startup 9a"]);
  });

  test("disabling masks all entries and they cannot be unmasked until it is enabled again", () => {
    const { apic } = apicRig();
    apic.write(ERROR, 0x40);
    apic.write(R.REG_SVR, 0xff);
    expect(apic.read(ERROR)).toBe(0x10040);
    apic.write(ERROR, 0x40);
    expect(apic.read(ERROR)).toBe(0x10040);
    apic.write(R.REG_SVR, 0x1ff);
    apic.write(ERROR, 0x40);
    expect(apic.read(ERROR)).toBe(0x40);
  });

  test("INIT clears everything but mode and identity", () => {
    const { apic } = apicRig();
    const fresh = apicRig().apic;
    fresh.reset();
    apic.write(R.REG_TPR, 0x20);
    apic.write(R.REG_DFR, 0);
    apic.write(R.REG_INITIAL_COUNT, 1000);
    apic.deliver(FIXED, 0x80, false);
    apic.deliver(R.MODE_INIT, 0, false);
    expect(apic.save()).toEqual(fresh.save());
  });
});

describe("local pins", () => {
  test("LINT0 as ExtINT asks for as long as it is high, and INTA goes to the 8259s", () => {
    const { apic, cpus, pic } = apicRig();
    apic.write(LINT0, 0x700);
    apic.setLint0(true);
    expect(cpus[0]!.intr).toBe(true);
    expect(apic.acknowledge()).toBe(0x08);
    expect([pic.asked, cpus[0]!.intr]).toEqual([1, true]);
    apic.setLint0(false);
    expect(cpus[0]!.intr).toBe(false);
    apic.setLint0(true);
    apic.write(LINT0, 0x10700);
    expect(cpus[0]!.intr).toBe(false);
  });

  test("without an APIC, LINT0 of the boot processor is its INTR pin", () => {
    const { bus, cpus, msrs } = apicRig(2);
    for (const n of [0, 1]) msrs.msrWrite(n, 0x1b, 0xfee00000n);
    bus.setLint0(true);
    expect([cpus[0]!.intr, cpus[1]!.intr]).toEqual([true, false]);
  });

  test("LINT1 as NMI takes each rise", () => {
    const { apic, cpus } = apicRig();
    apic.write(LINT1, 0x400);
    apic.setLint1(true);
    apic.setLint1(true);
    apic.setLint1(false);
    apic.setLint1(true);
    expect(cpus[0]!.log).toEqual(["nmi", "nmi"]);
  });

  test("a fixed level-triggered pin has a remote IRR: once until EOI, again while high", () => {
    const { apic, drain, cpus } = apicRig();
    apic.write(LINT0, 0x8055);
    apic.setLint0(true);
    expect(apic.read(LINT0) & R.LVT_REMOTE_IRR).not.toBe(0);
    expect(apic.acknowledge()).toBe(0x55);
    apic.endOfInterrupt();
    expect(cpus[0]!.intr).toBe(true);
    apic.setLint0(false);
    expect(drain()).toEqual([0x55]);
    expect(apic.read(LINT0) & R.LVT_REMOTE_IRR).toBe(0);
  });

  test("a fixed edge-triggered pin interrupts at the rise", () => {
    const { apic, drain } = apicRig();
    apic.write(LINT0, 0x55);
    apic.setLint0(true);
    expect(drain()).toEqual([0x55]);
  });
});

describe("errors", () => {
  test("are latched until the ESR is written, and raise the error interrupt", () => {
    const { apic, drain } = apicRig();
    apic.write(ERROR, 0x44);
    apic.read(0x3d);
    expect(apic.read(R.REG_ESR)).toBe(0);
    apic.write(R.REG_ESR, 0);
    expect(apic.read(R.REG_ESR)).toBe(R.ESR_ILLEGAL_REGISTER);
    apic.write(R.REG_ESR, 0);
    expect(apic.read(R.REG_ESR)).toBe(0);
    expect(drain()).toEqual([0x44]);
  });

  test("an illegal vector received and an illegal vector sent are told apart", () => {
    const { apic } = apicRig();
    apic.deliver(FIXED, 0x0f, false);
    apic.write(R.REG_ESR, 0);
    expect(apic.read(R.REG_ESR)).toBe(R.ESR_RECEIVE_ILLEGAL_VECTOR);
    apic.write(R.REG_ICR_LOW, 0x40005);
    apic.write(R.REG_ESR, 0);
    expect(apic.read(R.REG_ESR)).toBe(R.ESR_SEND_ILLEGAL_VECTOR);
  });
});

test("identity, version and the registers that keep only some bits", () => {
  const { bus } = apicRig(4);
  const apic = bus.apics[3]!;
  expect(apic.read(R.REG_ID)).toBe(0x03000000);
  expect(apic.read(R.REG_VERSION)).toBe(0x00050014);
  apic.write(R.REG_LDR, 0x89abcdef);
  apic.write(R.REG_DFR, 0x12345678);
  expect([apic.read(R.REG_LDR), apic.read(R.REG_DFR)]).toEqual([0x89000000, 0x1fffffff]);
  apic.write(R.REG_LVT_TIMER, 0xffffffff);
  expect(apic.read(R.REG_LVT_TIMER)).toBe(0x700ff);
});

stateTrio(
  () => apicRig().apic,
  (apic) => {
    apic.write(R.REG_TPR, 0x11);
    apic.write(LINT0, 0x8055);
    apic.setLint0(true);
    apic.deliver(FIXED, 0x90, true);
    apic.acknowledge();
    apic.deliver(FIXED, 0xa0, false);
    apic.deliver(R.MODE_EXTINT, 0, false);
    apic.write(R.REG_LVT_TIMER, 0x20030);
    apic.write(R.REG_DIVIDE, 3);
    apic.write(R.REG_INITIAL_COUNT, 100_000);
  },
  {
    "a message": (apic) => apic.deliver(FIXED, 0x77, false),
    "an acknowledge": (apic) => void apic.acknowledge(),
    "an EOI": (apic) => apic.endOfInterrupt(),
    TPR: (apic) => apic.write(R.REG_TPR, 0x20),
    LDR: (apic) => apic.write(R.REG_LDR, 0x1000000),
    DFR: (apic) => apic.write(R.REG_DFR, 0),
    SVR: (apic) => apic.write(R.REG_SVR, 0x1fe),
    ICR: (apic) => apic.write(R.REG_ICR_LOW, 0x4c0f1),
    "ICR high": (apic) => apic.write(R.REG_ICR_HIGH, 0x1000000),
    "an error": (apic) => void apic.read(0x3d),
    "an LVT entry": (apic) => apic.write(ERROR, 0x33),
    "the timer's count": (apic) => apic.write(R.REG_INITIAL_COUNT, 5),
    "the divider": (apic) => apic.write(R.REG_DIVIDE, 0),
    LINT0: (apic) => apic.setLint0(false),
    LINT1: (apic) => apic.setLint1(true),
    "the mode": (apic) => apic.setMode(true, true, 0xfee00),
    "the base": (apic) => apic.setMode(true, false, 0x42000),
  },
);

test("the xAPIC ID can be written, two may have the same, and disabling brings the initial one back", () => {
  const { bus, drain } = apicRig(3);
  const [zero, one, two] = bus.apics as [LocalApic, LocalApic, LocalApic];
  one.write(R.REG_ID, 0x2a000000);
  two.write(R.REG_ID, 0x2a000000);
  expect([one.read(R.REG_ID), one.id]).toEqual([0x2a000000, 1]);
  zero.write(R.REG_ICR_HIGH, 0x2a000000);
  zero.write(R.REG_ICR_LOW, 0x4051);
  expect([0, 1, 2].map((n) => drain(n))).toEqual([[], [0x51], [0x51]]);
  one.setMode(false, false, R.APIC_DEFAULT_PAGE);
  one.setMode(true, false, R.APIC_DEFAULT_PAGE);
  expect(one.read(R.REG_ID)).toBe(0x01000000);
  two.setMode(true, true, R.APIC_DEFAULT_PAGE);
  expect(two.read(R.REG_ID)).toBe(2);
});
