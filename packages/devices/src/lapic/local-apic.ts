/**
 * One local APIC, xAPIC or x2APIC. SDM Vol. 3A chapter 11. Registers and priorities are here; the pins are local-vector-table.ts, messages between
 * APICs are apic-bus.ts, IA32_APIC_BASE and the x2APIC's MSR rules are apic-msrs.ts.
 * Left out: spurious vectors (INTR falls in the same instant as its cause), SMI, thermal and performance interrupts (their entries are kept but
 * nothing raises them), CMCI, EOI-broadcast suppression.
 */
import type { Clock, Vcpu } from "@paravane/paravirt-ops";
import { requireSchema } from "../schema.js";
import { ApicTimer, type ApicTimerState } from "./apic-timer.js";
import { LocalVectorTable, type LocalVectorTableState } from "./local-vector-table.js";
import * as R from "./registers.js";
import { VectorSet } from "./vector-set.js";

/** The pins and registers of a vCPU that its local APIC drives. */
export type ApicProcessor = Pick<Vcpu, "setInterruptRequest" | "raiseNmi" | "init" | "startup">;

/** What an APIC needs from the wires between APICs. */
export interface ApicMessages {
  /** Sends an interprocessor interrupt: `low` is ICR bits 0-31, `destination` as wide as the sender's mode has it. */
  sendIpi(source: LocalApic, low: number, destination: number): void;
  /** A level-triggered interrupt was completed. */
  broadcastEoi(vector: number): void;
  /** INTA to the 8259 pair behind LINT0. */
  acknowledgeExtInt(): number;
}

/** Everything a local APIC remembers; sets of vectors are eight words each. */
export interface LocalApicState {
  readonly schema: "local-apic@1";
  enabled: boolean;
  x2apic: boolean;
  basePage: number;
  xapicId: number;
  irr: number[];
  isr: number[];
  tmr: number[];
  tpr: number;
  ldr: number;
  dfr: number;
  svr: number;
  esr: number;
  errors: number;
  icrLow: number;
  icrHigh: number;
  lvt: LocalVectorTableState;
  extInt: boolean;
  timer: ApicTimerState;
}

/** A local APIC. */
export class LocalApic {
  /** Index of the vCPU; the initial APIC ID, and for good that of x2APIC mode. */
  readonly id: number;
  readonly timer: ApicTimer;
  readonly #messages: ApicMessages;
  #processor: ApicProcessor | undefined;
  readonly #irr = new VectorSet();
  readonly #isr = new VectorSet();
  readonly #tmr = new VectorSet();
  readonly #lvt: LocalVectorTable;
  #enabled = true;
  #x2apic = false;
  #basePage = R.APIC_DEFAULT_PAGE;
  /** The ID of xAPIC mode, which software can write. */
  #xapicId: number;
  #tpr = 0;
  #ldr = 0;
  #dfr: number = R.DFR_FLAT;
  #svr = 0xff;
  #esr = 0;
  #errors = 0;
  #icrLow = 0;
  #icrHigh = 0;
  /** An ExtINT message came over the bus and was not acknowledged yet. */
  #extInt = false;
  #intr = false;
  /** Level of the timer entry's input from outside. */
  #timerInput = false;

