// The run loop of one vCPU: interrupts and exceptions between blocks, single steps where one instruction must stand alone, and the budget.
import {
  ANSWER_ARCHITECTURAL, ANSWER_FAULT, ANSWER_NEXT, COUNT, DEBUG_PENDING, EFLAGS, EVENT, EXIT, EXIT_BUDGET, EXIT_HALT, EXIT_NONE, EXIT_SHUTDOWN, EXIT_STOP,
  FAULT, FAULT_INTERCEPT, FAULT_PROTECTED, FETCH_WATCH, HALTED, INTERCEPT_UOP, INTERRUPT_WINDOW, INTR, LIN_MASK, MODE, MODE_SINGLE, RESTART, RETIRED, RIP, SHADOW, STEP_TF,
  STOP, U_LEN, WATCH,
} from "../src/layout";
import { RF, TF } from "./flags";
import { openInterruptWindow, watchMask } from "./hypervisor/delivery";
import { beginRehearsal, endRehearsal } from "./hypervisor/rehearsal";
import { hostIntercept } from "./imports";
import { BUDGET, LIMITED } from "./interp-exits";
import { interpret } from "./generated/interpreter";
import { afterInstruction, beforeInstruction, deliverException, pendingWork, takeInterrupt } from "./system/index";

const SHUT_DOWN: u32 = 3;
const DR6_BS: u32 = 0x4000;

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
      if (load<i32>(cpu, FAULT) == FAULT_INTERCEPT) intercepted(cpu);
      else if (load<i32>(cpu, FAULT) == FAULT_PROTECTED) {
        beginRehearsal(cpu);
        alone(cpu, load<u32>(cpu, MODE));
        endRehearsal(cpu);
      } else deliverException(cpu);
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
    if (load<u32>(cpu, INTERRUPT_WINDOW)) openInterruptWindow(cpu);
    if (pendingWork(cpu)) {
      // An event may be taken again and again until the backend clears the word: that must end with the budget.
      if (load<i64>(cpu, COUNT) <= 0 && load<u32>(cpu, EVENT)) return EXIT_BUDGET;
      takeInterrupt(cpu);
      continue;
    }
    if (load<u32>(cpu, HALTED)) return EXIT_HALT;
    if (load<u32>(cpu, EVENT) | load<u32>(cpu, INTR)) watchMask(cpu);
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
  const mode = load<u32>(cpu, MODE) | special;
  if (load<u32>(cpu, SHADOW) | (load<u32>(cpu, EFLAGS) & (TF | RF)) | load<u32>(cpu, FETCH_WATCH) | load<u32>(cpu, WATCH)) alone(cpu, mode);
  else {
    const reason = interpret(cpu, mode);
    if (reason == BUDGET) single(cpu, load<i64>(cpu, COUNT), mode);
    else if (reason == LIMITED && load<i64>(cpu, COUNT) > 0) single(cpu, 1, mode);
  }
}

/** Runs one instruction by itself under mode key `mode`, with what precedes and follows it. */
function alone(cpu: usize, mode: u32): void {
  const shadow = load<u32>(cpu, SHADOW);
  const stepping = load<u32>(cpu, EFLAGS) & TF;
  const pending = load<u32>(cpu, DEBUG_PENDING);
  beforeInstruction(cpu);
  single(cpu, 1, mode);
  if (shadow) store<u32>(cpu, load<u32>(cpu, SHADOW) & ~shadow, SHADOW);
  afterInstruction(cpu, stepping != 0, pending);
}

/** Runs `count` instructions, one to a block. */
function single(cpu: usize, count: i64, mode: u32): void {
  const rest = load<i64>(cpu, COUNT) - count;
  store<i64>(cpu, count, COUNT);
  store<u64>(cpu, load<u64>(cpu, RETIRED) - <u64>rest, RETIRED);
  interpret(cpu, mode | MODE_SINGLE);
  store<u64>(cpu, load<u64>(cpu, RETIRED) + <u64>rest, RETIRED);
  store<i64>(cpu, load<i64>(cpu, COUNT) + rest, COUNT);
}

/** An instruction that comes to the backend. Whatever it answers, that is one instruction. */
export function intercepted(cpu: usize): void {
  store<i32>(cpu, -1, FAULT);
  store<u32>(cpu, 0, STEP_TF);
  const u: usize = load<u32>(cpu, INTERCEPT_UOP);
  const length = <u64>load<u8>(u, U_LEN);
  const stepping = load<u32>(cpu, EFLAGS) & TF;
  const answer = hostIntercept(cpu, <u32>u);
  if (answer == ANSWER_FAULT) return;
  store<u32>(cpu, 0, RESTART);
  if (answer == ANSWER_ARCHITECTURAL) {
    alone(cpu, load<u32>(cpu, MODE) & 0xffff); // decoded without intercepts
    return;
  }
  store<i64>(cpu, load<i64>(cpu, COUNT) - 1, COUNT);
  if (answer != ANSWER_NEXT) return;
  store<u64>(cpu, (load<u64>(cpu, RIP) + length) & load<u64>(cpu, LIN_MASK), RIP);
  store<u32>(cpu, load<u32>(cpu, EFLAGS) & ~RF, EFLAGS);
  if (stepping) store<u32>(cpu, load<u32>(cpu, DEBUG_PENDING) | DR6_BS, DEBUG_PENDING);
}
