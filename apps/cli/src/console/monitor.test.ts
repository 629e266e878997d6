import { RecordingVcpu, spin } from "@paravane/paravirt-ops/conformance";
import type { Machine, MachineStats } from "@paravane/vmm";
import { expect, test } from "vitest";
import { Monitor, type MonitorEnd } from "./monitor.js";
import { formatCrash } from "./registers.js";

/** A monitor of a machine with two vCPUs; `ask` types a line and gives the answer. */
function monitor() {
  const vcpus = [new RecordingVcpu(0, spin), new RecordingVcpu(1, spin)];
  vcpus[1]!.registers.set("rip", 0xabcdn);
  const share = { slices: 1, pauses: 2, stolenNs: 3e9 };
  const stats: Partial<MachineStats> = {
    ...{ instructions: 7, guestNs: 1e9, vcpuMs: 1, idleMs: 2 },
    vcpus: vcpus.map(({ id, halted }) => ({ id, instructions: id + 3, halted, ...share })),
  };
  const machine = { stats: () => stats, boot: { image: "ELF", protocol: "multiboot", backend: "native", memoryBytes: 2 ** 20, vcpus: 2 } };
  let shown = "";
  const ended: MonitorEnd[] = [];
  const made = new Monitor(
    machine as unknown as Machine,
    () => vcpus,
    (text) => {
      shown += text;
    },
    (how) => ended.push(how),
  );
  const ask = (line: string): string => {
    shown = "";
    made.feed(new TextEncoder().encode(`${line}\r`));
    return shown.slice(line.length + 1);
  };
  return { ask, ended, vcpus };
}

test("regs shows all vCPUs, regs 1 that one, and one that does not exist is said", () => {
  const { ask } = monitor();
  expect(ask("regs").match(/^vCPU \d: rip=/gm)).toEqual(["vCPU 0: rip=", "vCPU 1: rip="]);
  expect(ask("regs 1").match(/^vCPU .*$/gm)).toEqual(["vCPU 1: rip=000000000000abcd rflags=00000002 halted"]);
  expect(ask("regs 2")).toContain("there is no vCPU 2; there are 0 to 1");
});

test("info tells each vCPU's share", () => {
  const { ask } = monitor();
  expect(ask("info")).toContain("vCPU 1: asleep, 4 instructions in 1 turn, 2 turns given away, waited 3.000 s\n");
});

test("cont and quit end it, anything else is unknown", () => {
  const { ask, ended } = monitor();
  expect(ask("dance with me")).toContain("unknown: dance;");
  ask("cont");
  ask("quit");
  expect(ended).toEqual(["continue", "quit"]);
});

test("a crash shows the crashed vCPU's registers and where the others are", () => {
  const text = formatCrash(monitor().vcpus, 0);
  expect(text).toMatch(/^vCPU 0: .*\nrax=/);
  expect(text).toMatch(/\nvCPU 1: rip=000000000000abcd halted\n$/);
});
