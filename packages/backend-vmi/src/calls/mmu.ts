/**
 * Calls on address spaces (VMI calls 38 to 48 and 73). The processor walks the guest's own tables, so an entry is stored where the guest has it;
 * "effective" means that no translation of the old entry is used any more, at once or when a deferred change must be seen.
 */
import { generalProtection, isGuestFault, type TableLevel } from "@paravane/paravirt-ops";
import { flushFlags, lazyModes, pageFlags, tableFlags } from "../abi/vmi.js";
import type { CallAnswer, CallHandlers, RomCall } from "./rom-call.js";
import { frameStore, guestStore } from "./stores.js";

const CR4_PAE = 0x20n;
const PRESENT = 1;
const PAGE_MASK = 0xfffff000;
const TABLE_ENTRIES = 1024;
const LEVELS: readonly (readonly [flag: number, level: TableLevel])[] = [
  [pageFlags.pt, "pte"],
  [pageFlags.pd, "pmd"],
  [pageFlags.pdp, "pud"],
  [pageFlags.pml4, "pgd"],
];

/** The level that flags name; the least when they name several. */
const levelOf = (flags: number): TableLevel => LEVELS.find(([flag]) => (flags & flag) !== 0)?.[1] ?? "pte";

/** Entries are as wide as the paging mode has them. */
function widthFits(call: RomCall, bytes: 4 | 8): boolean {
  return ((call.registers.get("cr4") & CR4_PAE) !== 0n) === (bytes === 8);
}

/** No stale translation of what the entry maps is used, at the latest when `flags` or the open batch demand it. */
function makeEffective(call: RomCall, flags: number): CallAnswer {
  const { flushes, lazy } = call.cpu;
  const { mmu } = call.guest.under;
  const leaf = (flags & pageFlags.pt) !== 0 && (flags & pageFlags.currentAddressSpace) !== 0;
  const address = leaf ? BigInt((flags & PAGE_MASK) >>> 0) : undefined;
  // Entries of a PAE root are the processor's own copies, which a load of CR3 makes anew, and no flush does: they do not wait for one.
  if ((flags & pageFlags.pdp) !== 0) return mmu.flushTlbUser.run(call.vcpu);
  if (lazy === "mmu" || (flags & pageFlags.defer) !== 0) {
    flushes.add(address);
    return undefined;
  }
  return address === undefined ? mmu.flushTlbKernel.run(call.vcpu) : mmu.flushTlbSingle.run(call.vcpu, address);
}

/** SetPxE and SetPxELong. */
function setEntry(call: RomCall, bytes: 4 | 8, entry: number, value: bigint, flags: number): CallAnswer {
  if (!widthFits(call, bytes)) return generalProtection;
  const { mmu } = call.guest.under;
  const level = levelOf(flags);
  const old = call.words(BigInt(entry), 1);
  if (isGuestFault(old)) return old;
  const stored = guestStore(call, entry, bytes, () =>
    level === "pte" ? mmu.setPte.run(call.vcpu, BigInt(entry), value) : mmu.setEntry.run(call.vcpu, level, BigInt(entry), value),
  );
  if (stored !== undefined) return stored;
  // What was not present is cached nowhere; a PAE root's entry is, present or not.
  return (old[0]! & PRESENT) !== 0 || level === "pud" ? makeEffective(call, flags) : undefined;
}

/** UpdatePxE and UpdatePxELong: the guest has changed the entry already. */
function updateEntry(call: RomCall, bytes: 4 | 8): CallAnswer {
  if (!widthFits(call, bytes)) return generalProtection;
  const flags = call.edx;
  const address = (flags & pageFlags.currentAddressSpace) === 0 ? undefined : BigInt((flags & PAGE_MASK) >>> 0);
  const told = call.guest.under.mmu.pteUpdate.run(call.vcpu, BigInt(call.eax), address, (flags & pageFlags.defer) !== 0);
  return told ?? makeEffective(call, flags);
}

