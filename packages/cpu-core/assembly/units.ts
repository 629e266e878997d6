// Translated regions ("units"): WebAssembly functions made at run time, in the engine's table. They run between two blocks of the interpreter,
// with all state in memory before and after.
import {
  COUNT, CTX, H_UNIT, H_UNIT_DELTA, RIP, TLB, TLB_ADDEND, TLB_ENTRIES, TLB_SHIFT, TLB_X, UNIT_GO, UNIT_INSTRUCTIONS_PTR, UNIT_LOOKS_PTR, UNIT_MISSES_PTR,
  UNIT_RUNS_PTR, UNIT_SIDE, UNIT_SIDES_PTR,
} from "../src/layout";
import { codeFind } from "./code-cache";

// @ts-ignore: decorator
@inline
function countUp(counter: usize, by: u64): void {
  store<u64>(counter, load<u64>(counter) + by);
}

/** Runs the unit of block `header`, and those that follow, until one of them leaves to the interpreter or the run loop: UNIT_*. */
export function runUnits(cpu: usize, mode: u32, header: usize): i32 {
  const before = load<u64>(cpu, COUNT);
  let left: i32;
  while (true) {
    const unit = load<u32>(header, H_UNIT);
    const base = load<u64>(cpu, RIP) - <u64><i64>load<i32>(header, H_UNIT_DELTA);
    countUp(UNIT_RUNS_PTR, 1);
    left = call_indirect<i32>(unit >>> 8, cpu, unit & 0xff, base);
    if (left != UNIT_GO) {
      countUp(left == UNIT_SIDE ? UNIT_SIDES_PTR : UNIT_LOOKS_PTR, 1);
      break;
    }
    const linear = load<u64>(cpu, RIP);
    const entry: usize = <usize>load<u32>(cpu, TLB) + ((<usize>(linear >> 12) & (TLB_ENTRIES - 1)) << TLB_SHIFT);
    if (load<u64>(entry, TLB_X) == ((linear & ~0xfff) ^ load<u64>(cpu, CTX))) {
      header = codeFind(<usize>load<u32>(entry, TLB_ADDEND) + <usize>linear, mode);
      if (header && load<u32>(header, H_UNIT)) continue;
    }
    countUp(UNIT_MISSES_PTR, 1);
    break;
  }
  countUp(UNIT_INSTRUCTIONS_PTR, before - load<u64>(cpu, COUNT));
  return left;
}