  constructor(id: number, messages: ApicMessages, clock: Clock, tscHz: number) {
    this.id = id;
    this.#xapicId = id;
    this.#messages = messages;
    this.#lvt = new LocalVectorTable((mode, vector, level) => this.deliver(mode, vector, level));
    this.timer = new ApicTimer(`lapic-timer-${id}`, clock, tscHz, () => this.#raiseTimer());
    this.reset();
  }

  /** Joins the processor; its INTR pin gets the present level. */
  connect(processor: ApicProcessor): void {
    this.#processor = processor;
    processor.setInterruptRequest(this.#intr);
  }

  /** RESET: power-on state, xAPIC mode at the default address. Pin levels stay, others drive them. */
  reset(): void {
    this.#enabled = true;
    this.#x2apic = false;
    this.#basePage = R.APIC_DEFAULT_PAGE;
    this.#xapicId = this.id;
    this.clear();
  }

  /** The state that INIT leaves, and global disabling: everything but mode, address, ID and pins (SDM §11.4.7.3). */
  clear(): void {
    this.#irr.clear();
    this.#isr.clear();
    this.#tmr.clear();
    this.#tpr = 0;
    this.#ldr = 0;
    this.#dfr = R.DFR_FLAT;
    this.#svr = 0xff;
    this.#esr = 0;
    this.#errors = 0;
    this.#icrLow = 0;
    this.#icrHigh = 0;
    this.#lvt.clear();
    this.#extInt = false;
    this.timer.reset();
    this.#update();
  }

  /** IA32_APIC_BASE bit 11. */
  get enabled(): boolean {
    return this.#enabled;
  }
  /** IA32_APIC_BASE bit 10. */
  get x2apic(): boolean {
    return this.#x2apic;
  }
  /** Frame of the xAPIC's register page. */
  get basePage(): number {
    return this.#basePage;
  }
  /** Processor priority: what an interrupt must exceed. */
  get processorPriority(): number {
    const serving = this.#isr.highest();
    const servingClass = serving < 0 ? 0 : serving & 0xf0;
    return (this.#tpr & 0xf0) >= servingClass ? this.#tpr : servingClass;
  }
  /** True when fixed interrupts are accepted. */
  get accepting(): boolean {
    return this.#enabled && (this.#svr & R.SVR_ENABLE) !== 0;
  }
  get taskPriority(): number {
    return this.#tpr;
  }
  set taskPriority(value: number) {
    this.#tpr = value & 0xff;
    this.#update();
  }

  /** Sets mode and register page; the caller has checked that the transition is legal. Disabling clears all but the task priority. */
  setMode(enabled: boolean, x2apic: boolean, basePage: number): void {
    const tpr = this.#tpr;
    const disables = this.#enabled && !enabled;
    this.#enabled = enabled;
    this.#x2apic = x2apic;
    this.#basePage = basePage;
    if (disables) {
      this.clear();
      this.#xapicId = this.id;
      this.#tpr = tpr;
    }
    this.#update();
  }

  /** True when a message for `destination` is for this APIC. `broadcast`: the sender's all-ones address. */
  matches(destination: number, logical: boolean, broadcast: boolean): boolean {
    if (!this.#enabled) return false;
    if (broadcast) return true;
    if (!logical) return destination === (this.#x2apic ? this.id : this.#xapicId);
    const ldr = this.logicalId;
    if (this.#x2apic) return destination >>> 16 === ldr >>> 16 && (destination & ldr & 0xffff) !== 0;
    if (this.#dfr === R.DFR_FLAT) return ((ldr >>> 24) & destination & 0xff) !== 0;
    return ldr >>> 28 === (destination >>> 4) % 16 && ((ldr >>> 24) & destination & 0x0f) !== 0;
  }

  /** The logical destination register; the x2APIC's follows from the ID. */
  get logicalId(): number {
    return this.#x2apic ? (((this.id >>> 4) << 16) | (1 << (this.id & 15))) >>> 0 : this.#ldr;
  }

  /** A message has arrived: delivery mode, vector, and whether it is level-triggered. */
  deliver(mode: number, vector: number, level: boolean): void {
    switch (mode) {
      case R.MODE_FIXED:
      case R.MODE_LOWEST_PRIORITY:
        this.#accept(vector, level);
        break;
      case R.MODE_NMI:
        this.#processor?.raiseNmi();
        break;
      case R.MODE_INIT:
        this.clear();
        this.#processor?.init();
        break;
      case R.MODE_STARTUP:
        this.#processor?.startup(vector);
        break;
      case R.MODE_EXTINT:
        this.#extInt = true;
        this.#update();
        break;
      // SMI: there is no system management mode.
    }
  }

  /** INTA: the vector to deliver, now in service; -1 when nothing is deliverable. */
  acknowledge(): number {
    if (this.#extIntRequested()) {
      this.#extInt = false;
      const vector = this.#messages.acknowledgeExtInt();
      this.#update();
      return vector;
    }
    const vector = this.#deliverable();
    if (vector < 0) return -1;
    this.#irr.remove(vector);
    this.#isr.add(vector);
    this.#update();
    return vector;
  }

  /** Drives the LINT0 pin: the 8259 pair's INT. */
  setLint0(level: boolean): void {
    this.#lvt.setPin(R.LVT_LINT0, level, this.#enabled);
    this.#update();
  }
  /** Drives the LINT1 pin: the board's NMI. */
  setLint1(level: boolean): void {
    this.#lvt.setPin(R.LVT_LINT1, level, this.#enabled);
  }

  /** A timer other than the APIC's own drives the timer entry: a rise is delivered unless the entry is masked. */
  setTimerInput(level: boolean): void {
    if (level === this.#timerInput) return;
    this.#timerInput = level;
    if (level && this.#enabled && this.#lvt.unmaskedVector(R.LVT_TIMER) >= 0) this.#raiseTimer();
  }

  /** Completes the highest interrupt in service. */
  endOfInterrupt(): void {
    const vector = this.#isr.highest();
    if (vector < 0) return;
    this.#isr.remove(vector);
    if (this.#tmr.has(vector)) {
      this.#lvt.endOfInterrupt(vector);
      this.#messages.broadcastEoi(vector);
    }
    this.#update();
  }

  /** Reads a register by number; registers that do not exist read 0 and are an error. */
  read(register: number): number {
    switch (register) {
      case R.REG_ID:
        return this.#x2apic ? this.id : (this.#xapicId << 24) >>> 0;
      case R.REG_VERSION:
        return R.APIC_VERSION;
      case R.REG_TPR:
        return this.#tpr;
      case R.REG_PPR:
        return this.processorPriority;
      case R.REG_EOI:
        return 0;
      case R.REG_LDR:
        return this.logicalId;
      case R.REG_DFR:
        return ((this.#dfr << 28) | 0x0fffffff) >>> 0;
      case R.REG_SVR:
        return this.#svr;
      case R.REG_ESR:
        return this.#esr;
      case R.REG_ICR_LOW:
        return this.#icrLow;
      case R.REG_ICR_HIGH:
        return this.#icrHigh;
      case R.REG_INITIAL_COUNT:
        return this.timer.initialCount;
      case R.REG_CURRENT_COUNT:
        return this.timer.currentCount;
      case R.REG_DIVIDE:
        return this.timer.divideConfig;
    }
    if (register >= R.REG_ISR && register < R.REG_TMR) return this.#isr.word(register - R.REG_ISR);
    if (register >= R.REG_TMR && register < R.REG_IRR) return this.#tmr.word(register - R.REG_TMR);
    if (register >= R.REG_IRR && register < R.REG_ESR) return this.#irr.word(register - R.REG_IRR);
    if (register >= R.REG_LVT_TIMER && register <= R.REG_LVT_ERROR) return this.#lvt.read(register - R.REG_LVT_TIMER);
    this.#error(R.ESR_ILLEGAL_REGISTER);
    return 0;
  }

  /** Writes a register by number; read-only and absent ones are an error. */
  write(register: number, value: number): void {
    switch (register) {
      case R.REG_TPR:
        this.taskPriority = value;
        return;
      case R.REG_EOI:
        this.endOfInterrupt();
        return;
      case R.REG_LDR:
        this.#ldr = (value & 0xff000000) >>> 0;
        return;
      case R.REG_DFR:
        this.#dfr = value >>> 28;
        return;
      case R.REG_SVR:
        this.#writeSpurious(value);
        return;
      case R.REG_ESR:
        this.#esr = this.#errors;
        this.#errors = 0;
        return;
      case R.REG_ICR_LOW:
        this.#icrLow = value & R.ICR_WRITABLE;
        this.#messages.sendIpi(this, this.#icrLow, this.#x2apic ? this.#icrHigh : this.#icrHigh >>> 24);
        return;
      case R.REG_ICR_HIGH:
        this.#icrHigh = this.#x2apic ? value >>> 0 : (value & 0xff000000) >>> 0;
        return;
      case R.REG_INITIAL_COUNT:
        this.timer.initialCount = value >>> 0;
        return;
      case R.REG_DIVIDE:
        this.timer.divideConfig = value;
        return;
      case R.REG_ID:
        this.#xapicId = value >>> 24;
        return;
      case R.REG_VERSION:
      case R.REG_PPR:
      case R.REG_CURRENT_COUNT:
        return; // read only
    }
    if (register >= R.REG_LVT_TIMER && register <= R.REG_LVT_ERROR) this.#writeLvt(register - R.REG_LVT_TIMER, value);
    else if (register < R.REG_ISR || register >= R.REG_ESR) this.#error(R.ESR_ILLEGAL_REGISTER);
  }

  /** Notes an error; the guest sees it in the ESR after writing there, and by the error interrupt. */
  reportError(bit: number): void {
    this.#error(bit);
  }

  save(): LocalApicState {
    return {
      schema: "local-apic@1",
      enabled: this.#enabled,
      x2apic: this.#x2apic,
      basePage: this.#basePage,
      xapicId: this.#xapicId,
      irr: this.#irr.toArray(),
      isr: this.#isr.toArray(),
      tmr: this.#tmr.toArray(),
      tpr: this.#tpr,
      ldr: this.#ldr,
      dfr: this.#dfr,
      svr: this.#svr,
      esr: this.#esr,
      errors: this.#errors,
      icrLow: this.#icrLow,
      icrHigh: this.#icrHigh,
      lvt: this.#lvt.save(),
      extInt: this.#extInt,
      timer: this.timer.save(),
    };
  }

  /** Restores registers and drives INTR; edges that were seen at the pins are not seen again. */
  load(state: LocalApicState): void {
    requireSchema(state, "local-apic@1");
    this.#enabled = state.enabled;
    this.#x2apic = state.x2apic;
    this.#basePage = state.basePage;
    this.#xapicId = state.xapicId;
    this.#irr.load(state.irr);
    this.#isr.load(state.isr);
    this.#tmr.load(state.tmr);
    this.#tpr = state.tpr;
    this.#ldr = state.ldr;
    this.#dfr = state.dfr;
    this.#svr = state.svr;
    this.#esr = state.esr;
    this.#errors = state.errors;
    this.#icrLow = state.icrLow;
    this.#icrHigh = state.icrHigh;
    this.#lvt.load(state.lvt);
    this.#extInt = state.extInt;
    this.timer.load(state.timer);
    this.#update();
  }

  #extIntRequested(): boolean {
    if (this.#extInt) return true;
    // Without an APIC, LINT0 of the boot processor is its INTR pin.
    return this.#enabled ? this.#lvt.extIntRequested : this.id === 0 && this.#lvt.lint0;
  }

  /** The vector that would be taken now, or -1. */
  #deliverable(): number {
    const request = this.#irr.highest();
    return request >= 0 && (request & 0xf0) > (this.processorPriority & 0xf0) ? request : -1;
  }

  #update(): void {
    const level = this.#extIntRequested() || (this.#enabled && this.#deliverable() >= 0);
    if (level === this.#intr) return;
    this.#intr = level;
    this.#processor?.setInterruptRequest(level);
  }

  #accept(vector: number, level: boolean): void {
    if (!this.accepting) return;
    if (vector < 16) {
      this.#error(R.ESR_RECEIVE_ILLEGAL_VECTOR);
      return;
    }
    this.#irr.add(vector);
    if (level) this.#tmr.add(vector);
    else this.#tmr.remove(vector);
    this.#update();
  }

  #raiseTimer(): void {
    this.#accept(this.#lvt.read(R.LVT_TIMER) & 0xff, false);
  }

  #writeSpurious(value: number): void {
    this.timer.settle();
    this.#svr = value & R.SVR_WRITABLE;
    if ((value & R.SVR_ENABLE) === 0) {
      this.#lvt.maskAll();
      this.timer.setVectorEntry(this.#lvt.read(R.LVT_TIMER), true);
    }
    this.#update();
  }

  #writeLvt(index: number, value: number): void {
    if (index === R.LVT_TIMER) this.timer.settle();
    this.#lvt.write(index, value, (this.#svr & R.SVR_ENABLE) !== 0);
    if (index === R.LVT_TIMER) this.timer.setVectorEntry(this.#lvt.read(index), this.#lvt.unmaskedVector(index) < 0);
    else if (this.#enabled) this.#lvt.reconsider(index);
    this.#update();
  }

  #error(bit: number): void {
    this.#errors |= bit;
    const vector = this.#lvt.unmaskedVector(R.LVT_ERROR);
    if (vector >= 16) this.#accept(vector, false);
  }
}
