// Translated regions ("units"): WebAssembly functions made at run time, in the engine's table. They run between two blocks of the interpreter,
// with all state in memory before and after.
import {
  COUNT, CTX, H_UNIT, H_UNIT_DELTA, JUMP_DELTA, JUMP_TAG, JUMP_UNIT, RIP, TLB, TLB_ADDEND, TLB_ENTRIES, TLB_SHIFT, TLB_X, UNIT_GO, UNIT_INSTRUCTIONS_PTR,
  UNIT_LOOKS_PTR, UNIT_MISSES_PTR, UNIT_MODE_SHIFT, UNIT_RUNS_PTR, UNIT_SHIFT, UNIT_SIDE, UNIT_SIDES_PTR,
} from "../src/layout";
import { codeFind } from "./code-cache";
import { jumpNote, jumpOf, jumpTag } from "./jumps";

// @ts-ignore: decorator
@inline
function countUp(counter: usize, by: u64): void {
  store<u64>(counter, load<u64>(counter) + by);
}

/** Runs the unit of block `header`, and those that follow, until one of them leaves to the interpreter or the run loop: UNIT_*. */
export function runUnits(cpu: usize, mode: u32, header: usize): i32 {
  const before = load<u64>(cpu, COUNT);
  let left: i32;
  let linear = load<u64>(cpu, RIP);
  let unit = load<u32>(header, H_UNIT);
  let delta = load<i32>(header, H_UNIT_DELTA);
  const modeNumber = unit >>> UNIT_MODE_SHIFT;
  let runs: u64 = 0;
  while (true) {
    runs++;
    left = call_indirect<i32>((unit >>> UNIT_SHIFT) & 0xffff, cpu, unit & 0xff, linear - <u64><i64>delta);
    if (left != UNIT_GO) {
      countUp(left == UNIT_SIDE ? UNIT_SIDES_PTR : UNIT_LOOKS_PTR, 1);
      break;
    }
    linear = load<u64>(cpu, RIP);
    const jump = jumpOf(cpu, linear);
    if (load<u64>(jump, JUMP_TAG) == jumpTag(cpu, linear)) {
      unit = load<u32>(jump, JUMP_UNIT);
      delta = load<i32>(jump, JUMP_DELTA);
      if (unit >>> UNIT_MODE_SHIFT == modeNumber) continue;
    }
    const entry: usize = <usize>load<u32>(cpu, TLB) + ((<usize>(linear >> 12) & (TLB_ENTRIES - 1)) << TLB_SHIFT);
    if (load<u64>(entry, TLB_X) == ((linear & ~0xfff) ^ load<u64>(cpu, CTX))) {
      const next = codeFind(<usize>load<u32>(entry, TLB_ADDEND) + <usize>linear, mode);
      if (next) {
        unit = load<u32>(next, H_UNIT);
        if (unit) {
          delta = load<i32>(next, H_UNIT_DELTA);
          jumpNote(cpu, linear, unit, delta);
          continue;
        }
      }
    }
    countUp(UNIT_MISSES_PTR, 1);
    break;
  }
  countUp(UNIT_RUNS_PTR, runs);
  countUp(UNIT_INSTRUCTIONS_PTR, before - load<u64>(cpu, COUNT));
  return left;
}
