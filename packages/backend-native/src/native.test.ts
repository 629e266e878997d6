import { listOperations } from "@paravane/paravirt-ops";
import { backendBench, backendSuite } from "@paravane/paravirt-ops/conformance";
import { describe, expect, test } from "vitest";
import { native } from "./index.js";

describe("the bare machine, as every backend", () => {
  for (const { name, run } of backendSuite(native)) test(name, run);
});

describe("the bare machine", () => {
  test("no slot leaves the core: the machine costs nothing over one without a contract", async () => {
    const { backend } = await backendBench(native);
    for (const { group, name } of listOperations()) {
      const { inline } = (backend.ops[group] as Record<string, { inline: { kind: string } }>)[name]!;
      expect(["architectural", "nop", "fault"], `${group}.${name}`).toContain(inline.kind);
    }
    expect([backend.delivery, backend.intercept, backend.store, backend.load]).toEqual([undefined, undefined, undefined, undefined]);
  });

  test("it allows what the monitor can place and nothing else", () => {
    const image = { description: "", file: new Uint8Array(0), commandLine: "" };
    expect(native.boot.accepts({ ...image, protocols: ["linux64"] })).toBe("allows");
    expect(native.boot.accepts({ ...image, protocols: [] })).toBe("no");
    expect(native.boot.placement).toBe("monitor");
  });

  test("a layer above gets the effect of the instruction by calling the function", async () => {
    const { backend, core, environment } = await backendBench(native);
    const { cpu, irq, mmu, smp, time } = backend.ops;
    const vcpu = environment.vcpus[0]!;
    cpu.writeCr0.run(vcpu, 0x11n);
    mmu.writeCr3.run(vcpu, 0x300000n);
    mmu.flushTlbSingle.run(vcpu, 0x400000n);
    mmu.flushTlbOthers.run(vcpu, [0, 1, 7], undefined);
    cpu.setLdt.run(vcpu, 0x28);
    cpu.iret.run(vcpu);
    smp.yield.run(vcpu, undefined);
    expect(core.hypervisor.log).toEqual([
      "execute 0 mov-to-cr 0 17",
      "execute 0 mov-to-cr 3 3145728",
      "forgetAddress 0 4194304",
      "forgetAddress 0 all",
      "forgetAddress 1 all",
      "loadSegment 0 ldtr 40",
      "execute 0 iret",
      "yield 0",
    ]);
    vcpu.registers.set("rflags", 0x2n);
    irq.safeHalt.run(vcpu);
    expect(vcpu.registers.get("rflags")).toBe(0x202n);
    time.setNextEvent.run(vcpu, 5_000);
    expect(vcpu.registers.msr(0x6e0)).toBe(5_000n);
  });

  test("page-table entries are stored as wide as the mode says", async () => {
    const { backend, core, environment } = await backendBench(native);
    const vcpu = environment.vcpus[0]!;
    const { mmu } = backend.ops;
    core.guestMemory.fill(0x200000, 16, 0xee);
    mmu.setPte.run(vcpu, 0x200000n, 0x123067n);
    expect([...core.guestMemory.view(0x200000, 8)]).toEqual([0x67, 0x30, 0x12, 0, 0xee, 0xee, 0xee, 0xee]);
    vcpu.registers.set("cr4", 0x20n);
    mmu.setPte.run(vcpu, 0x200000n, 0x8000000000123067n);
    expect(core.guestMemory.readU64(0x200000)).toBe(0x8000000000123067n);
    expect(mmu.setPte.run(vcpu, 0xf0000000n, 1n)).toMatchObject({ fault: 14 });
  });

  test("accessed and dirty bits set between start and commit are kept", async () => {
    const { backend, core, environment } = await backendBench(native);
    const vcpu = environment.vcpus[0]!;
    vcpu.registers.set("cr4", 0x20n);
    core.guestMemory.writeU64(0x200000, 0x123007n);
    expect(backend.ops.mmu.protectionStart.run(vcpu, 0x200000n, 0n)).toBe(0x123007n);
    expect(core.guestMemory.readU64(0x200000)).toBe(0n);
    core.guestMemory.writeU64(0x200000, 0x60n);
    backend.ops.mmu.protectionCommit.run(vcpu, 0x200000n, 0n, 0x123005n);
    expect(core.guestMemory.readU64(0x200000)).toBe(0x123065n);
  });

  test("an IPI goes through the local APIC's registers", async () => {
    const { backend, environment } = await backendBench(native);
    const writes: string[] = [];
    environment.mmio.attach(0xfee00000, 0x1000, {
      name: "apic",
      mmioRead: (offset) => offset,
      mmioWrite: (offset, _size, value) => void writes.push(`${offset.toString(16)}=${value.toString(16)}`),
    });
    const vcpu = environment.vcpus[0]!;
    backend.ops.smp.sendIpi.run(vcpu, [1, 42], 0x40);
    expect(writes).toEqual(["310=1000000", "300=4040"]);
    expect(backend.ops.irq.apicRead.run(vcpu, 0x20)).toBe(0x20);
  });

  test("a machine without the core's services still runs: its functions are never called", async () => {
    const { environment } = await backendBench(native);
    const { ops } = native.install(undefined, { ...environment, hypervisor: undefined });
    expect(ops.cpu.readCr0.run(environment.vcpus[0]!)).toBe(0n);
    expect(() => ops.cpu.iret.run(environment.vcpus[0]!)).toThrowError(expect.objectContaining({ code: "compose/core-lacks-handles" }));
  });
});
