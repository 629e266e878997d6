/**
 * What a guest can see of the processors: CPUID of every model, and the model-specific registers that it has, found by asking a core to carry
 * out RDMSR with every index in the ranges that processors use; their value is the one after power-on.
 */
import type { AbiEntry } from "../../packages/paravirt-ops/src/index.js";
import { createCore, cpuCore } from "../../packages/cpu-core/src/index.js";
import { cpuidRows } from "../../packages/cpu-core/src/vcpu/cpuid.js";
import { CPU_MODELS, parseCpuModel } from "../../packages/cpu-core/src/vcpu/models.js";

const MIB = 0x100000;
const TSC_HZ = 1e9;
/** Ranges of indices: architectural, AMD's, AMD's second, those that KVM has for itself. */
const MSR_RANGES = [
  [0, 0x1000],
  [0xc0000000, 0xc0000200],
  [0xc0010000, 0xc0011100],
  [0x4b564d00, 0x4b564e00],
] as const;

/** Both vendors' view of the models that can have either. */
const MODEL_TEXTS = [...CPU_MODELS, "paravane,vendor=intel"];

const word = (value: number): string => (value >>> 0).toString(16).padStart(8, "0");

function leaves(text: string): AbiEntry[] {
  const model = parseCpuModel(text);
  const rows = (vcpuId: number, vcpus: number): AbiEntry[] =>
    cpuidRows(model, { vcpuId, vcpus, tscHz: TSC_HZ }).map(({ leaf, subleaf, eax, ebx, ecx, edx }) => ({
      kind: "cpuid",
      name: `${text}${vcpus > 1 ? `, vCPU ${vcpuId} of ${vcpus}` : ""}: ${word(leaf)}${subleaf === 0xffffffff ? "" : `.${subleaf}`}`,
      value: [eax, ebx, ecx, edx].map(word).join(" "),
    }));
  const alone = rows(0, 1);
  const known = new Set(alone.map(({ name, value }) => `${name.split(": ")[1]} ${value}`));
  return [...alone, ...rows(1, 2).filter(({ name, value }) => !known.has(`${name.split(": ")[1]} ${value}`))];
}

async function registers(text: string): Promise<AbiEntry[]> {
  const ramBytes = MIB;
  const pages = Math.ceil(cpuCore.plan({ ramBytes, vcpus: 1 }).memoryBytes / 65536);
  const nobody = { read: () => 0xffffffff, write: () => {}, attach: () => {}, detach: () => {} };
  const core = await createCore({
    memory: new WebAssembly.Memory({ initial: pages, maximum: pages }),
    ramBytes,
    vcpus: 1,
    cpuModel: text,
    pio: nobody,
    mmio: nobody,
    localInterrupts: { acknowledge: () => -1, readTaskPriority: () => 0, writeTaskPriority: () => {} },
    msrs: { msrRead: () => undefined, msrWrite: () => false },
    readTsc: () => 0,
    tscHz: TSC_HZ,
    random: () => {},
  });
  const found: AbiEntry[] = [];
  for (const [from, to] of MSR_RANGES) {
    for (let index = from; index < to; index++) {
      // RDMSR itself, so that what the model lacks is #GP here as it is for a guest.
      const value = core.hypervisor!.execute(0, { instruction: "rdmsr", index });
      if (typeof value === "bigint") found.push({ kind: "msr", name: `${text}: ${word(index)}`, value: `0x${value.toString(16)}` });
    }
  }
  core.close();
  return found;
}

/** The promise of the core. */
export async function coreEntries(): Promise<AbiEntry[]> {
  const found: AbiEntry[] = [];
  for (const text of MODEL_TEXTS) found.push(...leaves(text), ...(await registers(text)));
  return found;
}
