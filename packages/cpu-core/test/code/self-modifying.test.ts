/** Random programs that overwrite themselves: run at one stretch, where blocks are long and linked, and one instruction at a time. */
import { expect, it } from "vitest";
import { Random } from "../../src/reference/values.js";
import { Bench, CODE } from "../system/bench.js";

const PROGRAMS = 400,
  BYTES = 160,
  STEPS = 400;
const le32 = (value: number): number[] => [0, 8, 16, 24].map((shift) => (value >>> shift) & 0xff);

/** Arithmetic, jumps within the program, and stores of bytes into it, most of them harmless opcodes. */
function program(random: Random): number[] {
  const out: number[] = [];
  const target = (): number[] => le32(CODE + random.below(BYTES));
  const harmless = [0x90, 0xf8, 0xf9, 0x50, 0x58, 0x98, 0x00, 0x01, 0x40, 0x66, 0xc0];
  const pieces: (() => number[])[] = [
    () => [0xc6, 0x04, 0x25, ...target(), harmless[random.below(harmless.length)]!],
    () => [0x88, 0x1c, 0x25, ...target()], // mov [target], bl
    () => [0x00, 0x04, 0x25, ...target()], // add [target], al
    () => [0x01, 0xd8], // add eax, ebx
    () => [0x48, 0x31, 0xc3], // xor rbx, rax
    () => [0xff, 0xc0 + random.below(4)], // inc
    () => [0xb8 + random.below(4), ...le32(random.next())],
    () => [0x70 + random.below(16), (random.below(80) - 40) & 0xff],
    () => [0x50, 0x5b], // push rax; pop rbx
    () => [0xe2, 0xf0 + random.below(16)], // loop
  ];
  while (out.length < BYTES - 8) out.push(...pieces[random.below(pieces.length)]!());
  return [...out, ...new Array<number>(BYTES - out.length).fill(0x90), 0xf4];
}

it("long blocks and single instructions see the same code", { timeout: 60_000 }, async () => {
  const bench = await Bench.create();
  const random = new Random(11);
  const dropped = bench.core.stats()["blocksDropped"]!;
  const names = ["rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", "rip", "rflags"] as const;
  for (let n = 0; n < PROGRAMS; n++) {
    const bytes = program(random);
    const run = (budgets: readonly number[]): unknown => {
      // What a program did to memory must not be there for its next run.
      bench.core.guestMemory.fill(0 as never, 0xa0000, 0);
      bench.core.guestMemory.fill(0xc0000 as never, bench.core.guestMemory.size - 0xc0000, 0);
      bench.start("long");
      bench.core.guestMemory.write(CODE as never, Uint8Array.from(bytes));
      for (const name of names.slice(0, 4)) bench.set(name, n);
      bench.set("rflags", 2);
      const before = bench.vcpu.retired;
      let last = "";
      for (const budget of budgets) last = bench.vcpu.run(budget);
      return {
        last,
        retired: bench.vcpu.retired - before,
        registers: names.map((name) => bench.vcpu.registers.get(name)),
        code: [...bench.core.guestMemory.view(CODE as never, BYTES)],
      };
    };
    const whole = run([STEPS]);
    expect(run(new Array<number>(STEPS).fill(1)), `program ${n}`).toEqual(whole);
    expect(run(new Array<number>(STEPS / 8).fill(8)), `program ${n}`).toEqual(whole);
  }
  expect(bench.core.stats()["blocksDropped"]! - dropped).toBeGreaterThan(PROGRAMS * 5);
});
