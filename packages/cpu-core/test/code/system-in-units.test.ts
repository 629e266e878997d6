/** System and string instructions inside translations against the interpreter: modes, interrupts, device accesses and counts under random budgets. */
import { expect, it } from "vitest";
import { Random } from "../../src/reference/values.js";
import { Bench, CODE, HANDLERS } from "../system/bench.js";

const NAMES = ["rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", "rip", "rflags"] as const;
const ROUNDS = 200;
const EAGER = { engine: "jit", translation: { heat: 2, leastRuns: 1, leaps: 3, synchronous: true } } as const;

/**
 * One round: flags to and fro, and by POP to memory (once relative to the stack pointer), STI and its shadow, a port, INT, strings short and
 * longer than a slice, segments, the clock; then each flag that POPF can change by itself: DF, AC, ID, NT, IOPL, IF.
 */
const ROUND = `9c 9d 9c 8f042500000600 ff342500000600 8f4424f0 ff7424f0 58 fb ffc3 fa e460 01c6 cd80 fb b940000000 bf00000500 f3aa
  b900100100 bf00000500 f3aa 8cd8 8ed8 0f31 01c6 b900010000 be00000500 bf80000500 f3a4 fb b9ff000000 bf00000500 b0ff f2ae e661
  fa ${["000400", "000400", "040000", "040000", "200000", "0008d5", "004000", "004000", "003000", "003000", "000200", "000200"]
    .map((bits) => `9c 813424${bits.match(/../g)!.reverse().join("")}00 9d`)
    .join(" ")} 0fa0 0fa8 58 58 fd fc fb`;

async function machine(mode: "long" | "protected", options: Parameters<typeof Bench.create>[1]): Promise<{ bench: Bench; log: unknown[] }> {
  const bench = await Bench.create(undefined, options);
  const log: unknown[] = [];
  bench.start(mode);
  const iret = mode === "long" ? "48cf" : "cf";
  for (const vector of [0x40, 0x80]) bench.code(HANDLERS + vector * 16, `8d52${vector === 0x40 ? "01" : "10"} ${iret}`);
  const body = ROUND.replaceAll(/\s/g, "");
  const back = (-(body.length / 2 + 8) >>> 0).toString(16).padStart(8, "0").match(/../g)!.reverse().join("");
  bench.code(CODE, `bd${ROUNDS.toString(16).padStart(2, "0")}000000 ${body} ffcd 0f85${back} f4`);
  bench.readPort = (port) => {
    log.push([port, bench.vcpu.retired]);
    if (log.length % 5 === 0) {
      bench.vectors.push(0x40);
      bench.vcpu.setInterruptRequest(true);
    }
    return log.length & 0xff;
  };
  return { bench, log };
}

for (const mode of ["long", "protected"] as const)
  it(`they do what the interpreter does: ${mode} mode`, { timeout: 120_000 }, async () => {
    const interpreter = await machine(mode, { engine: "interp" });
    const translated = await machine(mode, EAGER);
    const random = new Random(41);
    const state = ({ bench, log }: typeof translated): unknown => ({
      registers: NAMES.map((name) => bench.get(name)),
      retired: bench.vcpu.retired,
      halted: bench.vcpu.halted,
      asked: log.length,
    });
    for (let runs = 0; !interpreter.bench.vcpu.halted && runs < 20_000; runs++) {
      const budget = 1 + random.below(random.below(3) === 0 ? 400 : 20);
      interpreter.bench.vcpu.run(budget);
      translated.bench.vcpu.run(budget);
      expect(state(translated)).toEqual(state(interpreter));
    }
    expect(translated.bench.vcpu.halted).toBe(true);
    expect(translated.log).toEqual(interpreter.log);
    expect(translated.bench.pio).toEqual(interpreter.bench.pio);
    expect(translated.log.length).toBe(ROUNDS);
    expect(translated.bench.core.stats()["tiers.jit.instructions"]).toBeGreaterThan(ROUNDS * 10);
  });
