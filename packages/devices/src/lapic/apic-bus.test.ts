import { describe, expect, test } from "vitest";
import { apicRig } from "../../test/apic-rig.js";
import { createMmioBus } from "../bus/mmio-bus.js";
import * as R from "./registers.js";
import { XapicWindow } from "./xapic-window.js";

type Rig = ReturnType<typeof apicRig>;
/** Which vCPUs were asked, by their INTR pins; all are drained. */
const taken = (rig: Rig) => [...rig.cpus.keys()].filter((n) => rig.drain(n).length > 0);
/** Logical ID 1 << n for APIC n, in the flat model. */
const setFlatIds = (rig: Rig) => {
  for (const apic of rig.bus.apics) apic.write(R.REG_LDR, 1 << (24 + apic.id));
};
const ipi = (rig: Rig, low: number, destination = 0, from = 0) => {
  rig.bus.apics[from]!.write(R.REG_ICR_HIGH, destination << 24);
  rig.bus.apics[from]!.write(R.REG_ICR_LOW, low);
};
const enableX2apic = (rig: Rig) => {
  for (const [n] of rig.cpus.entries()) rig.msrs.msrWrite(n, 0x1b, 0xfee00c00n | (n === 0 ? 0x100n : 0n));
};

describe("interprocessor interrupts in xAPIC mode", () => {
  test("physical destinations name one processor, 0xff all", () => {
    const rig = apicRig(4);
    ipi(rig, 0x40f0, 2);
    expect(taken(rig)).toEqual([2]);
    ipi(rig, 0x40f0, 0xff);
    expect(taken(rig)).toEqual([0, 1, 2, 3]);
    ipi(rig, 0x40f0, 9);
    expect(taken(rig)).toEqual([]);
  });

  test("shorthands: self, all, all but self", () => {
    const rig = apicRig(3);
    ipi(rig, 0x440f0, 0, 1);
    expect(taken(rig)).toEqual([1]);
    ipi(rig, 0x840f0, 0, 1);
    expect(taken(rig)).toEqual([0, 1, 2]);
    ipi(rig, 0xc40f0, 0, 1);
    expect(taken(rig)).toEqual([0, 2]);
  });

  test("logical destinations: a flat model of eight bits, clusters of four", () => {
    const rig = apicRig(4);
    setFlatIds(rig);
    ipi(rig, 0x48f0, 0b1010);
    expect(taken(rig)).toEqual([1, 3]);
    rig.bus.apics.forEach((apic, n) => {
      apic.write(R.REG_DFR, 0x0fffffff);
      apic.write(R.REG_LDR, ((n >> 1) << 28) | (1 << (24 + (n & 1))));
    });
    ipi(rig, 0x48f0, 0x12);
    expect(taken(rig)).toEqual([3]);
    ipi(rig, 0x48f0, 0x03);
    expect(taken(rig)).toEqual([0, 1]);
    ipi(rig, 0x48f0, 0xff);
    expect(taken(rig)).toEqual([0, 1, 2, 3]);
  });

  test("lowest priority picks one: the least busy", () => {
    const rig = apicRig(3);
    setFlatIds(rig);
    rig.bus.apics[0]!.write(R.REG_TPR, 0x30);
    rig.bus.apics[1]!.write(R.REG_TPR, 0x20);
    rig.bus.apics[2]!.write(R.REG_TPR, 0x28);
    ipi(rig, 0x49f0, 0b111);
    expect(taken(rig)).toEqual([1]);
    rig.bus.apics[1]!.write(R.REG_SVR, 0xff);
    ipi(rig, 0x49f0, 0b111);
    expect(taken(rig)).toEqual([2]);
  });

  test("NMI, INIT and STARTUP reach the processor; a de-asserting INIT does nothing", () => {
    const rig = apicRig(2);
    ipi(rig, 0x4400, 1);
    ipi(rig, 0xc500, 1);
    ipi(rig, 0x8500, 1);
    ipi(rig, 0x4608, 1);
    ipi(rig, 0xc4500 | 0x8000, 0, 0);
    expect(rig.cpus[1]!.log).toEqual(["nmi", "init", "startup 8", "init"]);
    expect(rig.cpus[0]!.log).toEqual([]);
  });
});

