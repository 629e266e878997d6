/**
 * The local APIC's model-specific registers: IA32_APIC_BASE, IA32_TSC_DEADLINE and, in x2APIC mode, 0x800-0x83f.
 * SDM Vol. 3A §11.4.4 (base), §11.12 (x2APIC: what is #GP) and Figure 11-27 (transitions).
 * Left out: whether the processor model has x2APIC or the deadline timer; a core that offers neither does not pass these MSRs on.
 */
import type { MsrDevice } from "@paravane/paravirt-ops";
import type { LocalApic } from "./local-apic.js";
import * as R from "./registers.js";

const BASE_FLAGS = BigInt(R.APIC_BASE_BSP | R.APIC_BASE_EXTD | R.APIC_BASE_ENABLE);
const LOW_32 = 0xffffffffn;

/** Registers that x2APIC mode can read; ISR, TMR and IRR as ranges. */
function readable(register: number): boolean {
  switch (register) {
    case R.REG_ID:
    case R.REG_VERSION:
    case R.REG_TPR:
    case R.REG_PPR:
    case R.REG_LDR:
    case R.REG_SVR:
    case R.REG_ESR:
    case R.REG_ICR_LOW:
    case R.REG_INITIAL_COUNT:
    case R.REG_CURRENT_COUNT:
    case R.REG_DIVIDE:
      return true;
    default:
      return (register >= R.REG_ISR && register < R.REG_ESR) || (register >= R.REG_LVT_TIMER && register <= R.REG_LVT_ERROR);
  }
}

/** Bits that may be set in a write to a register in x2APIC mode; -1 for registers that cannot be written. */
function writableBits(register: number): number {
  switch (register) {
    case R.REG_TPR:
    case R.REG_SELF_IPI:
      return 0xff;
    case R.REG_EOI:
    case R.REG_ESR:
      return 0;
    case R.REG_SVR:
      return R.SVR_ENABLE | 0xff;
    case R.REG_INITIAL_COUNT:
      return 0xffffffff;
    case R.REG_DIVIDE:
      return 0x0b;
    default:
      return register >= R.REG_LVT_TIMER && register <= R.REG_LVT_ERROR ? R.LVT_DEFINED[register - R.REG_LVT_TIMER]! : -1;
  }
}

/** The MSRs of all local APICs. `physicalBits` is the width of physical addresses; `moved` hears of a changed mode or base. */
export class ApicMsrs implements MsrDevice {
  readonly #apics: readonly LocalApic[];
  readonly #physicalBits: number;
  readonly #moved: () => void;

  constructor(apics: readonly LocalApic[], physicalBits: number, moved: () => void) {
    this.#apics = apics;
    this.#physicalBits = physicalBits;
    this.#moved = moved;
  }

  msrRead(vcpu: number, index: number): bigint | undefined {
    const apic = this.#apics[vcpu];
    if (!apic) return undefined;
    if (index === R.MSR_TSC_DEADLINE) return apic.timer.deadline;
    if (index === R.MSR_APIC_BASE) {
      const flags = (apic.id === 0 ? R.APIC_BASE_BSP : 0) | (apic.x2apic ? R.APIC_BASE_EXTD : 0) | (apic.enabled ? R.APIC_BASE_ENABLE : 0);
      return BigInt(apic.basePage) * 4096n + BigInt(flags);
    }
    const register = index - R.MSR_X2APIC_FIRST;
    if (!apic.x2apic || !readable(register)) return undefined;
    const low = BigInt(apic.read(register));
    return register === R.REG_ICR_LOW ? (BigInt(apic.read(R.REG_ICR_HIGH)) << 32n) | low : low;
  }

  msrWrite(vcpu: number, index: number, value: bigint): boolean {
    const apic = this.#apics[vcpu];
    if (!apic) return false;
    if (index === R.MSR_TSC_DEADLINE) {
      apic.timer.deadline = value;
      return true;
    }
    if (index === R.MSR_APIC_BASE) return this.#writeBase(apic, value);
    const register = index - R.MSR_X2APIC_FIRST;
    if (!apic.x2apic) return false;
    return register === R.REG_ICR_LOW ? this.#writeIcr(apic, value) : this.#writeRegister(apic, register, value);
  }

  #writeRegister(apic: LocalApic, register: number, value: bigint): boolean {
    const bits = writableBits(register);
    if (bits === -1 || value > LOW_32) return false;
    const low = Number(value);
    if ((low & ~bits) !== 0) return false;
    if (register !== R.REG_SELF_IPI) apic.write(register, low);
    else if (low < 16) apic.reportError(R.ESR_SEND_ILLEGAL_VECTOR);
    else apic.deliver(R.MODE_FIXED, low, false);
    return true;
  }

  #writeIcr(apic: LocalApic, value: bigint): boolean {
    const low = Number(value & LOW_32);
    if ((low & R.X2APIC_ICR_RESERVED) !== 0) return false;
    apic.write(R.REG_ICR_HIGH, Number(value >> 32n));
    apic.write(R.REG_ICR_LOW, low);
    return true;
  }

  /** #GP for reserved bits, and for the transitions that Figure 11-27 does not draw. */
  #writeBase(apic: LocalApic, value: bigint): boolean {
    const page = value >> 12n;
    if ((value & 0xfffn & ~BASE_FLAGS) !== 0n || value >> BigInt(this.#physicalBits) !== 0n) return false;
    const enabled = (value & BigInt(R.APIC_BASE_ENABLE)) !== 0n;
    const x2apic = (value & BigInt(R.APIC_BASE_EXTD)) !== 0n;
    if (x2apic && (!enabled || !apic.enabled)) return false;
    if (apic.x2apic && enabled && !x2apic) return false;
    apic.setMode(enabled, x2apic, Number(page));
    this.#moved();
    return true;
  }
}
