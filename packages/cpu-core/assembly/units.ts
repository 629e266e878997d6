// Translated regions ("units"): WebAssembly functions made at run time, in the engine's table. They run between two blocks of the interpreter,
// with all state in memory before and after.
import {
  BLOCK_STALE, COUNT, CTX, DEBUG_PENDING, EFLAGS, EVENT, EXIT, EXIT_ARG, FAULT, FAULT_INTERCEPT, FETCH_WATCH, FLAG_KIND, HALTED, H_MODE, H_STATE, H_UNIT, H_UNIT_DELTA, INTERRUPT_WINDOW, INTR,
  JUMP_DELTA, JUMP_TAG, JUMP_UNIT, MODE, NMI, RESTART, RIP, SHADOW, STOP, TLB, TLB_ADDEND, TLB_ENTRIES, TLB_SHIFT, TLB_X, UNIT_APART, UNIT_GO,
  UNIT_INSTRUCTIONS_PTR, UNIT_LEAPS_PTR, UNIT_LEAPS_START_PTR, UNIT_LOOK, UNIT_LOOKS_PTR, UNIT_MISSES_PTR, UNIT_MODES, UNIT_MODE_SHIFT, UNIT_RUNS_PTR,
  UNIT_SHIFT, UNIT_SIDE, UNIT_SIDES_PTR, WATCH,
} from "../src/layout";
import { codeFind } from "./code-cache";
import { RF, TF } from "./flags";
import { settleFlags } from "./generated/interpreter";
import { interruptReady } from "./hypervisor/delivery";
import { hostApart, hostGrow } from "./imports";
import { jumpNote, jumpOf, jumpTag } from "./jumps";
import { fetchPtr } from "./memory/access";
import { intercepted } from "./run";

// @ts-ignore: decorator
@inline
function countUp(counter: usize, by: u64): void {
  store<u64>(counter, load<u64>(counter) + by);
}

/** Counts a leap from one unit to another; of every so many the host is told one. */
// @ts-ignore: decorator
@inline
function leap(cpu: usize, from: u32, fromBase: u64, to: u32): void {
  const left = load<u32>(UNIT_LEAPS_PTR) - 1;
  store<u32>(UNIT_LEAPS_PTR, left);
  if (left == 0) {
    store<u32>(UNIT_LEAPS_PTR, load<u32>(UNIT_LEAPS_START_PTR));
    store<u64>(cpu, fromBase, EXIT_ARG);
    hostGrow(cpu, from, to);
  }
}

/** Host address of the code at `linear`, or 0: then the interpreter looks again and raises what there is to raise. */
// @ts-ignore: decorator
@inline
function codeAt(cpu: usize, linear: u64): usize {
  const entry: usize = <usize>load<u32>(cpu, TLB) + ((<usize>(linear >> 12) & (TLB_ENTRIES - 1)) << TLB_SHIFT);
  if (load<u64>(entry, TLB_X) == ((linear & ~0xfff) ^ load<u64>(cpu, CTX))) return <usize>load<u32>(entry, TLB_ADDEND) + <usize>linear;
  if (load<i64>(cpu, COUNT) <= 0) return 0; // what comes next is not asked for yet, nor its page's accessed flag
  const host = fetchPtr(cpu, linear);
  if (!host) store<i32>(cpu, -1, FAULT);
  return host;
}

/** Where the next unit is, found by address: its H_UNIT, or 0; `foundDelta` is its H_UNIT_DELTA. */
let foundDelta: i32 = 0;
/** After a search in vain: the header of the block at the address, which has no translation, or 0. */
export let missed: usize = 0;

function findUnit(cpu: usize, mode: u32, linear: u64): u32 {
  missed = 0;
  let header = notedBlock(cpu, mode, linear);
  const noted = header != 0;
  if (!noted) {
    const host = codeAt(cpu, linear);
    if (!host) return 0;
    header = codeFind(host, mode);
    if (!header) return 0;
  }
  const unit = load<u32>(header, H_UNIT);
  if (!unit) {
    missed = header;
    if (!noted) jumpNote(cpu, linear, 0, <i32>header);
    return 0;
  }
  foundDelta = load<i32>(header, H_UNIT_DELTA);
  jumpNote(cpu, linear, unit, foundDelta);
  return unit;
}

/** The block at `linear`, if the jump cache knows it as one that had no translation. */
// @ts-ignore: decorator
@inline
function notedBlock(cpu: usize, mode: u32, linear: u64): usize {
  const jump = jumpOf(cpu, linear);
  if (load<u64>(jump, JUMP_TAG) != jumpTag(cpu, linear) || load<u32>(jump, JUMP_UNIT)) return 0;
  const header: usize = load<u32>(jump, JUMP_DELTA);
  return load<u32>(header, H_MODE) == mode && !(load<u32>(header, H_STATE) & BLOCK_STALE) ? header : 0;
}

