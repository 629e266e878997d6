// CMPXCHG8B and CMPXCHG16B. SDM Vol. 2A; the destination is written in either case.
import { FR, FV, GPR } from "../src/layout";
import { ZF, setStatus, statusOf } from "./flags";

const RAX = GPR, RCX = GPR + 8, RDX = GPR + 16, RBX = GPR + 24;

function setZero(cpu: usize, equal: bool): void {
  const status = statusOf(load<i64>(cpu, FR), load<i64>(cpu, FV));
  setStatus(cpu, equal ? status | ZF : status & ~ZF);
}

/** `at`: 8 bytes, readable and writable. */
export function cmpxchg8b(cpu: usize, at: usize): void {
  const value = load<u64>(at);
  const expected = <u64>load<u32>(cpu, RAX) | (<u64>load<u32>(cpu, RDX) << 32);
  if (value == expected) store<u64>(at, <u64>load<u32>(cpu, RBX) | (<u64>load<u32>(cpu, RCX) << 32));
  else {
    store<u64>(cpu, value & 0xffffffff, RAX);
    store<u64>(cpu, value >> 32, RDX);
  }
  setZero(cpu, value == expected);
}

/** `at`: 16 bytes, aligned. */
export function cmpxchg16b(cpu: usize, at: usize): void {
  const low = load<u64>(at);
  const high = load<u64>(at, 8);
  const equal = low == load<u64>(cpu, RAX) && high == load<u64>(cpu, RDX);
  if (equal) {
    store<u64>(at, load<u64>(cpu, RBX));
    store<u64>(at, load<u64>(cpu, RCX), 8);
  } else {
    store<u64>(cpu, low, RAX);
    store<u64>(cpu, high, RDX);
  }
  setZero(cpu, equal);
}