describe("x2APIC mode", () => {
  test("the logical ID follows from the APIC ID and addresses clusters of sixteen", () => {
    const rig = apicRig(20);
    enableX2apic(rig);
    expect(rig.msrs.msrRead(18, 0x80d)).toBe(0x10004n);
    rig.msrs.msrWrite(0, 0x830, (0x10005n << 32n) | 0x48f0n);
    expect(taken(rig)).toEqual([16, 18]);
    rig.msrs.msrWrite(0, 0x830, (18n << 32n) | 0x40f0n);
    expect(taken(rig)).toEqual([18]);
    rig.msrs.msrWrite(0, 0x830, (0xffffffffn << 32n) | 0x40f0n);
    expect(taken(rig).length).toBe(20);
    rig.msrs.msrWrite(3, 0x83f, 0xf1n);
    expect(taken(rig)).toEqual([3]);
  });

  test("the ICR is one register of 64 bits", () => {
    const rig = apicRig(2);
    enableX2apic(rig);
    rig.msrs.msrWrite(0, 0x830, 0x1000040f0n);
    expect(rig.msrs.msrRead(0, 0x830)).toBe(0x1000040f0n);
  });

  test("what does not exist, is reserved, or goes the wrong way is #GP", () => {
    const rig = apicRig();
    const { msrs } = rig;
    expect(msrs.msrRead(0, 0x802)).toBeUndefined();
    expect(msrs.msrWrite(0, 0x80b, 0n)).toBe(false);
    enableX2apic(rig);
    for (const index of [0x800, 0x80b, 0x80e, 0x831, 0x83f, 0x82f, 0x840, 0x8ff])
      expect(msrs.msrRead(0, index), index.toString(16)).toBeUndefined();
    for (const index of [0x802, 0x803, 0x80a, 0x80d, 0x80e, 0x810, 0x839, 0x8ff])
      expect(msrs.msrWrite(0, index, 0n), index.toString(16)).toBe(false);
    const refused: [number, bigint][] = [
      [0x808, 0x100n],
      [0x80b, 1n],
      [0x80f, 0x1000n],
      [0x828, 1n],
      [0x830, 0x2000n],
      [0x830, 0x100000n],
      [0x832, 0x80000n],
      [0x838, 0x100000000n],
      [0x83e, 4n],
      [0x83f, 0x100n],
    ];
    for (const [index, value] of refused) expect(msrs.msrWrite(0, index, value), index.toString(16)).toBe(false);
    for (const index of [0x808, 0x80b, 0x80f, 0x828, 0x832, 0x838, 0x83e])
      expect(msrs.msrWrite(0, index, 0n), index.toString(16)).toBe(true);
  });
});

describe("IA32_APIC_BASE", () => {
  const BSP = 0x100n;
  const XAPIC = 0xfee00800n;
  const X2APIC = 0xfee00c00n;
  const OFF = 0xfee00000n;
  const INVALID = 0xfee00400n;

  test("allows exactly the transitions of the manual's figure", () => {
    const states: [string, bigint[]][] = [
      ["off", [OFF]],
      ["xapic", [XAPIC]],
      ["x2apic", [XAPIC, X2APIC]],
    ];
    const allowed = (path: bigint[], to: bigint) => {
      const { msrs } = apicRig();
      for (const step of path) msrs.msrWrite(0, 0x1b, step | BSP);
      return msrs.msrWrite(0, 0x1b, to | BSP);
    };
    expect(states.map(([name, path]) => [name, ...[OFF, XAPIC, X2APIC, INVALID].map((to) => allowed(path, to))])).toEqual([
      ["off", true, true, false, false],
      ["xapic", true, true, true, false],
      ["x2apic", true, false, true, false],
    ]);
  });

  test("reserved bits are #GP and leave everything as it was", () => {
    const { msrs } = apicRig();
    for (const value of [XAPIC | 1n, XAPIC | 0x200n, XAPIC | (1n << 40n)]) expect(msrs.msrWrite(0, 0x1b, value)).toBe(false);
    expect(msrs.msrRead(0, 0x1b)).toBe(XAPIC | BSP);
  });

  test("only the boot processor has the BSP flag", () => {
    const { msrs } = apicRig(2);
    expect([msrs.msrRead(0, 0x1b), msrs.msrRead(1, 0x1b)]).toEqual([0xfee00900n, 0xfee00800n]);
  });

  test("disabling loses the state but not the task priority that CR8 shows", () => {
    const { msrs, apic, cpus } = apicRig();
    apic.taskPriority = 0x50;
    apic.deliver(R.MODE_FIXED, 0x90, false);
    msrs.msrWrite(0, 0x1b, OFF);
    expect([cpus[0]!.intr, apic.taskPriority]).toEqual([false, 0x50]);
    msrs.msrWrite(0, 0x1b, XAPIC);
    expect(apic.read(R.REG_SVR)).toBe(0xff);
  });
});

