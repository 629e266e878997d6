/** Calls on processor state: control and debug registers, MSRs, descriptor tables, the kernel's stack (VMI calls 0 to 28 and 61). */
import { type GuestFault, generalProtection, isGuestFault, type TableOperand, undefinedOpcode } from "@paravane/paravirt-ops";
import type { CallAnswer, CallHandlers, RomCall } from "./rom-call.js";
import { guestStore } from "./stores.js";

const TABLE_ENTRIES = 8192;
const IDT_ENTRIES = 256;
const DEBUG_REGISTERS = 8;
/** ESP0 and SS0 in a task state segment. */
const TSS_STACK = 4n;

/** The operand of LGDT and LIDT at EAX. */
function tableAt(call: RomCall): TableOperand | GuestFault {
  const bytes = call.read(BigInt(call.eax), 6);
  if (isGuestFault(bytes)) return bytes;
  const view = new DataView(bytes.buffer);
  return { limit: view.getUint16(0, true), base: BigInt(view.getUint32(2, true)) };
}

/** Stores GDTR's or IDTR's image at EAX. */
function storeTable(call: RomCall, table: TableOperand | GuestFault): CallAnswer {
  if (isGuestFault(table)) return table;
  const image = new DataView(new ArrayBuffer(6));
  image.setUint16(0, table.limit, true);
  image.setUint32(2, Number(BigInt.asUintN(32, table.base)), true);
  return guestStore(call, call.eax, 6, () => call.write(BigInt(call.eax), new Uint8Array(image.buffer)));
}

/** WriteGDTEntry and its like: the table is EAX, the index EDX, the descriptor ECX below and [ESP + 4] above. */
function writeEntry(call: RomCall, entries: number, write: (table: bigint, descriptor: bigint) => CallAnswer): CallAnswer {
  if (call.edx >= entries) return generalProtection;
  const high = call.stackWords(0, 1);
  if (isGuestFault(high)) return high;
  return guestStore(call, call.eax + 8 * call.edx, 8, () => write(BigInt(call.eax), (BigInt(high[0]!) << 32n) | BigInt(call.ecx)));
}

