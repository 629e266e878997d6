// What verification (src/verify) needs of the engine: the interpreter without translations, interrupts and deliveries; what the notes of
// stores that src/verify/log-stores.ts adds are good for; and what comes before, between and behind the two runs of a comparison.
// A note: the kept bytes, padded to 8; u32 address; u32 size. A vCPU's state is kept as a whole, since it is written all the time.
import {
  COUNT, EFLAGS, EXIT, FAULT, FAULT_ERROR, FAULT_HAS_ERROR, FLAG_KIND, HALTED, MODE, MODE_PLAIN, RESTART, RETIRED, SHADOW, STATE_BYTES, STORE_LOG_PTR,
  STORE_SILENT_PTR, APART_WHY, UNIT_LOOK, VERIFY_BEFORE_PTR, VERIFY_CALLS_PTR, VERIFY_COMPARED_PTR, VERIFY_EVERY_PTR, VERIFY_FIRST_PTR, VERIFY_HIGH_PTR,
  VERIFY_INTERPRETER, VERIFY_LOG_PTR, VERIFY_LOW_PTR, VERIFY_MASK_PTR, VERIFY_MOST_PTR, VERIFY_PHASE_PTR, VERIFY_RESULTS_PTR, VERIFY_RETIRED_PTR,
  VERIFY_RUNS_PTR, VERIFY_STORED_PTR, VERIFY_TRANSLATED_PTR, VERIFY_UNIT,
} from "../src/layout";
import { getFlags } from "./flags";
import { settleFlags } from "./generated/interpreter";
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
// @ts-ignore: decorator
@inline
function copyBytes(to: usize, from: usize, size: u32): void {
  if (size == 8) store<u64>(to, load<u64>(from));
  else if (size == 4) store<u32>(to, load<u32>(from));
  else if (size == 1) store<u8>(to, load<u8>(from));
  else memory.copy(to, from, size);
}
// @ts-ignore: decorator
@inline
function bytesDiffer(one: usize, other: usize, size: u32): bool {
  if (size == 8) return load<u64>(one) != load<u64>(other);
  if (size == 4) return load<u32>(one) != load<u32>(other);
  if (size == 1) return load<u8>(one) != load<u8>(other);
  return memory.compare(one, other, size) != 0;
}

/** Puts back, from the last to the first, what the notes in [from, to) keep of memory in [low, high). */
export function logRestore(from: usize, to: usize, low: u32, high: u32): void {
  while (to > from) {
    const kept = noteBefore(to);
    if (inside(to, low, high)) copyBytes(load<u32>(to - 8), kept, load<u32>(to - 4));
    to = kept;
  }
}