/** AllocatePage: with `clone`, `count` entries from `first` on are those of another table. */
function allocate(call: RomCall): CallAnswer {
  const { mmu } = call.guest.under;
  const [table, flags, source] = [call.eax, call.edx, call.ecx];
  if ((flags & tableFlags.clone) === 0) return mmu.allocTable.run(call.vcpu, levelOf(flags), table);
  const range = call.stackWords(0, 2);
  if (isGuestFault(range)) return range;
  const [first = 0, count = 0] = range;
  if (first >= TABLE_ENTRIES || count > TABLE_ENTRIES) return generalProtection;
  return frameStore(call, table, () => mmu.cloneTable.run(call.vcpu, levelOf(flags), table, source, first, count));
}

/** FlushTLB: EAX says which translations. */
function flush(call: RomCall): CallAnswer {
  const { mmu } = call.guest.under;
  const waiting = call.cpu.flushes.settle();
  if (waiting !== undefined) return waiting;
  if ((call.eax & flushFlags.global) !== 0) return mmu.flushTlbKernel.run(call.vcpu);
  if ((call.eax & flushFlags.tlb) !== 0) return mmu.flushTlbUser.run(call.vcpu);
}

/** SetLazyMode: EAX is the batch that begins, or 0 for the end of the one that is open. */
function setLazyMode(call: RomCall): CallAnswer {
  const { cpu, vcpu } = call;
  const { mmu } = call.guest.under;
  const open = cpu.lazy;
  const next = call.eax === lazyModes.mmu ? "mmu" : call.eax === lazyModes.cpu ? "cpu" : undefined;
  if (open === next) return undefined;
  cpu.lazy = undefined;
  const left = open === undefined ? undefined : (cpu.flushes.settle() ?? mmu.leaveLazy.run(vcpu, open));
  if (left !== undefined || next === undefined) return left;
  cpu.lazy = next;
  return mmu.enterLazy.run(vcpu, next);
}

/** Handlers of these calls. */
export const mmuCalls: CallHandlers = {
  /** VMI_CALL_SetPxE (38): value EAX, entry EDX, flags ECX. */
  SetPxE: (call) => setEntry(call, 4, call.edx, BigInt(call.eax), call.ecx),
  /** VMI_CALL_SetPxELong (39): value EDX:EAX, entry ECX, flags [ESP + 4]. */
  SetPxELong: (call) => {
    const flags = call.stackWords(0, 1);
    return isGuestFault(flags) ? flags : setEntry(call, 8, call.ecx, call.pair, flags[0]!);
  },
  /** VMI_CALL_UpdatePxE (40): entry EAX, flags EDX. */
  UpdatePxE: (call) => updateEntry(call, 4),
  /** VMI_CALL_UpdatePxELong (41): entry EAX, flags EDX. */
  UpdatePxELong: (call) => updateEntry(call, 8),
  /** VMI_CALL_MachineToPhysical (42): frame numbers are the same. */
  MachineToPhysical: () => {},
  /** VMI_CALL_PhysicalToMachine (43): frame numbers are the same. */
  PhysicalToMachine: () => {},
  /** VMI_CALL_AllocatePage (44): frame EAX, flags EDX, source ECX, first entry and count on the stack. */
  AllocatePage: allocate,
  /** VMI_CALL_ReleasePage (45): frame EAX, flags EDX. */
  ReleasePage: (call) => call.guest.under.mmu.releaseTable.run(call.vcpu, levelOf(call.edx), call.eax),
  /** VMI_CALL_InvalPage (46): linear address EAX. */
  InvalPage: (call) => {
    call.cpu.flushes.drop(BigInt(call.eax));
    return call.guest.under.mmu.flushTlbSingle.run(call.vcpu, BigInt(call.eax));
  },
  /** VMI_CALL_FlushTLB (47). */
  FlushTLB: flush,
  /** VMI_CALL_SetLinearMapping (48): slot EAX, address EDX, pages ECX, first frame [ESP + 4]. */
  SetLinearMapping: (call) => {
    const first = call.stackWords(0, 1);
    if (isGuestFault(first)) return first;
    const told = call.guest.under.mmu.setLinearMapping.run(call.vcpu, call.eax, BigInt(call.edx), call.ecx, first[0]!);
    return told ?? call.result(0);
  },
  /** VMI_CALL_SetLazyMode (73). */
  SetLazyMode: setLazyMode,
};
