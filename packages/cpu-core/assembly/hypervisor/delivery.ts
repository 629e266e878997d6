// Deliveries that come to a backend before any IDT is read, and the moments at which its events and the guest's interrupts can be taken.
import {
  ANSWER_ARCHITECTURAL, COUNT, DELIVER_EVENT, EFLAGS, EVENT, EVENT_MASK, EVENT_MASK_BITS, EVENT_TAKES, FRAME_INFO_PTR, FRAME_MASK,
  HALTED, INTERRUPT_WINDOW, INTR, NMI, NMI_BLOCKED, RAM_BASE_PTR, RESTART, SHADOW, STEP_TF,
} from "../../src/layout";
import { IF } from "../flags";
import { hostDeliver, hostInterruptWindow } from "../imports";
import { tlbProtectFrame } from "../memory/tlb";
import { updateMode } from "../system/mode";

const SHUT_DOWN: u32 = 3;

/**
 * Asks the backend. True: it has answered and nothing is left to deliver; what it did counts as one instruction, so that neither a guest nor
 * a backend can keep a run from ending. False: delivery is architectural.
 */
export function delivered(cpu: usize, kind: u32, vector: u32, error: u32): bool {
  if (hostDeliver(cpu, kind, vector, error) == ANSWER_ARCHITECTURAL) return false;
  if (load<u32>(cpu, HALTED) != SHUT_DOWN) store<u32>(cpu, 0, HALTED);
  store<u32>(cpu, 0, SHADOW);
  store<u32>(cpu, 0, STEP_TF);
  if (load<i64>(cpu, COUNT) > 0) store<i64>(cpu, load<i64>(cpu, COUNT) - 1, COUNT);
  updateMode(cpu);
  store<u32>(cpu, 1, RESTART);
  return true;
}

/** What the guest's own mask says, where it has one; EFLAGS.IF otherwise. */
function takesEvents(cpu: usize): bool {
  const at: usize = load<u32>(cpu, EVENT_MASK);
  if (!at) return (load<u32>(cpu, EFLAGS) & IF) != 0;
  return unmasked(cpu, at);
}

function unmasked(cpu: usize, at: usize): bool {
  const bits = load<u32>(cpu, EVENT_MASK_BITS);
  const value = bits == 8 ? <u64>load<u8>(at) : bits == 16 ? <u64>load<u16>(at) : bits == 32 ? <u64>load<u32>(at) : load<u64>(at);
  return (value != 0) == (load<u32>(cpu, EVENT_TAKES) != 0);
}

/** Is INTR asserted, and may it be taken? EFLAGS.IF and the guest's own mask both hold it back. */
export function interruptReady(cpu: usize): bool {
  if (!load<u32>(cpu, INTR) || !(load<u32>(cpu, EFLAGS) & IF)) return false;
  const at: usize = load<u32>(cpu, EVENT_MASK);
  return !at || unmasked(cpu, at);
}

/** Is the pending-event word set, and may the event be taken? */
export function eventReady(cpu: usize): bool {
  return load<u32>(cpu, EVENT) != 0 && takesEvents(cpu);
}

/** Would anything wake this vCPU from HLT? */
export function wakes(cpu: usize): bool {
  return (load<u32>(cpu, NMI) && !load<u32>(cpu, NMI_BLOCKED)) || interruptReady(cpu) || eventReady(cpu);
}

/** An event waits for the guest's own mask: a store to the frame that holds it makes the run loop look, until the word is cleared. */
export function watchMask(cpu: usize): void {
  const at = load<u32>(cpu, EVENT_MASK);
  if (!at) return;
  const frame = (at - load<u32>(RAM_BASE_PTR)) >>> 12;
  const info: usize = load<u32>(FRAME_INFO_PTR) + frame;
  if (load<u8>(info) & FRAME_MASK) return;
  store<u8>(info, load<u8>(info) | FRAME_MASK);
  tlbProtectFrame(frame);
}

/** Delivers the event. The backend clears the word itself. */
export function takeEvent(cpu: usize): void {
  delivered(cpu, DELIVER_EVENT, 0, -1);
}

/** Calls those who wait for a moment at which an interrupt can be taken. */
export function openInterruptWindow(cpu: usize): void {
  if (!takesEvents(cpu) || load<u32>(cpu, SHADOW)) return;
  store<u32>(cpu, 0, INTERRUPT_WINDOW);
  hostInterruptWindow(cpu);
}
