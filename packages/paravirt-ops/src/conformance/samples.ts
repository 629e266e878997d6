/** Arguments for every operation, plain and odd: what a suite calls the slots of a backend with. Addresses lie in the first 8 MiB. */
import type { operations } from "../ops/index.js";
import type { OperationSpec } from "../ops/operation.js";

/** The argument tuples of one group's operations. */
type Samples<Specs> = { readonly [Name in keyof Specs]: Specs[Name] extends OperationSpec<infer Args, unknown> ? readonly Args[] : never };
type AllSamples = { readonly [Group in keyof typeof operations]: Samples<(typeof operations)[Group]> };

const TABLE = 0x200000n;
const HUGE = 0xffff_ffff_ffff_fff8n;
const NONE: readonly [][] = [[]];

/** At least one tuple for each operation; where a guest can choose badly, one that it would. */
export const sampleArguments: AllSamples = {
  cpu: {
    readCr0: NONE,
    writeCr0: [[0x80050033n], [HUGE]],
    clts: NONE,
    readCr4: NONE,
    writeCr4: [[0x6f0n], [HUGE]],
    readCr8: NONE,
    writeCr8: [[3n], [99n]],
    getDebugreg: [[0], [7], [99]],
    setDebugreg: [
      [0, 0x1000n],
      [7, HUGE],
      [99, 0n],
    ],
    loadGdt: [[{ base: TABLE, limit: 0x7f }], [{ base: HUGE, limit: 0xffff }]],
    storeGdt: NONE,
    loadIdt: [[{ base: TABLE, limit: 0xfff }]],
    storeIdt: NONE,
    setLdt: [[0], [0x28], [0xffff]],
    storeLdt: NONE,
    loadTr: [[0x30], [0xffff]],
    storeTr: NONE,
    loadTls: [[[1n, 2n, 3n]], [[]]],
    loadGsIndex: [[0], [0x2b], [0xffff]],
    writeGdtEntry: [
      [TABLE, 3, 0x00cf9b000000ffffn],
      [HUGE, 8191, 0n],
    ],
    writeLdtEntry: [
      [TABLE, 0, 0n],
      [HUGE, 8191, HUGE],
    ],
    writeIdtEntry: [
      [TABLE, 14, [0x8e00_0010_0000n, 0n]],
      [HUGE, 255, [0n]],
    ],
    allocLdt: [[TABLE, 512]],
    freeLdt: [[TABLE, 512]],
    loadSp0: [
      [0x18, 0x201000n],
      [0xffff, HUGE],
    ],
    setIoplMask: [[0], [3], [-1]],
    updateIoBitmap: [
      [TABLE, 1024],
      [HUGE, 65536],
    ],
    ioDelay: NONE,
    readPort: [
      [0x80, 1],
      [0xffff, 4],
    ],
    writePort: [
      [0x80, 1, 0],
      [0xffff, 4, 0xffffffff],
    ],
    wbinvd: NONE,
    cpuid: [
      [0, 0],
      [0xffffffff, 0xffffffff],
    ],
    readMsr: [[0x10], [0xdead0000]],
    writeMsr: [
      [0x10, 0n],
      [0xdead0000, HUGE],
    ],
    writeXcr0: [[1n], [HUGE]],
    readPmc: [[0], [-1]],
    swapgs: NONE,
    iret: NONE,
    sysret: [[64], [32]],
    sysexit: NONE,
  },
  irq: {
    saveFl: NONE,
    restoreFl: [[0], [0x200], [-1]],
    disable: NONE,
    enable: NONE,
    safeHalt: NONE,
    halt: NONE,
    nmi: NONE,
    adjustExceptionFrame: NONE,
    apicRead: [[0x20], [0xffff]],
    apicWrite: [
      [0xb0, 0],
      [0xffff, 0xffffffff],
    ],
  },
  mmu: {
    readCr2: NONE,
    writeCr2: [[0x1234n]],
    readCr3: NONE,
    writeCr3: [[0x300000n], [HUGE]],
    activateMm: [[0x300000]],
    dupMmap: [[0x300000]],
    exitMmap: [[0x300000]],
    flushTlbUser: NONE,
    flushTlbKernel: NONE,
    flushTlbSingle: [[0x400000n], [HUGE]],
    flushTlbOthers: [
      [[0, 1], 0x400000n],
      [[99, -1], undefined],
    ],
    pgdAlloc: [[0x300]],
    pgdFree: [[0x300]],
    allocTable: [
      ["pte", 0x301],
      ["pgd", 0xfffffff],
    ],
    cloneTable: [
      ["pmd", 0x302, 0x303, 256, 256],
      ["pmd", 0xfffffff, 0x303, -1, 99999],
    ],
    releaseTable: [["pte", 0x301]],
    setPte: [
      [TABLE, 0x400067n],
      [HUGE, HUGE],
    ],
    setPteAt: [[TABLE, 0x400067n, 0x400000n]],
    setEntry: [
      ["pmd", TABLE, 0x301067n],
      ["pgd", HUGE, 0n],
    ],
    clearEntry: [
      ["pte", TABLE],
      ["pmd", HUGE],
    ],
    pteUpdate: [
      [TABLE, 0x400000n, true],
      [HUGE, undefined, false],
    ],
    protectionStart: [
      [TABLE, 0x400000n],
      [HUGE, 0n],
    ],
    protectionCommit: [
      [TABLE, 0x400000n, 0x400025n],
      [HUGE, 0n, 0n],
    ],
    entryValue: [[0x400067n], [0n]],
    makeEntry: [[0x400067n], [0n]],
    setLinearMapping: [
      [0, 0xc0000000n, 0x8000, 0],
      [99, HUGE, -1, -1],
    ],
    enterLazy: [["mmu"], ["cpu"]],
    leaveLazy: [["cpu"], ["mmu"]],
    flushLazy: NONE,
    setFixmap: [
      [0, 0x5ff000n, 0x400067n],
      [99, HUGE, HUGE],
    ],
  },
  time: {
    readTsc: NONE,
    schedClock: NONE,
    stealClock: NONE,
    tscKhz: NONE,
    getWallclock: NONE,
    setWallclock: [[1.7e18]],
    setNextEvent: [[0], [1e9], [1e15]],
    setPeriodic: [[1e6], [0]],
    shutdownEvent: NONE,
  },
  smp: {
    startupHook: [[1, { rip: 0x100000n, rsp: 0x200000n, cr3: 0x300000n }]],
    vcpuUp: [[1], [99]],
    vcpuDown: [[1], [99]],
    sendIpi: [
      [[0, 1], 0x40],
      [[99], 999],
    ],
    wait: [
      [TABLE, 1],
      [HUGE, 0],
    ],
    kick: [[0], [99]],
    vcpuIsPreempted: [[0], [99]],
    yield: [[undefined], [99]],
    shutdown: [["poweroff"], ["crash"]],
  },
};