/** Handlers of these calls. */
export const cpuCalls: CallHandlers = {
  /** VMI_CALL_WRMSR (1): ECX, EDX:EAX. */
  WRMSR: (call) => call.guest.kernel.writeMsr(call.vcpu, call.ecx, call.pair),
  /** VMI_CALL_RDMSR (2): ECX to EDX:EAX. */
  RDMSR: (call) => call.resultPair(call.guest.under.cpu.readMsr.run(call.vcpu, call.ecx)),
  /** VMI_CALL_SetGDT (3): EAX points to limit and base. */
  SetGDT: (call) => {
    const table = tableAt(call);
    return isGuestFault(table) ? table : call.guest.kernel.loadGdt(call.vcpu, table);
  },
  /** VMI_CALL_SetLDT (4): EAX is the selector. */
  SetLDT: (call) => call.guest.kernel.loadLdt(call.vcpu, call.eax & 0xffff),
  /** VMI_CALL_SetIDT (5): EAX points to limit and base. */
  SetIDT: (call) => {
    const table = tableAt(call);
    return isGuestFault(table) ? table : call.guest.kernel.loadIdt(call.vcpu, table);
  },
  /** VMI_CALL_SetTR (6): EAX is the selector. */
  SetTR: (call) => call.guest.kernel.loadTr(call.vcpu, call.eax & 0xffff),
  /** VMI_CALL_GetGDT (7): stored at EAX. */
  GetGDT: (call) => storeTable(call, call.guest.kernel.storeGdt(call.vcpu)),
  /** VMI_CALL_GetLDT (8): the selector in EAX. */
  GetLDT: (call) => call.result(call.guest.under.cpu.storeLdt.run(call.vcpu)),
  /** VMI_CALL_GetIDT (9): stored at EAX. */
  GetIDT: (call) => storeTable(call, call.guest.kernel.storeIdt(call.vcpu)),
  /** VMI_CALL_GetTR (10): the selector in EAX. */
  GetTR: (call) => call.result(call.guest.under.cpu.storeTr.run(call.vcpu)),
  /** VMI_CALL_WriteGDTEntry (11): table EAX, index EDX, descriptor ECX and [ESP + 4]. */
  WriteGDTEntry: (call) =>
    writeEntry(call, TABLE_ENTRIES, (table, value) => call.guest.under.cpu.writeGdtEntry.run(call.vcpu, table, call.edx, value)),
  /** VMI_CALL_WriteLDTEntry (12): as WriteGDTEntry. */
  WriteLDTEntry: (call) =>
    writeEntry(call, TABLE_ENTRIES, (table, value) => call.guest.under.cpu.writeLdtEntry.run(call.vcpu, table, call.edx, value)),
  /** VMI_CALL_WriteIDTEntry (13): as WriteGDTEntry. */
  WriteIDTEntry: (call) =>
    writeEntry(call, IDT_ENTRIES, (table, value) => call.guest.under.cpu.writeIdtEntry.run(call.vcpu, table, call.edx, [value])),
  /** VMI_CALL_UpdateKernelStack (14): SS in EAX, ESP0 in EDX. */
  UpdateKernelStack: (call) => {
    const { base } = call.registers.segment("tr");
    const stack = Number(BigInt.asUintN(32, base + TSS_STACK));
    return guestStore(call, stack, 8, () => call.guest.kernel.loadStack(call.vcpu, call.eax & 0xffff, call.edx));
  },
  /** VMI_CALL_SetCR0 (15). */
  SetCR0: (call) => call.guest.under.cpu.writeCr0.run(call.vcpu, BigInt(call.eax)),
  /** VMI_CALL_SetCR2 (16). */
  SetCR2: (call) => call.guest.under.mmu.writeCr2.run(call.vcpu, BigInt(call.eax)),
  /** VMI_CALL_SetCR3 (17): what waits to be flushed is. */
  SetCR3: (call) => call.cpu.flushes.settle() ?? call.guest.under.mmu.writeCr3.run(call.vcpu, BigInt(call.eax)),
  /** VMI_CALL_SetCR4 (18). */
  SetCR4: (call) => call.guest.under.cpu.writeCr4.run(call.vcpu, BigInt(call.eax)),
  /** VMI_CALL_GetCR0 (19). */
  GetCR0: (call) => call.result(call.guest.under.cpu.readCr0.run(call.vcpu)),
  /** VMI_CALL_GetCR2 (20). */
  GetCR2: (call) => call.result(call.guest.under.mmu.readCr2.run(call.vcpu)),
  /** VMI_CALL_GetCR3 (21). */
  GetCR3: (call) => call.result(call.guest.under.mmu.readCr3.run(call.vcpu)),
  /** VMI_CALL_GetCR4 (22). */
  GetCR4: (call) => call.result(call.guest.under.cpu.readCr4.run(call.vcpu)),
  /** VMI_CALL_WBINVD (23). */
  WBINVD: (call) => call.guest.under.cpu.wbinvd.run(call.vcpu),
  /** VMI_CALL_SetDR (24): number EAX, value EDX. */
  SetDR: (call) => {
    if (call.eax >= DEBUG_REGISTERS) return undefinedOpcode;
    return call.guest.under.cpu.setDebugreg.run(call.vcpu, call.eax, BigInt(call.edx));
  },
  /** VMI_CALL_GetDR (25): number EAX. */
  GetDR: (call) => {
    if (call.eax >= DEBUG_REGISTERS) return undefinedOpcode;
    return call.result(call.guest.under.cpu.getDebugreg.run(call.vcpu, call.eax));
  },
  /** VMI_CALL_RDPMC (26): ECX to EDX:EAX. */
  RDPMC: (call) => call.resultPair(call.guest.under.cpu.readPmc.run(call.vcpu, call.ecx)),
  /** VMI_CALL_CLTS (28). */
  CLTS: (call) => call.guest.under.cpu.clts.run(call.vcpu),
  /** VMI_CALL_SetIOPLMask (61): EAX has the field where EFLAGS has it. */
  SetIOPLMask: (call) => call.guest.kernel.setIopl(call.vcpu, (call.eax >>> 12) & 3),
};
