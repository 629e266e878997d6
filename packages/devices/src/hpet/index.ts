/** High precision event timer. */
export { HPET_HZ, HPET_ID, HPET_TIMERS, Hpet, type HpetState } from "./hpet.js";
export { attachHpet, HPET_BASE, type HpetWires, type MmioHpet } from "./mmio-hpet.js";