/** Where the next unit is after an instruction that may have changed the mode; as findUnit. */
// @ts-ignore: decorator
@inline
function findUnitInMode(cpu: usize, mode: u32, linear: u64): u32 {
  const jump = jumpOf(cpu, linear);
  const unit = load<u32>(jump, JUMP_UNIT);
  if (load<u64>(jump, JUMP_TAG) != jumpTag(cpu, linear) || load<u32>(UNIT_MODES + <usize>(unit >>> UNIT_MODE_SHIFT << 2)) != mode)
    return findUnit(cpu, mode, linear);
  foundDelta = load<i32>(jump, JUMP_DELTA);
  return unit;
}

/** Has the run loop nothing to do before the next instruction, and may that be any block's? */
function undisturbed(cpu: usize): bool {
  if (load<i32>(cpu, FAULT) >= 0) return false;
  const flags = load<u32>(cpu, EFLAGS);
  const asked = load<u32>(cpu, HALTED) | load<u32>(cpu, EXIT) | load<u32>(cpu, STOP) | load<u32>(cpu, INTERRUPT_WINDOW);
  const waiting = load<u32>(cpu, NMI) | load<u32>(cpu, DEBUG_PENDING) | load<u32>(cpu, EVENT) | <u32>(load<u32>(cpu, INTR) && interruptReady(cpu));
  const alone = load<u32>(cpu, SHADOW) | (flags & (TF | RF)) | load<u32>(cpu, FETCH_WATCH) | load<u32>(cpu, WATCH);
  return !(asked | waiting | alone);
}

/**
 * Runs the unit of block `header`, and those that follow, until one of them leaves to the interpreter or the run loop: UNIT_*. System
 * instructions may lead to units of other modes; when it leaves in another mode than `mode`, that is for the run loop.
 */
export function runUnits(cpu: usize, mode: u32, header: usize): i32 {
  const begun = mode;
  const before = load<u64>(cpu, COUNT);
  let left: i32;
  let unit = load<u32>(header, H_UNIT);
  let base = load<u64>(cpu, RIP) - <u64><i64>load<i32>(header, H_UNIT_DELTA);
  let runs: u64 = 0;
  while (true) {
    runs++;
    left = call_indirect<i32>((unit >>> UNIT_SHIFT) & 0xffff, cpu, unit & 0xff, base);
    if (left != UNIT_GO) {
      if (left == UNIT_APART) {
        store<u64>(cpu, base, EXIT_ARG);
        hostApart(cpu, unit);
        left = UNIT_SIDE;
      }
      if (left == UNIT_LOOK && load<i32>(cpu, FAULT) == FAULT_INTERCEPT) {
        if (load<u32>(cpu, FLAG_KIND)) settleFlags(cpu);
        intercepted(cpu);
        // An interrupt that waits for the guest's own mask is for the run loop to watch.
        if (load<u32>(cpu, INTR)) {
          countUp(UNIT_LOOKS_PTR, 1);
          break;
        }
      }
      if (left == UNIT_SIDE || !undisturbed(cpu)) {
        countUp(left == UNIT_SIDE ? UNIT_SIDES_PTR : UNIT_LOOKS_PTR, 1);
        break;
      }
      store<u32>(cpu, 0, RESTART);
      mode = load<u32>(cpu, MODE);
      const linear = load<u64>(cpu, RIP);
      unit = findUnitInMode(cpu, mode, linear);
      base = linear - <u64><i64>foundDelta;
      if (unit) continue;
      left = UNIT_GO;
      countUp(UNIT_MISSES_PTR, 1);
      break;
    }
    const linear = load<u64>(cpu, RIP);
    const jump = jumpOf(cpu, linear);
    let next: u32 = 0;
    let delta: i32 = 0;
    if (load<u64>(jump, JUMP_TAG) == jumpTag(cpu, linear)) {
      next = load<u32>(jump, JUMP_UNIT);
      delta = load<i32>(jump, JUMP_DELTA);
    }
    if (next >>> UNIT_MODE_SHIFT != unit >>> UNIT_MODE_SHIFT) {
      next = findUnit(cpu, mode, linear);
      if (!next) {
        countUp(UNIT_MISSES_PTR, 1);
        break;
      }
      delta = foundDelta;
    }
    leap(cpu, unit, base, next);
    unit = next;
    base = linear - <u64><i64>delta;
  }
  if (load<u32>(cpu, FLAG_KIND)) settleFlags(cpu);
  if (mode != begun) left = UNIT_LOOK;
  countUp(UNIT_RUNS_PTR, runs);
  countUp(UNIT_INSTRUCTIONS_PTR, before - load<u64>(cpu, COUNT));
  return left;
}
