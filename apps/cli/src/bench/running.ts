// A program of the loops suite on a core of its own, and how fast it has been, round by round.
import { setImmediate } from "node:timers/promises";
import type { Core, CoreDefinition } from "@paravane/paravirt-ops";
import { coreFor } from "./bare-core.js";
import { cpuSeconds } from "./cpu-clock.js";
import type { Program } from "./loop-programs.js";

const SLICE = 100_000;
/** V8 compiles the engine a second time, optimised, while it runs; a program counts from then on. */
const WARM_UP_SECONDS = 0.6;

/** A program at work. */
export class Running {
  readonly instructionRates: number[] = [];
  /** Rounds of the program's own loop per CPU second. */
  readonly roundRates: number[] = [];
  rounds = 0;

  private constructor(
    readonly program: Program,
    readonly core: Core,
  ) {}

  static async start(definition: CoreDefinition, program: Program): Promise<Running> {
    const running = new Running(program, await coreFor(definition, program));
    const until = cpuSeconds() + WARM_UP_SECONDS;
    while (cpuSeconds() < until) {
      for (let slice = 0; slice < 20; slice++) running.#slice();
      await setImmediate(); // translations arrive between two turns of the event loop
    }
    return running;
  }

  get blocksDecoded(): number {
    return this.core.stats()["blocksDecoded"]!;
  }

  /** Runs until `done` says so, asked with the program's rounds and the CPU seconds of this measurement. */
  measure(done: (rounds: number, seconds: number) => boolean): void {
    const vcpu = this.core.vcpus[0]!;
    const firstRound = vcpu.registers.get("r8");
    const firstInstruction = vcpu.retired;
    const started = cpuSeconds();
    let seconds: number;
    let rounds: number;
    do {
      for (let slice = 0; slice < 20; slice++) this.#slice();
      seconds = cpuSeconds() - started;
      rounds = Number(vcpu.registers.get("r8") - firstRound);
    } while (!done(rounds, seconds));
    this.instructionRates.push((vcpu.retired - firstInstruction) / seconds / 1e6);
    this.roundRates.push(rounds / seconds);
    this.rounds += rounds;
  }

  #slice(): void {
    const reason = this.core.vcpus[0]!.run(SLICE);
    if (reason !== "budget") throw new Error(`the program "${this.program.name}" ended with ${reason}`);
  }
}
