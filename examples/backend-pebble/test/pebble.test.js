import assert from "node:assert/strict";
import { test } from "node:test";
import { native } from "@paravane/backend-native";
import { cpuCore } from "@paravane/cpu-core";
import { pcBoard } from "@paravane/devices/board";
import { listOperations } from "@paravane/paravirt-ops";
import { backendBench, backendSuite } from "@paravane/paravirt-ops/conformance";
import { createMachine } from "@paravane/vmm";
import { pebble } from "../dist/backend.js";
import { pebbleGuest } from "../dist/guest.js";

for (const { name, run } of backendSuite(pebble, [native])) test(name, run);

test("its guest finds it, greets, sleeps and powers off", async () => {
  const calls = [];
  const machine = await createMachine({
    core: cpuCore,
    board: pcBoard,
    backends: [native, pebble],
    preference: ["pebble"],
    guest: { kernel: pebbleGuest() },
    memory: "16M",
    taps: { hypercall: (_at, _vcpu, name) => calls.push(name) },
    signal: AbortSignal.timeout(20_000),
  });
  let text = "";
  const sink = new WritableStream({
    write(bytes) {
      text += String.fromCharCode(...bytes);
    },
  });
  const shown = machine.serial.readable.pipeTo(sink);
  const { kind } = await machine.run();
  await machine.close();
  await shown;
  assert.deepEqual([text, kind, calls.slice(-4)], ["hello from Pebble\n", "poweroff", ["now", "sleep", "now", "powerOff"]]);
});

test("it owns no slot, of the operations that there were when this was written", async () => {
  assert.equal(listOperations().length, 98);
  const { backend, environment } = await backendBench(pebble, [native]);
  const under = native.install(undefined, environment).ops;
  for (const { group, name } of listOperations()) assert.deepEqual(backend.ops[group][name].inline, under[group][name].inline);
});

test("a number that is no call is answered, and a guest does not sleep longer than it may", async () => {
  const { backend, core, environment, advance } = await backendBench(pebble.with({ longestSleepUs: 10 }), [native]);
  const { registers } = environment.vcpus[0];
  const call = (number, argument) => {
    registers.set("rax", BigInt(number));
    registers.set("rbx", BigInt(argument));
    assert.equal(backend.intercept(0, { instruction: "vmcall", length: 3, bits: 32, level: 0 }), "next");
    return Number(registers.get("rax"));
  };
  assert.equal(call(77, 0), 0xffffffff);
  assert.equal(call(2, 0xffffffff), 0);
  advance(9_000);
  assert.equal(core.hypervisor.log.includes("wake 0"), false);
  advance(1_000);
  assert.equal(core.hypervisor.log.includes("wake 0"), true);
});
