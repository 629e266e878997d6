/**
 * Operations on address spaces. Levels are named as guest kernels name them (pte is the leaf, pgd the root), since these are their verbs.
 * `entry` is the linear address of a page-table entry; `value` is what the guest stores there, in its own frame numbers.
 * Origins: pv_mmu_ops of both versions. Left out: notify_page_enc_status_changed (memory encryption), tlb_remove_table (the guest's memory).
 */
import type { Gfn, Gpa } from "../units.js";
import { operation as op, type SlotsOf } from "./operation.js";

/** A level of page tables. */
export type TableLevel = "pte" | "pmd" | "pud" | "p4d" | "pgd";

/** Which batch a bracket opens: page-table stores, or the state that a context switch loads. */
export type LazyMode = "mmu" | "cpu";

/** Operations on address spaces. */
export const mmuOperations = {
  readCr2: op<[], bigint>("mmu.read_cr2", "The result is the linear address of the last page fault."),
  writeCr2: op<[address: bigint]>("mmu.write_cr2", "Reading CR2 gives `address`."),
  readCr3: op<[], bigint>("mmu.read_cr3", "The result is the root that was loaded last, in the guest's own frame numbers."),
  writeCr3: op<[root: bigint]>(
    "mmu.write_cr3",
    "Translation starts at `root` (guest-physical, with the architectural flag bits), and no non-global translation of another root is used.",
  ),
  activateMm: op<[root: Gpa]>("mmu.activate_mm", "The address space at `root` is ready to be switched to."),
  dupMmap: op<[root: Gpa]>("mmu.dup_mmap", "The address space at `root`, just copied, obeys the rules for address spaces."),
  exitMmap: op<[root: Gpa]>("mmu.exit_mmap", "The tables of the address space at `root` may be written as ordinary memory."),
  flushTlbUser: op("mmu.flush_tlb_user", "This vCPU uses no stale translation of a non-global page."),
  flushTlbKernel: op("mmu.flush_tlb_kernel", "This vCPU uses no stale translation, global ones included."),
  flushTlbSingle: op<[address: bigint]>(
    "mmu.flush_tlb_single, flush_tlb_one_user",
    "This vCPU uses no stale translation of the page at linear `address`.",
  ),
  flushTlbOthers: op<[vcpus: readonly number[], address: bigint | undefined]>(
    "mmu.flush_tlb_others, flush_tlb_multi",
    "None of `vcpus` uses a stale translation of the page at `address`, or of any page.",
  ),
  pgdAlloc: op<[table: Gfn]>("mmu.pgd_alloc", "The page `table` may be used as a root."),
  pgdFree: op<[table: Gfn]>("mmu.pgd_free", "The page `table` is ordinary memory again."),
  allocTable: op<[level: TableLevel, table: Gfn]>(
    "mmu.alloc_pte, alloc_pmd, alloc_pud, alloc_p4d",
    "The page `table` may be linked into an address space as a table of `level`.",
  ),
  cloneTable: op<[level: TableLevel, table: Gfn, source: Gfn, first: number, entries: number]>(
    "mmu.alloc_pmd_clone (2.6.32)",
    "As allocTable, and `entries` entries from `first` on are copies of those of `source`.",
  ),
  releaseTable: op<[level: TableLevel, table: Gfn]>(
    "mmu.release_pte, release_pmd, release_pud, release_p4d",
    "The page `table` is ordinary memory again.",
  ),
  setPte: op<[entry: bigint, value: bigint]>(
    "mmu.set_pte, set_pte_atomic",
    "The leaf entry holds `value`, stored as one unit; the guest flushes what it must.",
  ),
  setPteAt: op<[entry: bigint, value: bigint, address: bigint]>(
    "mmu.set_pte_at (2.6.32)",
    "As setPte, for the leaf that maps linear `address` in the current address space.",
  ),
  setEntry: op<[level: TableLevel, entry: bigint, value: bigint]>(
    "mmu.set_pmd, set_pud, set_p4d, set_pgd",
    "The entry of a table of `level` holds `value`, stored as one unit.",
  ),
  clearEntry: op<[level: TableLevel, entry: bigint]>(
    "mmu.pte_clear, pmd_clear (2.6.32, PAE)",
    "The entry is not present, and was never seen half written.",
  ),
  pteUpdate: op<[entry: bigint, address: bigint | undefined, deferrable: boolean]>(
    "mmu.pte_update, pte_update_defer (2.6.32)",
    "A change that the guest made to a leaf by a plain store is in force, at the latest at the next flush when `deferrable`.",
  ),
  protectionStart: op<[entry: bigint, address: bigint], bigint>(
    "mmu.ptep_modify_prot_start",
    "The result is the leaf's value, and accessed and dirty bits set from now on will not be lost.",
  ),
  protectionCommit: op<[entry: bigint, address: bigint, value: bigint]>(
    "mmu.ptep_modify_prot_commit",
    "The leaf holds `value` with the accessed and dirty bits that were set since protectionStart.",
  ),
  entryValue: op<[stored: bigint], bigint>(
    "mmu.pte_val, pmd_val, pud_val, p4d_val, pgd_val",
    "The result is the entry in the guest's own frame numbers.",
  ),
  makeEntry: op<[value: bigint], bigint>(
    "mmu.make_pte, make_pmd, make_pud, make_p4d, make_pgd",
    "The result is the entry as it is stored in a table.",
  ),
  setLinearMapping: op<[slot: number, address: bigint, pages: number, first: Gfn]>(
    "mmu.kmap_atomic_pte (2.6.32); VMI SetLinearMapping",
    "The hypervisor may reach `pages` pages from `first` on at linear `address`, to find entries there.",
  ),
  enterLazy: op<[mode: LazyMode]>(
    "mmu.lazy_mode.enter, cpu.start_context_switch",
    "Requests of the batch may take effect as late as leaveLazy, or the next read or flush.",
  ),
  leaveLazy: op<[mode: LazyMode]>("mmu.lazy_mode.leave, cpu.end_context_switch", "Every request of the batch has taken effect."),
  flushLazy: op("mmu.lazy_mode.flush (6.1)", "Every request so far has taken effect, and the batch goes on."),
  setFixmap: op<[slot: number, address: bigint, value: bigint]>(
    "mmu.set_fixmap",
    "Linear `address`, the guest's fixed slot `slot`, is mapped by `value`, and no stale translation of it is used.",
  ),
} as const;

/** A backend's answers to the mmu group. */
export type MmuOps = SlotsOf<typeof mmuOperations>;
