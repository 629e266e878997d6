// What happens between two instructions: debug traps, NMI, maskable interrupts, instruction breakpoints, in that order of priority
// (SDM Vol. 3A Table 6-2), and what keeps them off (shadows of STI and MOV SS, EFLAGS.IF, NMI blocking). STI's shadow holds NMIs back as
// well, as SDM Vol. 2B "STI" permits: an NMI never finds STI's successor not yet begun.
import {
  DEBUG_PENDING,
  EVENT,
  FETCH_WATCH,
  HALTED,
  INTR,
  NMI,
  NMI_BLOCKED,
  SHADOW,
  SHADOW_MOV_SS,
} from "../../src/layout";
import { faulted } from "../fault";
import { eventReady, interruptReady, takeEvent } from "../hypervisor/delivery";
import { hostAcknowledge } from "../imports";
import { fetchWatch, raiseDebug } from "./debug";
import { KIND_EXTERNAL, deliverException, interrupt } from "./exceptions";

/** Must anything be delivered before the next instruction? Also says whether a halted vCPU wakes. */
export function pendingWork(cpu: usize): bool {
  if (load<u32>(cpu, HALTED) >= 2) return false;
  const shadow = load<u32>(cpu, SHADOW);
  if (load<u32>(cpu, DEBUG_PENDING) && !(shadow & SHADOW_MOV_SS)) return true;
  if (load<u32>(cpu, NMI) && !load<u32>(cpu, NMI_BLOCKED) && !shadow) return true;
  if (load<u32>(cpu, INTR) && !shadow && interruptReady(cpu)) return true;
  if (load<u32>(cpu, EVENT) && !shadow && eventReady(cpu)) return true;
  return load<u32>(cpu, FETCH_WATCH) != 0 && !load<u32>(cpu, HALTED) && !(shadow & SHADOW_MOV_SS) && fetchWatch(cpu) != 0;
}

/** Delivers the most important of what pendingWork saw. */
export function takeInterrupt(cpu: usize): void {
  if (load<u32>(cpu, HALTED) >= 2) return;
  const shadow = load<u32>(cpu, SHADOW);
  const debug = load<u32>(cpu, DEBUG_PENDING);
  if (debug && !(shadow & SHADOW_MOV_SS)) {
    store<u32>(cpu, 0, DEBUG_PENDING);
    raiseDebug(cpu, debug);
    deliverException(cpu);
    return;
  }
  if (load<u32>(cpu, NMI) && !load<u32>(cpu, NMI_BLOCKED) && !shadow) {
    store<u32>(cpu, load<u32>(cpu, NMI) - 1, NMI);
    store<u32>(cpu, 1, NMI_BLOCKED);
    interrupt(cpu, 2, KIND_EXTERNAL);
    if (faulted(cpu)) deliverException(cpu);
    return;
  }
  if (load<u32>(cpu, INTR) && !shadow && interruptReady(cpu)) {
    const vector = hostAcknowledge(cpu);
    if (vector < 0) {
      // The request went away: without this the run loop would ask for ever.
      store<u32>(cpu, 0, INTR);
      return;
    }
    interrupt(cpu, vector, KIND_EXTERNAL);
    if (faulted(cpu)) deliverException(cpu);
    return;
  }
  if (load<u32>(cpu, EVENT) && !shadow && eventReady(cpu)) {
    takeEvent(cpu);
    return;
  }
  const hit = shadow & SHADOW_MOV_SS ? 0 : fetchWatch(cpu);
  if (hit) {
    raiseDebug(cpu, hit);
    deliverException(cpu);
  }
}
