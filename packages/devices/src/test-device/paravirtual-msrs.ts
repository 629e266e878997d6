/**
 * The MSRs of KVM's paravirtual interface that kernel test suites write without asking whether they are there: clock, wall clock and
 * asynchronous page faults. Linux Documentation/virt/kvm/x86/msr.rst. No page fault is ever asynchronous here, so enabling that has no effect.
 * Left out: the clock's page follows no TSC that the guest writes after it has enabled the clock; the registers are in no saved state.
 */
import type { Clock, GuestMemory, MsrDevice, WallClock } from "@paravane/paravirt-ops";

const WALL_CLOCK = 0x4b564d00;
const SYSTEM_TIME = 0x4b564d01;
const ASYNC_PF = 0x4b564d02;
const ENABLE = 1n;
const TIME_BYTES = 32;
const WALL_BYTES = 12;
const TSC_STABLE = 1;
/** Enable, send always, deliver as interrupt and the like; the rest is an address. */
const ASYNC_PF_RESERVED = 0x30n;

/** What the registers need of the board. */
export interface ParavirtualWiring {
  readonly clock: Clock;
  readonly wallClock: WallClock;
  readonly tscHz: number;
  memory(): GuestMemory | undefined;
  /** The vCPU's own TSC now. */
  guestTsc(vcpu: number): bigint;
}

/** Those registers in front of the board's others. */
export class ParavirtualMsrs implements MsrDevice {
  readonly #values = new Map<string, bigint>();

  constructor(
    private readonly others: MsrDevice,
    private readonly wiring: ParavirtualWiring,
  ) {}

  msrRead(vcpu: number, index: number): bigint | undefined {
    if (index < WALL_CLOCK || index > ASYNC_PF) return this.others.msrRead(vcpu, index);
    return this.#values.get(`${vcpu} ${index}`) ?? 0n;
  }

  msrWrite(vcpu: number, index: number, value: bigint): boolean {
    switch (index) {
      case WALL_CLOCK:
        this.#writeWallClock(value);
        break;
      case SYSTEM_TIME:
        if (value & ENABLE) this.#writeTime(vcpu, value & ~ENABLE);
        break;
      case ASYNC_PF:
        if (value & ASYNC_PF_RESERVED) return false;
        break;
      default:
        return this.others.msrWrite(vcpu, index, value);
    }
    this.#values.set(`${vcpu} ${index}`, value);
    return true;
  }

  reset(): void {
    this.#values.clear();
  }

  /** struct pvclock_vcpu_time_info: time = system_time + ((tsc - tsc_timestamp) << shift) * mul / 2^32. */
  #writeTime(vcpu: number, address: bigint): void {
    const { clock, tscHz, guestTsc } = this.wiring;
    let shift = 0;
    let factor = 1e9 / tscHz;
    for (; factor >= 1; factor /= 2) shift++;
    for (; factor < 0.5; factor *= 2) shift--;
    const bytes = new DataView(new ArrayBuffer(TIME_BYTES));
    bytes.setUint32(0, 2, true);
    bytes.setBigUint64(8, BigInt.asUintN(64, guestTsc(vcpu)), true);
    bytes.setBigUint64(16, BigInt(clock.nowNs()), true);
    bytes.setUint32(24, Math.round(factor * 2 ** 32), true);
    bytes.setInt8(28, shift);
    bytes.setUint8(29, TSC_STABLE);
    this.#store(address, bytes);
  }

  /** struct pvclock_wall_clock: civil time when the clock was zero. */
  #writeWallClock(address: bigint): void {
    const ms = this.wiring.wallClock.nowMs() - this.wiring.clock.nowNs() / 1e6;
    const seconds = Math.floor(ms / 1000);
    const bytes = new DataView(new ArrayBuffer(WALL_BYTES));
    bytes.setUint32(0, 2, true);
    bytes.setUint32(4, seconds >>> 0, true);
    bytes.setUint32(8, Math.floor((ms - seconds * 1000) * 1e6), true);
    this.#store(address, bytes);
  }

  #store(address: bigint, bytes: DataView): void {
    const memory = this.wiring.memory();
    const at = Number(address);
    if (memory?.contains(at, bytes.byteLength)) memory.write(at, new Uint8Array(bytes.buffer));
  }
}
