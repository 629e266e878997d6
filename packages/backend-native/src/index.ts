/**
 * @paravane/backend-native: the bare machine. Every slot of the contract is named; nearly all say that the core's own semantics hold, so a
 * guest on it costs nothing over a machine without a contract. It is also the layer that other backends are put on top of.
 */
import { type BootProtocol, type BootWay, defineBackend, type GuestImage } from "@paravane/paravirt-ops";
import { Architecture } from "./architecture.js";
import { cpuOps } from "./ops/cpu.js";
import { irqOps } from "./ops/irq.js";
import { mmuOps } from "./ops/mmu.js";
import { smpOps } from "./ops/smp.js";
import { timeOps } from "./ops/time.js";

/** What in an image offers each way in. */
function found(protocol: BootProtocol, { linux, elf, multiboot }: GuestImage): string {
  if (protocol === "multiboot1") return `multiboot header at offset 0x${multiboot?.offset.toString(16)}`;
  if (protocol === "pvh") return `${elf?.bits}-bit ELF with the note XEN_ELFNOTE_PHYS32_ENTRY`;
  const version = `${(linux?.protocol ?? 0) >> 8}.${(linux?.protocol ?? 0) & 0xff}`;
  return `Linux setup header, boot protocol ${version}, ${protocol === "linux64" ? "64-bit" : "32-bit"} entry`;
}

function ways(image: GuestImage): BootWay[] {
  if (image.protocols.length > 0) return image.protocols.map((name) => ({ name, open: true, why: [found(name, image)] }));
  return [{ name: "bare machine", open: false, why: ["no Linux setup header, no multiboot header, no PVH entry"] }];
}

/** The bare machine: boots whatever the monitor's loaders can place, intercepts nothing, delivers architecturally. */
export const native = defineBackend({
  name: "native",
  package: "@paravane/backend-native",
  contract: "^1.0",
  abi: "1",
  needs: [],
  capabilities: ["bare-metal"],
  requires: [],
  boot: { accepts: (image) => (image.protocols.length > 0 ? "allows" : "no"), placement: "monitor", ways: ({ image }) => ways(image) },
  manifest: { part: "native", abi: "1", entries: [] },
  defaults: {},
  install: (_under, environment) => {
    const machine = new Architecture(environment);
    const irq = irqOps(machine, environment);
    return {
      ops: {
        cpu: cpuOps(machine, environment),
        irq,
        mmu: mmuOps(machine, environment),
        time: timeOps(environment),
        smp: smpOps(machine, environment, irq),
      },
    };
  },
});

export default native;
