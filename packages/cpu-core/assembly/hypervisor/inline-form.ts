// Inline forms of operations: what a backend has said an instruction does instead, carried out without leaving for it. The operation is
// described by src/hypervisor/inline-forms.ts in the fields of the decoded operation that such instructions do not use.
import {
  AUX_OP16, AUX_OP64, EFLAGS, EVENT, FORM_FAULT, FORM_LOAD, FORM_NOP, FORM_PAIR, FORM_POP, FORM_PUSH, FORM_REGISTER, FORM_STORE_OPERAND, GPR, MEANING_FLAG,
  MEANING_MASK, MODE, MODE_64, RECORDS, RESTART, U_AUX, U_BASE, U_DISP, U_DST, U_IMM, U_INDEX, U_SCALE, U_SEG, U_SRC,
} from "../../src/layout";
import { faulted, raise, raiseError, raiseIntercept } from "../fault";
import { IF } from "../flags";
import { pushFlags, popFlags } from "../system/stack-instructions";
import { stackCurrent, stackPop } from "../system/stack";

const GO_ON: i32 = 0;
const ABANDON: i32 = 1;
const RESTARTED: i32 = 2;

/** Host address of field `offset` of the record in row `record`; 0 when this vCPU has none by that name. */
function fieldAt(cpu: usize, record: u32, offset: u32): usize {
  const base: usize = load<u32>(cpu + (<usize>record << 2), RECORDS);
  return base ? base + offset : 0;
}

function readField(at: usize, bits: u32): u64 {
  return bits == 8 ? <u64>load<u8>(at) : bits == 16 ? <u64>load<u16>(at) : bits == 32 ? <u64>load<u32>(at) : load<u64>(at);
}

function writeField(at: usize, bits: u32, value: u64): void {
  if (bits == 8) store<u8>(at, <u8>value);
  else if (bits == 16) store<u16>(at, <u16>value);
  else if (bits == 32) store<u32>(at, <u32>value);
  else store<u64>(at, value);
}

/** PUSHF with another interrupt flag. */
export function pushFlagsWith(cpu: usize, u: usize, flag: u32): void {
  const flags = load<u32>(cpu, EFLAGS);
  store<u32>(cpu, (flags & ~IF) | (flag & IF), EFLAGS);
  pushFlags(cpu, u);
  store<u32>(cpu, flags, EFLAGS);
}

/** POPF that leaves the interrupt flag alone; returns what was popped. */
export function popFlagsWithout(cpu: usize, u: usize): u32 {
  const aux = load<u32>(u, U_AUX);
  stackCurrent(cpu, 0);
  const value = <u32>stackPop(cpu, aux & AUX_OP64 ? 8 : aux & AUX_OP16 ? 2 : 4);
  if (faulted(cpu)) return 0;
  const flag = load<u32>(cpu, EFLAGS) & IF;
  popFlags(cpu, u);
  if (!faulted(cpu)) store<u32>(cpu, (load<u32>(cpu, EFLAGS) & ~IF) | flag, EFLAGS);
  return value;
}

function loadForm(cpu: usize, u: usize, at: usize, bits: u32, meaning: u32): void {
  let value = readField(at, bits);
  if (meaning == MEANING_FLAG) value = value ? <u64>IF : 0;
  else if (meaning == MEANING_MASK) value = value ? 0 : <u64>IF;
  const place = <u32>load<u8>(u, U_SEG);
  if (place == FORM_REGISTER) store<u64>(cpu + load<u16>(u, U_DST), load<u32>(cpu, MODE) & MODE_64 ? value : value & 0xffffffff);
  else if (place == FORM_PAIR) {
    store<u64>(cpu, value & 0xffffffff, GPR);
    store<u64>(cpu, value >> 32, GPR + 16);
  } else if (place == FORM_PUSH) pushFlagsWith(cpu, u, <u32>value);
}

function operandOf(cpu: usize, u: usize): u64 {
  const place = <u32>load<u8>(u, U_SEG);
  if (place == FORM_PAIR) return (load<u64>(cpu, GPR + 16) << 32) | <u64>load<u32>(cpu, GPR);
  if (place == FORM_POP) return popFlagsWithout(cpu, u);
  const value = load<u64>(cpu + load<u16>(u, U_DST));
  return load<u32>(cpu, MODE) & MODE_64 ? value : value & 0xffffffff;
}

/** The form at `u`: 0: go on; 1: a fault or a call is due; 2: done, but the run loop must look. */
export function inlineForm(cpu: usize, u: usize): i32 {
  const kind = <u32>load<u8>(u, U_SCALE);
  if (kind == FORM_NOP) return GO_ON;
  if (kind == FORM_FAULT) {
    const fault = load<u32>(u, U_IMM);
    if (fault & 0x100) raiseError(cpu, fault & 0xff, fault >> 16);
    else raise(cpu, fault & 0xff);
    return ABANDON;
  }
  const field = <u32>load<u16>(u, U_SRC);
  const bits = field & 0xff;
  const meaning = field >> 8;
  const at = fieldAt(cpu, load<u16>(u, U_BASE), load<u32>(u, U_DISP));
  if (!at) {
    raiseIntercept(cpu, u);
    return ABANDON;
  }
  if (kind == FORM_LOAD) {
    loadForm(cpu, u, at, bits, meaning);
    return faulted(cpu) ? ABANDON : load<u32>(cpu, RESTART) ? RESTARTED : GO_ON;
  }
  let value = <u64><i64>load<i32>(u, U_IMM);
  if (kind == FORM_STORE_OPERAND) {
    value = operandOf(cpu, u);
    if (faulted(cpu)) return ABANDON;
    if (meaning != 0) value = ((value & IF) != 0) == (meaning == MEANING_FLAG) ? 1 : 0;
  }
  writeField(at, bits, value);
  const unless = load<u32>(u, U_IMM + 4);
  if (unless) {
    const word = fieldAt(cpu, load<u16>(u, U_INDEX), unless & 0xffffff);
    if (word && readField(word, unless >> 24)) {
      raiseIntercept(cpu, u);
      return ABANDON;
    }
  }
  return load<u32>(cpu, EVENT) | load<u32>(cpu, RESTART) ? RESTARTED : GO_ON;
}
