/** Pebble: a hypervisor of four calls over the bare machine. */
import {
  type BackendEnvironment,
  defineBackend,
  type InterceptAnswer,
  layerOver,
  requireHypervisor,
  requireUnder,
  type Vcpu,
} from "@paravane/paravirt-ops";
import { calls, manifest, NO_CALL, SIGNATURE, SIGNATURE_LEAF } from "./abi.js";

/** Settings of Pebble. */
export interface PebbleConfig {
  /** A guest may not sleep longer than this, in microseconds. */
  readonly longestSleepUs: number;
}

/** What of a kernel comes here. */
const intercepts = ["cpuid", "vmcall"] as const;

const low = (vcpu: Vcpu, name: "rax" | "rbx"): number => Number(BigInt.asUintN(32, vcpu.registers.get(name)));

export const pebble = defineBackend<PebbleConfig>({
  name: "pebble",
  package: "backend-pebble",
  abi: "1",
  contract: "^1.0",
  needs: ["native"],
  capabilities: ["pebble-calls"],
  requires: ["operations", "hypervisor"],
  boot: { accepts: (image) => (image.protocols.length > 0 ? "allows" : "no"), placement: "monitor" },
  manifest,
  defaults: { longestSleepUs: 1_000_000 },
  install(beneath, environment: BackendEnvironment, config) {
    const ops = layerOver(requireUnder(beneath, "pebble"), {});
    const hypervisor = requireHypervisor(environment, "pebble");
    const { clock, console, taps, time, vcpus } = environment;
    const timers = vcpus.map(({ id }) => time.createClockEvent(id, "pebble sleep", () => hypervisor.wake(id)));
    for (const { id } of vcpus) hypervisor.setIntercepts(id, 0, { instructions: intercepts, exceptions: [], interrupts: false });

    function cpuid(vcpu: Vcpu): InterceptAnswer {
      if (low(vcpu, "rax") !== SIGNATURE_LEAF) return "architectural";
      const [ebx, ecx, edx] = SIGNATURE;
      for (const [name, value] of Object.entries({ rax: SIGNATURE_LEAF, rbx: ebx, rcx: ecx, rdx: edx })) {
        vcpu.registers.set(name as "rax", BigInt(value));
      }
      return "next";
    }

    function call(vcpu: Vcpu, number: number, argument: number): number {
      switch (number) {
        case calls.putc:
          return console.write(Uint8Array.of(argument & 0xff)) ? 0 : NO_CALL;
        case calls.now:
          return Math.floor(clock.nowNs() / 1000) >>> 0;
        case calls.sleep:
          timers[vcpu.id]!.setNextEvent(clock.nowNs() + Math.min(argument, config.longestSleepUs) * 1000);
          hypervisor.park(vcpu.id);
          return 0;
        case calls.powerOff:
          ops.smp.shutdown.run(vcpu, "poweroff");
          return 0;
        default:
          return NO_CALL;
      }
    }

    return {
      ops,
      intercept(id, { instruction }) {
        const vcpu = vcpus[id]!;
        if (instruction === "cpuid") return cpuid(vcpu);
        if (instruction !== "vmcall") return "architectural";
        const [number, argument] = [low(vcpu, "rax"), low(vcpu, "rbx")];
        const answer = call(vcpu, number, argument);
        vcpu.registers.set("rax", BigInt(answer));
        const name = Object.entries(calls).find(([, value]) => value === number)?.[0] ?? `call ${number}`;
        taps.hypercall?.(clock.nowNs(), id, name, [BigInt(argument)], BigInt(answer));
        return "next";
      },
      close() {
        for (const timer of timers) timer.shutdown();
      },
    };
  },
});
