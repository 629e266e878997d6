/** Local APICs with processors that write down what reaches them. */
import { ApicBus } from "../src/lapic/apic-bus.js";
import { ApicMsrs } from "../src/lapic/apic-msrs.js";
import type { ApicProcessor } from "../src/lapic/local-apic.js";
import { ManualClock } from "./fakes.js";

export class RecordingProcessor implements ApicProcessor {
  intr = false;
  log: string[] = [];
  setInterruptRequest(level: boolean): void {
    this.intr = level;
  }
  raiseNmi(): void {
    this.log.push("nmi");
  }
  init(): void {
    this.log.push("init");
  }
  startup(vector: number): void {
    this.log.push(`startup ${vector.toString(16)}`);
  }
}

export const TSC_HZ = 2_500_000_000;

/** `vcpus` APICs, software-enabled, with nothing masked in the way. */
export function apicRig(vcpus = 1) {
  const clock = new ManualClock();
  const eois: number[] = [];
  const pic = { vector: 0x08, asked: 0 };
  const bus = new ApicBus({
    vcpus,
    clock,
    tscHz: TSC_HZ,
    acknowledgeExtInt: () => {
      pic.asked++;
      return pic.vector;
    },
    broadcastEoi: (vector) => eois.push(vector),
  });
  const cpus = bus.apics.map((apic) => {
    const cpu = new RecordingProcessor();
    apic.connect(cpu);
    apic.write(0x0f, 0x1ff);
    return cpu;
  });
  const msrs = new ApicMsrs(bus.apics, 40, () => {});
  /** Takes and ends interrupts until none is left; the vectors in order. */
  const drain = (n = 0) => {
    const vectors: number[] = [];
    while (cpus[n]!.intr && vectors.length < 300) {
      vectors.push(bus.apics[n]!.acknowledge());
      bus.apics[n]!.endOfInterrupt();
    }
    return vectors;
  };
  return { clock, bus, cpus, msrs, eois, pic, drain, apic: bus.apics[0]! };
}