/** Notes at `out`, from the last to the first, what lies now where the notes in [from, to) say, as far as it is in [low, high); returns their end. */
export function logCapture(from: usize, to: usize, out: usize, low: u32, high: u32): usize {
  while (to > from) {
    const kept = noteBefore(to);
    if (inside(to, low, high)) {
      const at = load<u32>(to - 8);
      const size = load<u32>(to - 4);
      copyBytes(out, at, size);
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
    if (bytesDiffer(kept, load<u32>(to - 8), load<u32>(to - 4))) return to;
    to = kept;
  }
  return 0;
}

/** Do the notes in [from, to) and in [otherFrom, otherTo) tell of the same stores to [low, high), in the same order? */
function sameStores(from: usize, to: usize, otherFrom: usize, otherTo: usize, low: u32, high: u32): bool {
  while (true) {
    while (to > from && !inside(to, low, high)) to = noteBefore(to);
    while (otherTo > otherFrom && !inside(otherTo, low, high)) otherTo = noteBefore(otherTo);
    if (to <= from || otherTo <= otherFrom) return to <= from && otherTo <= otherFrom;
    if (load<u64>(to - 8) != load<u64>(otherTo - 8)) return false; // address and size
    to = noteBefore(to);
    otherTo = noteBefore(otherTo);
  }
}

/** Does memory differ, by the unit's and the interpreter's notes? It is as the interpreter has left it, before and after. */
function memoryDiffers(start: usize, stored: usize, results: usize, end: usize): bool {
  if (logDiffers(stored, results)) return true;
  const low = load<u32>(VERIFY_LOW_PTR);
  const high = load<u32>(VERIFY_HIGH_PTR);
  if (sameStores(start, stored, results, end, low, high)) return false;
  const own = logCapture(results, end, end, low, high);
  // Memory as the unit left it, for what only the interpreter has written; and back.
  logRestore(results, end, low, high);
  logRestore(stored, results, low, high);
  const differs = logDiffers(end, own) != 0;
  logRestore(start, stored, low, high);
  logRestore(end, own, low, high);
  return differs;
}

/** Do the words of two states differ that the mask names? */
function stateDiffers(one: usize, other: usize): bool {
  const mask: usize = load<u32>(VERIFY_MASK_PTR);
  let found = i64x2.splat(0);
  for (let at: usize = 0; at < <usize>STATE_BYTES; at += 32) {
    found = v128.or(found, v128.and(v128.xor(v128.load(one + at), v128.load(other + at)), v128.load(mask + at)));
    found = v128.or(found, v128.and(v128.xor(v128.load(one + at, 16), v128.load(other + at, 16)), v128.load(mask + at, 16)));
  }
  return v128.any_true(found);
}

/** Takes what is more than one comparison's instructions away from those of the run, or gives it back; what is retired stays right. */
// @ts-ignore: decorator
@inline
function spare(cpu: usize, instructions: i64): void {
  store<i64>(cpu, load<i64>(cpu, COUNT) - instructions, COUNT);
  store<i64>(cpu, load<i64>(cpu, RETIRED) - instructions, RETIRED);
}
// @ts-ignore: decorator
@inline
function spared(): i64 {
  return max<i64>(load<i64>(load<u32>(VERIFY_BEFORE_PTR), COUNT) - <i64>load<u32>(VERIFY_MOST_PTR), 0);
}

/** A unit is about to run for the `run`-th time (from 0): is it compared? Then its stores are noted from here on. */
export function verifyBegin(cpu: usize, run: u32): bool {
  store<u64>(VERIFY_RUNS_PTR, load<u64>(VERIFY_RUNS_PTR) + 1);
  if (run >= load<u32>(VERIFY_FIRST_PTR) && run % load<u32>(VERIFY_EVERY_PTR) != 0) return false;
  store<u64>(VERIFY_COMPARED_PTR, load<u64>(VERIFY_COMPARED_PTR) + 1);
  memory.copy(load<u32>(VERIFY_BEFORE_PTR), cpu, STATE_BYTES);
  spare(cpu, spared());
  store<u32>(STORE_SILENT_PTR, <u32>cpu);
  store<u32>(STORE_LOG_PTR, load<u32>(VERIFY_LOG_PTR));
  store<u32>(VERIFY_PHASE_PTR, VERIFY_UNIT);
  store<u32>(VERIFY_CALLS_PTR, 0);
  return true;
}

/** The unit has run: keeps what it did and takes it back. Returns how many instructions the interpreter is to do. */
export function verifyAgain(cpu: usize): i64 {
  const before: usize = load<u32>(VERIFY_BEFORE_PTR);
  const translated: usize = load<u32>(VERIFY_TRANSLATED_PTR);
  const start: usize = load<u32>(VERIFY_LOG_PTR);
  const stored: usize = load<u32>(STORE_LOG_PTR);
  if (load<u32>(cpu, FLAG_KIND)) settleFlags(cpu);
  const retired = load<i64>(before, COUNT) - spared() - load<i64>(cpu, COUNT);
  memory.copy(translated, cpu, STATE_BYTES);
  store<u32>(translated, getFlags(cpu), EFLAGS);
  const results = logCapture(start, stored, stored, load<u32>(VERIFY_LOW_PTR), load<u32>(VERIFY_HIGH_PTR));
  logRestore(start, stored, 0, u32.MAX_VALUE);
  memory.copy(cpu, before, STATE_BYTES);
  spare(cpu, spared());
  if (load<u32>(cpu, FLAG_KIND)) settleFlags(cpu);
  store<u32>(VERIFY_STORED_PTR, <u32>stored);
  store<u32>(VERIFY_RESULTS_PTR, <u32>results);
  store<i32>(VERIFY_RETIRED_PTR, <i32>retired);
  store<u32>(STORE_LOG_PTR, <u32>results);
  store<u32>(VERIFY_PHASE_PTR, VERIFY_INTERPRETER);
  // An instruction that faults is not retired, but must be tried.
  return load<i32>(translated, FAULT) >= 0 ? retired + 1 : retired;
}

/** The interpreter has done the same; memory and state are as it has left them. Is there a difference? `left` is what the unit returned. */
export function verifyDiffers(cpu: usize, left: i32): bool {
  const before: usize = load<u32>(VERIFY_BEFORE_PTR);
  const translated: usize = load<u32>(VERIFY_TRANSLATED_PTR);
  const done = load<i64>(before, COUNT) - spared() - load<i64>(cpu, COUNT);
  spare(cpu, -spared());
  const faulted = load<i32>(translated, FAULT) >= 0;
  if (done != <i64>load<i32>(VERIFY_RETIRED_PTR) || getFlags(cpu) != load<u32>(translated, EFLAGS) || stateDiffers(cpu, translated)) return true;
  if (faulted && (load<u32>(cpu, FAULT_ERROR) != load<u32>(translated, FAULT_ERROR) || load<u32>(cpu, FAULT_HAS_ERROR) != load<u32>(translated, FAULT_HAS_ERROR)))
    return true;
  // A way of leaving that hides what the run loop must see; calls of the host that only one of the two has made.
  if (left != UNIT_LOOK && (faulted || load<u32>(translated, MODE) != load<u32>(before, MODE))) return true;
  if (load<u32>(VERIFY_CALLS_PTR)) return true;
  if (memoryDiffers(load<u32>(VERIFY_LOG_PTR), load<u32>(VERIFY_STORED_PTR), load<u32>(VERIFY_RESULTS_PTR), load<u32>(STORE_LOG_PTR))) return true;
  store<u32>(cpu, load<u32>(translated, SHADOW), SHADOW);
  // Why the unit left, where it says: the translator goes by it.
  store<u32>(cpu, load<u32>(translated, APART_WHY), APART_WHY);
  // What a device asked for while the unit ran stays asked for.
  store<u32>(cpu, load<u32>(cpu, RESTART) | load<u32>(before, RESTART) | load<u32>(translated, RESTART), RESTART);
  return false;
}

/** Back to where the comparison began. */
export function verifyUndo(cpu: usize): void {
  logRestore(load<u32>(VERIFY_RESULTS_PTR), load<u32>(STORE_LOG_PTR), 0, u32.MAX_VALUE);
  memory.copy(cpu, load<u32>(VERIFY_BEFORE_PTR), STATE_BYTES);
}
