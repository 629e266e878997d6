// The run loop of one vCPU: interrupts and exceptions between blocks, single steps where one instruction must stand alone, and the budget.
import {
  COUNT, DEBUG_PENDING, EFLAGS, EXIT, EXIT_BUDGET, EXIT_HALT, EXIT_NONE, EXIT_SHUTDOWN, EXIT_STOP, FAULT, FETCH_WATCH, HALTED, MODE, MODE_SINGLE, RESTART, RETIRED, SHADOW, STOP, WATCH,
} from "../src/layout";
import { RF, TF } from "./flags";
import { BUDGET, LIMITED } from "./interp-exits";
import { interpret } from "./generated/interpreter";
import { afterInstruction, beforeInstruction, deliverException, pendingWork, takeInterrupt } from "./system/index";

const SHUT_DOWN: u32 = 3;

/**
 * Runs at most `budget` instructions of vCPU `cpu`; returns an EXIT_* reason. RETIRED - COUNT is the number of retired instructions at any
 * moment, since devices and the TSC ask for it in the middle of a run.
 */
export function run(cpu: usize, budget: u32): u32 {
  store<i64>(cpu, <i64>budget, COUNT);
  store<u64>(cpu, load<u64>(cpu, RETIRED) + <u64>budget, RETIRED);
  store<u32>(cpu, EXIT_NONE, EXIT);
  const reason = loop(cpu);
  store<u64>(cpu, load<u64>(cpu, RETIRED) - load<u64>(cpu, COUNT), RETIRED);
  store<i64>(cpu, 0, COUNT);
  return reason;
}

function loop(cpu: usize): u32 {
  while (true) {
    if (load<i32>(cpu, FAULT) >= 0) {
      deliverException(cpu);
      continue;
    }
    if (load<u32>(cpu, HALTED) == SHUT_DOWN) return EXIT_SHUTDOWN;
    // A debug trap that follows HLT wakes the processor before it has slept.
    if (load<u32>(cpu, EXIT) == EXIT_HALT && load<u32>(cpu, DEBUG_PENDING)) store<u32>(cpu, EXIT_NONE, EXIT);
    if (load<u32>(cpu, EXIT)) return load<u32>(cpu, EXIT);
    if (load<u32>(cpu, STOP)) {
      store<u32>(cpu, 0, STOP);
      return EXIT_STOP;
    }
    if (pendingWork(cpu)) {
      takeInterrupt(cpu);
      continue;
    }
    if (load<u32>(cpu, HALTED)) return EXIT_HALT;
    const left = load<i64>(cpu, COUNT);
    if (left <= 0) return EXIT_BUDGET;
    step(cpu, 0);
  }
}

/** Runs blocks until something has to be looked at, or one instruction where it must stand alone. `special` are bits for the mode key. */
// @ts-ignore: decorator
@inline
export function step(cpu: usize, special: u32): void {
  store<u32>(cpu, 0, RESTART);
  const shadow = load<u32>(cpu, SHADOW);
  const stepping = load<u32>(cpu, EFLAGS) & (TF | RF);
  if (shadow | stepping | load<u32>(cpu, FETCH_WATCH) | load<u32>(cpu, WATCH)) {
    const pending = load<u32>(cpu, DEBUG_PENDING);
    beforeInstruction(cpu);
    single(cpu, 1);
    if (shadow) store<u32>(cpu, load<u32>(cpu, SHADOW) & ~shadow, SHADOW);
    afterInstruction(cpu, (stepping & TF) != 0, pending);
  } else {
    const reason = interpret(cpu, load<u32>(cpu, MODE) | special);
    if (reason == BUDGET) single(cpu, load<i64>(cpu, COUNT));
    else if (reason == LIMITED && load<i64>(cpu, COUNT) > 0) single(cpu, 1);
  }
}

/** Runs `count` instructions, one to a block. */
function single(cpu: usize, count: i64): void {
  const rest = load<i64>(cpu, COUNT) - count;
  store<i64>(cpu, count, COUNT);
  store<u64>(cpu, load<u64>(cpu, RETIRED) - <u64>rest, RETIRED);
  const mode = load<u32>(cpu, MODE) | MODE_SINGLE;
  interpret(cpu, mode);
  store<u64>(cpu, load<u64>(cpu, RETIRED) + <u64>rest, RETIRED);
  store<i64>(cpu, load<i64>(cpu, COUNT) + rest, COUNT);
}
