/** The WebAssembly engine: compiled once per process, instantiated per machine on the machine's memory. */
import { HvError } from "@paravane/paravirt-ops";
import { ENGINE_BASE64 } from "./generated/engine.js";

/** Functions that the engine exports (assembly/index.ts). Addresses are unsigned 32-bit numbers; linear addresses are bigints. */
export interface EngineExports {
  run(cpu: number, budget: number): number;
  codeInit(hash: number, pages: number, pool: number, end: number): void;
  codeReserve(bytes: number): number;
  codeInsert(header: number, end: number): void;
  codeFlush(): void;
  /** Drops the code decoded from [pa, pa + size), which lie in one frame. */
  codeInvalidate(pa: number, size: number): void;
  machineInit(
    ramBase: number,
    ramSize: number,
    frameInfo: number,
    codeMap: number,
    frameStores: number,
    vcpus: number,
    hypervisorFrames: number,
  ): void;
  dmaInvalidate(pa: number, length: number): void;
  setA20(enabled: boolean): void;
  tlbWipe(cpu: number): void;
  tlbSelect(cpu: number): void;
  tlbFlushAll(cpu: number): void;
  tlbFlushPage(cpu: number, linear: bigint): void;
  tlbForgetFrame(frame: number): void;
  tlbProtectFrame(frame: number): void;
  switchRoot(cpu: number, frame: number): void;
  /** After CR0, CR3, CR4 or EFER was set from outside. */
  pagingChanged(cpu: number): void;
  /** 1 with the physical address in EXIT_ARG, or 0 with a fault pending; level 4 is an implicit access. */
  linearTranslate(cpu: number, linear: bigint, level: number, write: boolean, execute: boolean): number;
  fetchPtr(cpu: number, linear: bigint): number;
  updateMode(cpu: number): void;
  /** RDMSR: 1 with the value in EXIT_ARG, 0 when there is no such MSR. */
  msrGet(cpu: number, index: number): number;
  /** WRMSR: 0 when it would be #GP. */
  msrPut(cpu: number, index: number, value: bigint): number;
  /** The interpreter's function for a rare operation: 0 go on, 1 a fault is pending, 2 code or mode may have changed. */
  coldOp(cpu: number, u: number): number;
  /** For translations: an operation that ends a block, with all state in memory and RIP behind it. */
  systemOp(cpu: number, u: number): void;
  /** Takes the unit in a slot of the table out of every jump cache. */
  jumpForget(slot: number): void;
  /** Empties a vCPU's jump cache. */
  jumpWipe(cpu: number): void;
  /** Interprets `count` instructions without translations and interrupts; stops before a fault is delivered. */
  runPlain(cpu: number, count: bigint): void;
  /** Notes of stores (assembly/verify.ts) in [from, to), about memory in [low, high): puts back what they keep. */
  logRestore(from: number, to: number, low: number, high: number): void;
  /** Writes notes of what is there now at `out`; returns their end. */
  logCapture(from: number, to: number, out: number, low: number, high: number): number;
  /** A unit is about to run for the `run`-th time: not 0 when it is compared, and its stores are noted from here on (assembly/verify.ts). */
  verifyBegin(cpu: number, run: number): number;
  /** It has run: takes back what it did, and returns how many instructions the interpreter is to do. */
  verifyAgain(cpu: number): bigint;
  /** The interpreter has done them: not 0 when there is a difference. */
  verifyDiffers(cpu: number, left: number): number;
  /** Back to where the comparison began. */
  verifyUndo(cpu: number): void;
  /** A decoded operation that is no part of a block; a fault may be pending. */
  lentOp(cpu: number, u: number): void;
  /** Linear address of an operation's memory operand, without checks; the 16 bits there, unless a fault is pending. */
  interceptAddress(cpu: number, u: number): bigint;
  interceptWord(cpu: number, u: number): number;
  /** PUSHF with another interrupt flag; POPF without it, which returns what was popped. */
  pushFlagsWith(cpu: number, u: number, flag: number): void;
  popFlagsWithout(cpu: number, u: number): number;
  /** Loads from descriptor tables; 0 with a fault pending. */
  loadCodeSegment(cpu: number, selector: number): number;
  loadSegment(cpu: number, segment: number, selector: number): number;
  loadLdtr(cpu: number, selector: number, vector: number, absent: number): number;
  loadTaskRegister(cpu: number, selector: number): number;
  /** Where translations are called through. */
  table: WebAssembly.Table;
  getFlags(cpu: number): number;
  setFlags(cpu: number, flags: number): void;
  /** Makes words of flags that wait after a unit (isa/flag-words.ts). */
  settleFlags(cpu: number): void;
  /** After DR0-DR3 or DR7 were set from outside. */
  debugRegistersChanged(cpu: number): void;
}

/** What the engine asks of the host (assembly/imports.ts). */
export interface EngineImports {
  pioRead(cpu: number, port: number, size: number): number;
  pioWrite(cpu: number, port: number, size: number, value: number): void;
  mmioRead(cpu: number, low: number, high: number, size: number): number;
  mmioWrite(cpu: number, low: number, high: number, size: number, value: number): void;
  msrRead(cpu: number, index: number): number;
  msrWrite(cpu: number, index: number): number;
  readTaskPriority(cpu: number): number;
  writeTaskPriority(cpu: number, cr8: number): void;
  acknowledge(cpu: number): number;
  readTsc(cpu: number): void;
  random(cpu: number): void;
  decode(cpu: number, host: number, mode: number): number;
  hypercall(cpu: number): number;
  intercept(cpu: number, u: number): number;
  deliver(cpu: number, kind: number, vector: number, error: number): number;
  store(cpu: number, pa: number, from: number, size: number, writable: number): number;
  interruptWindow(cpu: number): void;
  hot(cpu: number, header: number): void;
  dropped(header: number): void;
  apart(cpu: number, unit: number): void;
  grow(cpu: number, from: number, to: number): void;
}

let compiled: Promise<WebAssembly.Module> | undefined;

/** The engine's WebAssembly. */
export function engineBytes(): Uint8Array<ArrayBuffer> {
  const text = atob(ENGINE_BASE64);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}

/**
 * An engine on the machine's memory.
 *
 * @param module - another than the engine as it is, made from `engineBytes`
 * @throws HvError "core/webassembly" when the host cannot run the engine (no SIMD, or no WebAssembly)
 */
export async function instantiateEngine(
  memory: WebAssembly.Memory,
  host: EngineImports,
  module?: Promise<WebAssembly.Module>,
): Promise<EngineExports> {
  try {
    compiled ??= WebAssembly.compile(engineBytes());
    const instance = await WebAssembly.instantiate(await (module ?? compiled), { env: { memory }, host: { ...host } });
    return instance.exports as unknown as EngineExports;
  } catch (error) {
    compiled = undefined;
    throw new HvError("core/webassembly", `this host cannot run the CPU core: ${error instanceof Error ? error.message : String(error)}`, {
      cause: error,
    });
  }
}
