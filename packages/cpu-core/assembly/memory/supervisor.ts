// The context of supervisor accesses. Kernels mark their pages global, so that they outlive CR3 loads (SDM Vol. 3A §4.10.2.4); with one context
// number for all address spaces their TLB entries and the jump cache stay good as they are. What a supervisor finds in pages of user space
// is noted, and dropped when the space is left. A kernel page that is not global ends this: until everything is flushed, supervisor accesses
// then share the context of their PCID, as those of users do.
import {
  CONTEXT_NONE, CR0, CR4, NEXT_CTX, SUPER_CTX, SUPER_FLAW, SUPER_LIST, SUPER_LIST_MAX, SUPER_NOTED, TLB_INFO, TLB_R, TLB_W, TLB_X,
} from "../../src/layout";
import { ACCESS_I, RIGHT_GLOBAL, RIGHT_U } from "./walk";

/** What a TLB entry's tags are when it grants nothing. */
export const ABSENT: u64 = -1;

const CR0_PG: u32 = 0x80000000;
const CR4_PGE: u32 = 0x80;
/** What is to happen when the address space is left: SUPER_FLAW. */
const NOTHING: u32 = 0;
const ANOTHER: u32 = 1;
const NONE: u32 = 2;

// @ts-ignore: decorator
@inline
export function dropEntry(entry: usize): void {
  store<u64>(entry, ABSENT, TLB_R);
  store<u64>(entry, ABSENT, TLB_W);
  store<u64>(entry, ABSENT, TLB_X);
  store<u32>(entry, 0, TLB_INFO);
}

/** Takes a number, or none where pages cannot be global or numbers are short. */
function take(cpu: usize): void {
  const number = load<u32>(cpu, NEXT_CTX);
  const global = load<u32>(cpu, CR0) & CR0_PG && load<u32>(cpu, CR4) & CR4_PGE;
  const taken = global && number < <u32>CONTEXT_NONE - 1;
  if (taken) store<u32>(cpu, number + 1, NEXT_CTX);
  store<u32>(cpu, taken ? number : 0, SUPER_CTX);
}

/** Global translations are gone as well. */
export function supervisorRenew(cpu: usize): void {
  store<u32>(cpu, NOTHING, SUPER_FLAW);
  store<u32>(cpu, 0, SUPER_NOTED);
  take(cpu);
}

/** Before another address space is in use, or this one without what was cached of it. */
export function supervisorLeave(cpu: usize): void {
  const noted = load<u32>(cpu, SUPER_NOTED);
  const flaw = load<u32>(cpu, SUPER_FLAW);
  if (!(noted | flaw)) return;
  store<u32>(cpu, 0, SUPER_NOTED);
  store<u32>(cpu, NOTHING, SUPER_FLAW);
  if (flaw == NONE) store<u32>(cpu, 0, SUPER_CTX);
  else if (flaw == ANOTHER) take(cpu);
  else {
    const list = cpu + SUPER_LIST;
    for (let at = list; at < list + (<usize>noted << 2); at += 4) {
      const entry: usize = load<u32>(at);
      if (!(load<u32>(entry, TLB_INFO) & 1)) dropEntry(entry); // it may be a global page's by now
    }
  }
}

/** Notes that `entry`, of a supervisor array, is about to hold a page with `rights`. False: not as something to fetch from. */
export function supervisorFill(cpu: usize, entry: usize, rights: u32, access: u32): bool {
  if (rights & RIGHT_GLOBAL || !load<u32>(cpu, SUPER_CTX)) return true;
  const noted = load<u32>(cpu, SUPER_NOTED);
  if (!(rights & RIGHT_U) || access & ACCESS_I) store<u32>(cpu, NONE, SUPER_FLAW);
  else if (noted < <u32>SUPER_LIST_MAX) {
    store<u32>(cpu + (<usize>noted << 2), <u32>entry, SUPER_LIST);
    store<u32>(cpu, noted + 1, SUPER_NOTED);
    return false;
  } else if (load<u32>(cpu, SUPER_FLAW) == NOTHING) store<u32>(cpu, ANOTHER, SUPER_FLAW);
  return true;
}
