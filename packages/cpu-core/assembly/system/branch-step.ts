// Single-stepping on branches, IA32_DEBUGCTL.BTF (SDM Vol. 3B §17.4.3): was the instruction that just ran a taken branch? Its bytes are
// looked at before it runs; a conditional branch to the instruction behind it counts as not taken.
import { CS, DEBUG_PENDING, FAULT, LIN_MASK, MODE, MODE_64, MODE_CS32, RIP, SEG_BASE } from "../../src/layout";
import { faulted } from "../fault";
import { rd8 } from "../memory/access";
import { segmentAt } from "./descriptor";

/** The instruction about to run: 0 none that branches, 1 always, 2 when it does not end at `behind`. */
let kind: u32 = 0;
let behind: u64 = 0;

function isLegacyPrefix(byte: u32): bool {
  return byte == 0x66 || byte == 0x67 || byte >= 0xf0 && byte <= 0xf3 && byte != 0xf1 || (byte & 0xe7) == 0x26 || byte == 0x64 || byte == 0x65;
}

function classify(cpu: usize): void {
  const mode = load<u32>(cpu, MODE);
  const mask = load<u64>(cpu, LIN_MASK);
  const start = load<u64>(segmentAt(cpu, CS), SEG_BASE) + load<u64>(cpu, RIP);
  let wide = (mode & (MODE_64 | MODE_CS32)) != 0;
  let at: u64 = 0;
  let byte = rd8(cpu, start & mask);
  while (!faulted(cpu) && at < 14 && (isLegacyPrefix(byte) || (mode & MODE_64 && (byte & 0xf0) == 0x40))) {
    if (byte == 0x66 && !(mode & MODE_64)) wide = !(mode & MODE_CS32);
    at++;
    byte = rd8(cpu, (start + at) & mask);
  }
  if (faulted(cpu)) return;
  let length: u64 = 2;
  if ((byte & 0xf0) == 0x70 || (byte & 0xfc) == 0xe0) kind = 2;
  else if (byte == 0x0f) {
    byte = rd8(cpu, (start + at + 1) & mask);
    if ((byte & 0xf0) == 0x80) kind = 2;
    else if (byte == 0x05 || byte == 0x07 || byte == 0x34 || byte == 0x35) kind = 1;
    length = wide ? 6 : 4;
  } else if (byte == 0xff) {
    const group = (rd8(cpu, (start + at + 1) & mask) >> 3) & 7;
    if (group >= 2 && group <= 5) kind = 1;
  } else if ((byte >= 0xe8 && byte <= 0xeb) || (byte & 0xf6) == 0xc2 || byte == 0xcf || byte == 0x9a) kind = 1;
  behind = (load<u64>(cpu, RIP) + at + length) & mask;
}

/** Before an instruction is stepped over under BTF. */
export function noteBranch(cpu: usize): void {
  const pending = load<u32>(cpu, DEBUG_PENDING);
  kind = 0;
  classify(cpu);
  // Reading the bytes is no access of the program's: neither faults nor data breakpoints come of it.
  store<i32>(cpu, -1, FAULT);
  store<u32>(cpu, pending, DEBUG_PENDING);
}

/** After it. */
export function branchTaken(cpu: usize): bool {
  return kind == 1 || (kind == 2 && load<u64>(cpu, RIP) != behind);
}
