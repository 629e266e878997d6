// What verification (src/verify) needs of the engine: the interpreter without translations, interrupts and deliveries, and what the notes
// of stores that src/verify/log-stores.ts adds are good for. A note: the kept bytes, padded to 8; u32 address; u32 size.
import { COUNT, EXIT, FAULT, HALTED, MODE_PLAIN, RETIRED } from "../src/layout";
import { step } from "./run";

/** Interprets `count` instructions; stops early where one faults, halts or exits. Nothing is delivered. */
export function runPlain(cpu: usize, count: i64): void {
  const rest = load<i64>(cpu, COUNT) - count;
  store<i64>(cpu, count, COUNT);
  store<u64>(cpu, load<u64>(cpu, RETIRED) - <u64>rest, RETIRED);
  while (load<i64>(cpu, COUNT) > 0 && load<i32>(cpu, FAULT) < 0 && !(load<u32>(cpu, HALTED) | load<u32>(cpu, EXIT))) step(cpu, MODE_PLAIN);
  store<u64>(cpu, load<u64>(cpu, RETIRED) + <u64>rest, RETIRED);
  store<i64>(cpu, load<i64>(cpu, COUNT) + rest, COUNT);
}

// @ts-ignore: decorator
@inline
function noteBefore(end: usize): usize {
  return end - 8 - <usize>((load<u32>(end - 4) + 7) & ~7);
}
// @ts-ignore: decorator
@inline
function inside(end: usize, low: u32, high: u32): bool {
  const at = load<u32>(end - 8);
  return at >= low && at < high;
}

/** Puts back, from the last to the first, what the notes in [from, to) keep of memory in [low, high). */
export function logRestore(from: usize, to: usize, low: u32, high: u32): void {
  while (to > from) {
    const kept = noteBefore(to);
    if (inside(to, low, high)) memory.copy(load<u32>(to - 8), kept, load<u32>(to - 4));
    to = kept;
  }
}

/** Notes at `out` what lies now where the notes in [from, to) say, as far as it is in [low, high); returns the end of the new ones. */
export function logCapture(from: usize, to: usize, out: usize, low: u32, high: u32): usize {
  while (to > from) {
    const kept = noteBefore(to);
    if (inside(to, low, high)) {
      const at = load<u32>(to - 8);
      const size = load<u32>(to - 4);
      memory.copy(out, at, size);
      out += <usize>((size + 7) & ~7);
      store<u32>(out, at);
      store<u32>(out, size, 4);
      out += 8;
    }
    to = kept;
  }
  return out;
}

/** End of the last note in [from, to) whose bytes are not those in memory; 0 when all are. */
export function logDiffers(from: usize, to: usize): usize {
  while (to > from) {
    const kept = noteBefore(to);
    if (memory.compare(kept, load<u32>(to - 8), load<u32>(to - 4)) != 0) return to;
    to = kept;
  }
  return 0;
}
