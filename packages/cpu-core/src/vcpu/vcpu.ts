/** One virtual CPU as the contract's handle: runs the engine on its block of state. */
import type { ExitReason, Vcpu, VcpuRegisters } from "@paravane/paravirt-ops";
import * as L from "../layout.js";
import type { EngineExports } from "../engine.js";
import type { Translator } from "../translate/translator.js";
import { resetState } from "./reset.js";

const REASONS: Record<number, ExitReason> = {
  [L.EXIT_BUDGET]: "budget",
  [L.EXIT_HALT]: "halted",
  [L.EXIT_YIELD]: "yield",
  [L.EXIT_SHUTDOWN]: "shutdown",
  [L.EXIT_STOP]: "stopped",
  [L.EXIT_UNMODELLED]: "unmodelled",
};
const IF = 0x200;
const WAIT_FOR_SIPI = 2,
  SHUT_DOWN = 3;

export class CoreVcpu implements Vcpu {
  readonly #view: DataView;
  readonly #cpu: number;
  #running = false;
  #initRequested = false;
  #crash: string | undefined;
  fault: string | undefined;

  constructor(
    readonly id: number,
    view: DataView,
    readonly registers: VcpuRegisters,
    readonly engine: EngineExports,
    readonly translator: Translator,
  ) {
    this.#view = view;
    this.#cpu = L.VCPU_BASE + id * L.VCPU_STRIDE;
  }
  #get(offset: number): number {
    return this.#view.getUint32(this.#cpu + offset, true);
  }
  #set(offset: number, value: number): void {
    this.#view.setUint32(this.#cpu + offset, value, true);
  }

  /** Instructions retired since reset, those of a run under way included. */
  get retired(): number {
    return this.#get(L.RETIRED) + this.#get(L.RETIRED + 4) * 0x100000000 - this.#view.getInt32(this.#cpu + L.COUNT, true);
  }
  get halted(): boolean {
    return this.#get(L.HALTED) !== 0;
  }
  get hasWork(): boolean {
    const halted = this.#get(L.HALTED);
    if (halted === WAIT_FOR_SIPI || halted === SHUT_DOWN) return false;
    if (halted === 0) return true;
    const nmi = this.#get(L.NMI) !== 0 && this.#get(L.NMI_BLOCKED) === 0;
    const enabled = (this.#get(L.EFLAGS) & IF) !== 0;
    const mask = this.#get(L.EVENT_MASK);
    const unmasked = mask === 0 ? undefined : this.#unmasked(mask);
    if (this.#get(L.EVENT) !== 0 && (unmasked ?? enabled)) return true;
    return nmi || (this.#get(L.INTR) !== 0 && enabled && unmasked !== false);
  }

  /** What the guest's own event mask at host address `at` says. */
  #unmasked(at: number): boolean {
    const bits = this.#get(L.EVENT_MASK_BITS);
    const low = bits === 8 ? this.#view.getUint8(at) : bits === 16 ? this.#view.getUint16(at, true) : this.#view.getUint32(at, true);
    const zero = low === 0 && (bits !== 64 || this.#view.getUint32(at + 4, true) === 0);
    return zero === (this.#get(L.EVENT_TAKES) === 0);
  }

  run(budget: number): ExitReason {
    this.#running = true;
    this.#set(L.TSC_SPAN, 0);
    const reason = REASONS[this.engine.run(this.#cpu, budget)] ?? "unmodelled";
    this.#running = false;
    if (this.#initRequested) this.init();
    this.translator.pump();
    if (reason === "shutdown") this.fault = this.#crash ?? `triple fault at rip 0x${this.registers.get("rip").toString(16)}`;
    return reason;
  }
  setInterruptRequest(level: boolean): void {
    this.#set(L.INTR, level ? 1 : 0);
    if (level) this.#set(L.RESTART, 1);
  }
  raiseNmi(): void {
    this.#set(L.NMI, Math.min(this.#get(L.NMI) + 1, this.#get(L.NMI_BLOCKED) === 0 ? 2 : 1));
    this.#set(L.RESTART, 1);
  }
  /** A vCPU that sends INIT to itself finishes the instruction that sent it. */
  init(): void {
    this.#initRequested = this.#running;
    if (this.#running) this.requestStop();
    else resetState(this.#view, this.#cpu, this.id, this.engine, { init: true, waiting: this.id !== 0 });
  }
  startup(vector: number): void {
    if (this.#get(L.HALTED) !== WAIT_FOR_SIPI) return;
    this.registers.setSegment("cs", { selector: (vector << 8) & 0xffff, base: BigInt((vector & 0xff) << 12), limit: 0xffff, access: 0x9b });
    this.registers.set("rip", 0n);
    this.#set(L.HALTED, 0);
  }
  reset(): void {
    this.#view.setBigUint64(this.#cpu + L.RETIRED, 0n, true);
    resetState(this.#view, this.#cpu, this.id, this.engine, { init: false, waiting: this.id !== 0 });
    this.fault = undefined;
    this.#crash = undefined;
  }
  /** Stops for good, with the words that a backend has for it. */
  crash(words: string): void {
    this.#crash = words;
    this.#set(L.HALTED, SHUT_DOWN);
    this.#set(L.RESTART, 1);
  }
  requestStop(): void {
    this.#set(L.STOP, 1);
    this.#set(L.RESTART, 1);
  }
}
