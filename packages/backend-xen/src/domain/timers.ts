/** A vCPU's timers and what it can read of the time. public/vcpu.h, public/xen.h vcpu_time_info. */
import type { ClockEvent, Timekeeping } from "@paravane/paravirt-ops";
import { vcpu_time_info, vcpu_info } from "../abi/xen.js";
import type { VcpuInfo } from "./shared-info.js";

/** Every PV vCPU starts with a tick of a hundredth of a second. */
const DEFAULT_PERIOD_NS = 10_000_000;
const TSC_STABLE = 1;

/** What timers tell. */
export interface TimerTarget {
  /** VIRQ_TIMER. */
  tick(): void;
  /** The end of a poll. */
  pollExpired(): void;
}

/** Factor and shift by which ticks become ns: ns = (ticks << shift) * factor >> 32, the factor below 2^32. */
export function timeScale(hz: number): { factor: number; shift: number } {
  let shift = 0;
  let factor = 1e9 / hz;
  while (factor >= 1) {
    factor /= 2;
    shift++;
  }
  while (factor < 0.5) {
    factor *= 2;
    shift--;
  }
  return { factor: Math.floor(factor * 2 ** 32), shift };
}

/** The timers of one vCPU: calls program the periodic one and the single shot apart, and operations both as one clock event device. */
export class VcpuTimers {
  readonly #periodic: ClockEvent;
  readonly #single: ClockEvent;
  readonly #poll: ClockEvent;

  constructor(
    vcpu: number,
    private readonly time: Timekeeping,
    target: TimerTarget,
  ) {
    this.#periodic = time.createClockEvent(vcpu, "xen-periodic", () => target.tick());
    this.#single = time.createClockEvent(vcpu, "xen-single", () => target.tick());
    this.#poll = time.createClockEvent(vcpu, "xen-poll", () => target.pollExpired());
  }

  /** The tick that a vCPU is born with. */
  start(): void {
    this.#periodic.setPeriodic(DEFAULT_PERIOD_NS);
  }

  /** As one device: whatever was programmed is replaced. */
  setNextEvent(deadlineNs: number): void {
    this.#periodic.shutdown();
    this.#single.setNextEvent(deadlineNs);
  }

  /** As one device. */
  setPeriodic(periodNs: number): void {
    this.#single.shutdown();
    this.#periodic.setPeriodic(periodNs);
  }

  /** As one device. */
  shutdown(): void {
    this.#single.shutdown();
    this.#periodic.shutdown();
  }

  /** The periodic timer alone. */
  startPeriodic(periodNs: number): void {
    this.#periodic.setPeriodic(periodNs);
  }

  stopPeriodic(): void {
    this.#periodic.shutdown();
  }

  setSingle(deadlineNs: number): void {
    this.#single.setNextEvent(deadlineNs);
  }

  stopSingle(): void {
    this.#single.shutdown();
  }

  poll(deadlineNs: number): void {
    this.#poll.setNextEvent(deadlineNs);
  }

  stopPoll(): void {
    this.#poll.shutdown();
  }

  /** Writes the time to where the vCPU reads it. */
  publish(info: VcpuInfo): void {
    const { bytes } = info;
    this.#write(new DataView(bytes.buffer, bytes.byteOffset + vcpu_info[64].fields.time.offset, vcpu_time_info[64].size));
  }

  /** A copy for elsewhere. */
  timeInfo(): Uint8Array {
    const bytes = new Uint8Array(vcpu_time_info[64].size);
    this.#write(new DataView(bytes.buffer));
    return bytes;
  }

  /** An odd version while it changes. System time is guest time, and the TSC counts it. */
  #write(view: DataView): void {
    const { fields } = vcpu_time_info[64];
    const version = view.getUint32(fields.version.offset, true);
    view.setUint32(fields.version.offset, version + 1, true);
    const { factor, shift } = timeScale(this.time.clocksource.hz);
    view.setBigUint64(fields.tsc_timestamp.offset, 0n, true);
    view.setBigUint64(fields.system_time.offset, 0n, true);
    view.setUint32(fields.tsc_to_system_mul.offset, factor, true);
    view.setInt8(fields.tsc_shift.offset, shift);
    view.setUint8(fields.flags.offset, TSC_STABLE);
    view.setUint32(fields.version.offset, version + 2, true);
  }
}
