import { listOperations } from "@paravane/paravirt-ops";
import { backendBench, backendSuite, ownAnswers, plainBackend } from "@paravane/paravirt-ops/conformance";
import { describe, expect, test } from "vitest";
import { callNames } from "./abi/calls.js";
import { vmi } from "./backend.js";
import { ROM_BASE } from "./rom/rom.js";

const native = plainBackend({ name: "native", manifest: { part: "native", abi: "1", entries: [] } });

describe("VMI, as every backend", () => {
  for (const { name, run } of backendSuite(vmi, [native])) test(name, run);
});

test("what it answers itself is its alarms; all other operations are the layer's beneath", async () => {
  expect(await ownAnswers(vmi)).toEqual(["time.setNextEvent", "time.setPeriodic", "time.shutdownEvent"]);
  // A new operation wants to be read: does it belong to this ABI?
  expect(listOperations().length).toBe(98);
});

describe("VMI", () => {
  test("its guest finds the ROM in memory, protected from stores", async () => {
    const { core, backend } = await backendBench(vmi, [native]);
    expect(core.guestMemory.readU32(ROM_BASE + 8)).toBe(0x696d5663);
    expect(core.hypervisor.protectedFrames.has(ROM_BASE / 4096)).toBe(true);
    expect(backend.store!(0, { address: 0n, physical: ROM_BASE, size: 1, value: 0n, level: 0, writable: true })).toBe("done");
    backend.close?.();
  });

  test("every call is in the manifest", () => {
    const calls = vmi.manifest.entries.filter(({ kind }) => kind === "rom-call").map(({ name }) => name);
    expect(calls).toEqual(callNames.map((name) => `VMI_CALL_${name}`));
  });

  test("a hole that is no number of pages, or too large, is refused", async () => {
    for (const hole of [5000, 2 ** 30, -4096]) {
      await expect(backendBench(vmi.with({ hole }), [native])).rejects.toMatchObject({ code: "config/vmi-hole" });
    }
  });

  test("what is no ROM call stays what it is", async () => {
    const { backend, core } = await backendBench(vmi, [native]);
    core.vcpus[0]!.registers.set("rip", 0x200000n);
    expect(backend.intercept!(0, { instruction: "vmcall", length: 3, bits: 32, level: 0 })).toBe("architectural");
  });
});