describe("the register page", () => {
  function paged(vcpus = 2) {
    const rig = apicRig(vcpus);
    const bus = createMmioBus();
    let current = 0;
    const window = new XapicWindow(bus, rig.bus.apics, () => current);
    const set = (n: number, value: bigint) => {
      rig.msrs.msrWrite(n, 0x1b, value);
      window.follow();
    };
    const as = (n: number) => {
      current = n;
    };
    return { ...rig, mmio: bus, set, as };
  }

  test("shows each vCPU its own APIC", () => {
    const { mmio, as } = paged();
    expect(mmio.read(0xfee00020, 4)).toBe(0);
    as(1);
    expect(mmio.read(0xfee00020, 4)).toBe(0x01000000);
    mmio.write(0xfee00080, 4, 0x33);
    expect([mmio.read(0xfee00080, 4), mmio.read(0xfee00080, 1)]).toEqual([0x33, 0x33]);
    as(0);
    expect(mmio.read(0xfee00080, 4)).toBe(0);
  });

  test("floats for a vCPU whose APIC is off or in x2APIC mode", () => {
    const { mmio, as, set } = paged();
    set(1, 0xfee00000n);
    as(1);
    expect(mmio.read(0xfee00030, 4)).toBe(0xffffffff);
    as(0);
    expect(mmio.read(0xfee00030, 4)).toBe(0x00050014);
    set(0, 0xfee00c00n);
    expect(mmio.read(0xfee00030, 4)).toBe(0xffffffff);
  });

  test("can be moved, by one vCPU alone, and back; never onto another device", () => {
    const { mmio, as, set } = paged();
    mmio.attach(0x50000000, 0x1000, { name: "other", mmioRead: () => 0x5a5a5a5a, mmioWrite: () => {} });
    set(0, 0x42000800n);
    expect([mmio.read(0x42000030, 4), mmio.read(0xfee00030, 4)]).toEqual([0x00050014, 0xffffffff]);
    as(1);
    expect([mmio.read(0x42000030, 4), mmio.read(0xfee00030, 4)]).toEqual([0xffffffff, 0x00050014]);
    set(0, 0x50000800n);
    as(0);
    expect(mmio.read(0x50000030, 4)).toBe(0x5a5a5a5a);
    set(0, 0xfee00800n);
    expect(mmio.read(0xfee00030, 4)).toBe(0x00050014);
    expect(mmio.read(0x42000030, 4)).toBe(0xffffffff);
  });
});

describe("message-signalled interrupts", () => {
  test("carry destination, mode and trigger in address and data", () => {
    const rig = apicRig(4);
    rig.bus.send(0xfee02000, 0x0041);
    expect(taken(rig)).toEqual([2]);
    rig.bus.send(0xfeeff000, 0x0041);
    expect(taken(rig)).toEqual([0, 1, 2, 3]);
    setFlatIds(rig);
    rig.bus.send(0xfee0600c, 0x0041);
    expect(taken(rig)).toEqual([1]);
    rig.bus.send(0xfee06004, 0x0041);
    expect(taken(rig)).toEqual([1, 2]);
    rig.bus.send(0xfee01000, 0x0400);
    expect(rig.cpus[1]!.log).toEqual(["nmi"]);
    rig.bus.send(0xfee00000, 0xc041);
    taken(rig);
    expect(rig.eois).toEqual([0x41]);
  });

  test("to another address is no message", () => {
    const rig = apicRig();
    rig.bus.send(0xfed00000, 0x41);
    rig.bus.send(0x1fee00000, 0x41);
    expect(taken(rig)).toEqual([]);
  });
});
