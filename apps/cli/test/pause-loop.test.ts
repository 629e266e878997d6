// A guest that waits a millisecond at a time as Linux' delay_tsc does, RDTSC and PAUSE until it is over: whether the thread sleeps, and how late it is.
import { native } from "@paravane/backend-native";
import { cpuCore } from "@paravane/cpu-core";
import { pcBoard } from "@paravane/devices/board";
import { createMachine, type MachineStats, type RunResult } from "@paravane/vmm";
import { expect, test } from "vitest";

const DELAY_NS = 1_000_000;
const UNIT_NS = 4096;
/** The longest sleep that a guest sees. */
const MAX_NAP_NS = 150_000;
const LOAD = 0x100000;
const words = (...values: number[]): number[] => [...new Uint8Array(Uint32Array.from(values).buffer)];

/** A multiboot kernel with its addresses in the header: waits `delays` times, and tells the exit port by how much too long on average, in UNIT_NS. */
function waitingKernel(delays: number): Uint8Array {
  const code = [
    ...[0xbf, ...words(delays), 0x31, 0xdb], //       mov edi, delays; xor ebx, ebx
    ...[0x0f, 0x31, 0x89, 0xc6], //             wait: rdtsc; mov esi, eax
    ...[0xf3, 0x90, 0x0f, 0x31, 0x29, 0xf0], // spin: pause; rdtsc; sub eax, esi
    ...[0x3d, ...words(DELAY_NS), 0x72, 0xf3], //     cmp eax, DELAY_NS; jb spin
    ...[0x2d, ...words(DELAY_NS), 0x01, 0xc3], //     sub eax, DELAY_NS; add ebx, eax
    ...[0x4f, 0x75, 0xe5], //                         dec edi; jnz wait
    ...[0xb8, ...words(delays)], //                   mov eax, delays
    ...[0x93, 0x31, 0xd2, 0xb9, ...words(delays * UNIT_NS), 0xf7, 0xf1], // xchg eax, ebx; xor edx, edx; mov ecx, ...; div ecx
    ...[0xe6, 0xf4, 0xf4], //                         out 0xf4, al; hlt
  ];
  const flags = 0x10000;
  const end = LOAD + 32 + code.length;
  const header = words(0x1badb002, flags, -(0x1badb002 + flags), LOAD, LOAD, end, end, LOAD + 32);
  return Uint8Array.from([...header, ...code]);
}

async function run(clock: "host" | "icount", delays: number): Promise<{ result: RunResult; stats: MachineStats }> {
  const guest = { kernel: waitingKernel(delays) };
  const machine = await createMachine({ core: cpuCore, board: pcBoard, backends: [native], guest, memory: "8M", clock, exitPort: 0xf4 });
  try {
    const result = await machine.run();
    return { result, stats: machine.stats() };
  } finally {
    await machine.close();
  }
}

test("delays of a millisecond let the host's thread sleep, and are late by a sleep at most", async () => {
  const { result, stats } = await run("host", 300);
  if (result.kind !== "exit") throw new Error(result.detail);
  expect((result.status >> 1) * UNIT_NS).toBeLessThan(MAX_NAP_NS); // the port's status is 2 x + 1
  expect(stats.naps).toBeGreaterThan(20);
  expect(stats.napMs).toBeGreaterThan(0.09 * stats.naps);
});

test("by the count of instructions nothing sleeps, and each run is the same", async () => {
  const [one, two] = [await run("icount", 10), await run("icount", 10)];
  expect([one.stats.naps, one.stats.endings.yield, one.stats.napMs]).toEqual([0, 0, 0]);
  expect(one.stats.guestNs).toBeGreaterThan(10 * DELAY_NS);
  expect([two.stats.instructions, two.result]).toEqual([one.stats.instructions, one.result]);
});
