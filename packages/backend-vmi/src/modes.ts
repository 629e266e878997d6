/**
 * The two ways of being a guest of VMI, by the level of the kernel, and how each gets what operations promise. Nearly every operation has a call;
 * whether that call comes to the hypervisor or is done by code in the ROM is asked of the ROM itself.
 */
import { type Answer, type Answers, by, type GuestCall, type GuestMode } from "@paravane/paravirt-ops";
import { type CallName, callNames, callNumber } from "./abi/calls.js";
import type { VmiConfig } from "./backend.js";
import { buildRom, type RomEntry } from "./rom/rom.js";
import { deprivilegedIntercepts } from "./vcpu/instructions.js";

/** Lowest address of the usual hole. */
const VIRTUAL_TOP = 0xfc00_0000;

const tapName = (name: CallName): string => `VMI_CALL_${name}`;
const only64 = by.nothing("guests have 32 bits");
const ownMemory = by.nothing("the processor reads the guest's own tables");

const romAt = (level: 0 | 1) => buildRom({ level, flagPage: level === 0 ? undefined : VIRTUAL_TOP }, level === 0 ? 0 : VIRTUAL_TOP);
const exitsOf = (level: 0 | 1): ReadonlySet<RomEntry> => new Set([...romAt(level).exits.values()].map(({ entry }) => entry));

/** Answers for kernels at one level, whose ROM leaves at `exits`. `emulation`: what an instruction without a call is there. */
function answersAt(level: 0 | 1, exits: ReadonlySet<RomEntry>, emulation: Answer): Answers {
  const call = (first: CallName, ...others: CallName[]): Answer => {
    const [exit, ...rest] = [first, ...others].filter((name) => exits.has(name)).map(tapName);
    return exit === undefined ? by.memory(`code in the ROM: ${tapName(first)}`) : by.calls(exit, ...rest);
  };
  const entry = call("SetPxE", "SetPxELong");
  return {
    cpu: {
      readCr0: call("GetCR0"),
      writeCr0: call("SetCR0"),
      clts: call("CLTS"),
      readCr4: call("GetCR4"),
      writeCr4: call("SetCR4"),
      readCr8: only64,
      writeCr8: only64,
      getDebugreg: call("GetDR"),
      setDebugreg: call("SetDR"),
      loadGdt: call("SetGDT"),
      storeGdt: call("GetGDT"),
      loadIdt: call("SetIDT"),
      storeIdt: call("GetIDT"),
      setLdt: call("SetLDT"),
      storeLdt: call("GetLDT"),
      loadTr: call("SetTR"),
      storeTr: call("GetTR"),
      loadTls: call("WriteGDTEntry"),
      loadGsIndex: only64,
      writeGdtEntry: call("WriteGDTEntry"),
      writeLdtEntry: call("WriteLDTEntry"),
      writeIdtEntry: call("WriteIDTEntry"),
      allocLdt: ownMemory,
      freeLdt: ownMemory,
      loadSp0: call("UpdateKernelStack"),
      setIoplMask: call("SetIOPLMask"),
      updateIoBitmap: by.nothing("the bitmap is in the guest's own TSS"),
      ioDelay: call("IODelay"),
      readPort: by.native,
      writePort: by.native,
      wbinvd: call("WBINVD"),
      cpuid: call("CPUID"),
      readMsr: call("RDMSR"),
      writeMsr: call("WRMSR"),
      writeXcr0: emulation,
      readPmc: call("RDPMC"),
      swapgs: only64,
      iret: call("IRET"),
      sysret: by.nothing("kernels return by SYSEXIT"),
      sysexit: call("SYSEXIT"),
    },
    irq: {
      saveFl: call("GetInterruptMask"),
      restoreFl: call("SetInterruptMask"),
      disable: call("DisableInterrupts"),
      enable: call("EnableInterrupts"),
      safeHalt: call("Halt"),
      halt: emulation,
      nmi: by.native,
      adjustExceptionFrame: by.nothing("frames are as the processor writes them"),
      apicRead: call("APICRead"),
      apicWrite: call("APICWrite"),
    },
    mmu: {
      readCr2: call("GetCR2"),
      writeCr2: call("SetCR2"),
      readCr3: call("GetCR3"),
      writeCr3: call("SetCR3"),
      activateMm: ownMemory,
      dupMmap: ownMemory,
      exitMmap: ownMemory,
      flushTlbUser: call("FlushTLB"),
      flushTlbKernel: call("FlushTLB"),
      flushTlbSingle: call("InvalPage"),
      flushTlbOthers: by.nothing("the guest tells its other processors itself"),
      pgdAlloc: call("AllocatePage"),
      pgdFree: call("ReleasePage"),
      allocTable: call("AllocatePage"),
      cloneTable: call("AllocatePage"),
      releaseTable: call("ReleasePage"),
      setPte: entry,
      setPteAt: entry,
      setEntry: entry,
      clearEntry: entry,
      pteUpdate: call("UpdatePxE", "UpdatePxELong"),
      protectionStart: by.memory("the entry is exchanged where it lies"),
      protectionCommit: entry,
      entryValue: call("MachineToPhysical"),
      makeEntry: call("PhysicalToMachine"),
      setLinearMapping: call("SetLinearMapping"),
      enterLazy: call("SetLazyMode"),
      leaveLazy: call("SetLazyMode"),
      flushLazy: call("SetLazyMode"),
      setFixmap: entry,
    },
    time: {
      readTsc: call("RDTSC"),
      schedClock: call("GetCycleCounter"),
      stealClock: call("GetCycleCounter"),
      tscKhz: call("GetCycleFrequency"),
      getWallclock: call("GetWallclockTime"),
      setWallclock: by.nothing("nobody sets the clock of a running guest"),
      setNextEvent: call("SetAlarm"),
      setPeriodic: call("SetAlarm"),
      shutdownEvent: call("CancelAlarm"),
    },
    smp: {
      startupHook: call("SetInitialAPState"),
      vcpuUp: call("APICWrite"),
      vcpuDown: level === 0 ? by.native : by.nothing("a processor that halts is down"),
      sendIpi: call("APICWrite"),
      wait: by.native,
      kick: by.nothing("a waiting processor spins"),
      vcpuIsPreempted: by.nothing("nobody tells"),
      yield: by.native,
      shutdown: call("Shutdown", "Reboot"),
    },
  };
}

/** What is code in the ROM never comes to the hypervisor, and the answer to WallclockUpdated is no. */
function callsAt(exits: ReadonlySet<RomEntry>): GuestCall[] {
  return callNames.map((name) => ({
    name: tapName(name),
    number: callNumber(name),
    answered: true,
    own: !exits.has(name) || name === "WallclockUpdated",
  }));
}

const [exits0, exits1] = [exitsOf(0), exitsOf(1)];

/** The kernel at CPL 0, as the ROM finds it, and at CPL 1, where its instructions come to the hypervisor. */
export const modes: readonly GuestMode<VmiConfig>[] = [
  { name: "cpl0", config: { cpl: 0 }, answers: answersAt(0, exits0, by.native), intercepts: ["vmcall"], calls: callsAt(exits0) },
  {
    name: "cpl1",
    config: { cpl: 1 },
    answers: answersAt(1, exits1, by.emulation),
    intercepts: deprivilegedIntercepts,
    calls: callsAt(exits1),
  },
];
