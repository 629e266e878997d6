/**
 * CPU models and the text of `--cpu`: MODEL,+feature,-feature,vendor=V,phys-bits=N. The default's identity is a recorded decision, since it decides
 * which mitigations every kernel switches on: docs/decisions/2026-11-default-cpu-model.md.
 */
import { HvError } from "@paravane/paravirt-ops";
import { type FeatureName, FEATURES, featureNamed, NOT_IMPLEMENTED } from "./features.js";

export type CpuVendor = "intel" | "amd";

/** What a guest sees of the processor. */
export interface CpuModel {
  readonly name: string;
  readonly vendor: CpuVendor;
  readonly family: number;
  readonly model: number;
  readonly stepping: number;
  /** At most 47 characters. */
  readonly brand: string;
  readonly physicalBits: number;
  readonly features: ReadonlySet<FeatureName>;
  /** Is the feature advertised, hence its instructions there? Takes any spelling. */
  has(feature: string): boolean;
}

interface Definition {
  readonly vendor: CpuVendor;
  readonly family: number;
  readonly model: number;
  readonly stepping: number;
  readonly brand: string;
  readonly physicalBits: number;
  readonly features: readonly FeatureName[];
  /** Identity under the other vendor's name. */
  readonly intel?: { family: number; model: number; stepping: number };
}

const I586: readonly FeatureName[] = ["fpu", "vme", "de", "pse", "tsc", "msr", "mce", "cx8"];
const I686: readonly FeatureName[] = [...I586, "pae", "apic", "sep", "mtrr", "pge", "mca", "cmov", "pat", "pse36", "mmx", "fxsr"];
const X86_64: readonly FeatureName[] = [...I686, "clflush", "sse", "sse2", "syscall", "nx", "lm"];

/** Features that only one vendor's processors show. */
const AMD_ONLY: readonly FeatureName[] = [
  "mmxext",
  "xsaveerptr",
  "amd-ssb-no",
  "lfence-serializing",
  "null-sel-clr-base",
  "autoibrs",
  "srso-no",
  "tsa-sq-no",
  "tsa-l1-no",
];
const INTEL_ONLY: readonly FeatureName[] = ["spec-ctrl", "arch-capabilities"];

const MODELS: Readonly<Record<string, Definition>> = {
  paravane: {
    vendor: "amd",
    family: 0x19,
    model: 0x11,
    stepping: 1,
    brand: "Paravane Virtual CPU",
    physicalBits: 40,
    intel: { family: 6, model: 0x8f, stepping: 4 },
    features: (Object.keys(FEATURES) as FeatureName[]).filter((name) => !INTEL_ONLY.includes(name)),
  },
  qemu64: {
    vendor: "amd",
    family: 15,
    model: 107,
    stepping: 1,
    brand: "Paravane Virtual CPU (qemu64)",
    physicalBits: 40,
    intel: { family: 6, model: 15, stepping: 11 },
    features: [...X86_64, "sse3", "cx16", "x2apic", "tsc-deadline", "tsc-adjust", "lahf-lm", "hypervisor"],
  },
  kvm64: {
    vendor: "intel",
    family: 15,
    model: 6,
    stepping: 1,
    brand: "Paravane Virtual CPU (kvm64)",
    physicalBits: 40,
    features: [...X86_64, "sse3", "cx16", "x2apic", "hypervisor"],
  },
  opteron_g1: {
    vendor: "amd",
    family: 15,
    model: 6,
    stepping: 1,
    brand: "Paravane Virtual CPU (Opteron_G1)",
    physicalBits: 40,
    features: [...X86_64, "sse3"],
  },
  pentium3: {
    vendor: "intel",
    family: 6,
    model: 8,
    stepping: 3,
    brand: "Paravane Virtual CPU (pentium3)",
    physicalBits: 36,
    features: [...I686, "sse"],
  },
  pentium: { vendor: "intel", family: 5, model: 4, stepping: 3, brand: "", physicalBits: 32, features: [...I586, "apic", "mmx"] },
  "486": { vendor: "intel", family: 4, model: 8, stepping: 0, brand: "", physicalBits: 32, features: ["fpu", "vme"] },
};

/** Names that mean another model. */
const ALIASES: Readonly<Record<string, string>> = { max: "paravane" };

/** Models by name, the default first. */
export const CPU_MODELS: readonly string[] = [
  "paravane",
  ...Object.keys(MODELS)
    .filter((name) => name !== "paravane")
    .sort(),
];

const VENDORS: Readonly<Record<string, CpuVendor>> = { intel: "intel", genuineintel: "intel", amd: "amd", authenticamd: "amd" };

function unknownFeature(spelling: string): HvError {
  const name = spelling.toLowerCase().replaceAll("_", "-");
  if (NOT_IMPLEMENTED.includes(name)) {
    return new HvError("cpu/not-implemented", `the CPU feature "${name}" is not implemented, so it cannot be switched on`);
  }
  return new HvError("cpu/unknown-feature", `there is no CPU feature "${spelling}"`, {
    hint: `known features: ${Object.keys(FEATURES).sort().join(" ")}`,
  });
}

function addFeature(features: Set<FeatureName>, name: FeatureName): void {
  if (features.has(name)) return;
  features.add(name);
  for (const needed of FEATURES[name].needs ?? []) addFeature(features, needed as FeatureName);
}

function dropFeature(features: Set<FeatureName>, name: FeatureName): void {
  features.delete(name);
  for (const other of features) if (FEATURES[other].needs?.includes(name)) dropFeature(features, other);
}

function parseNumber(key: string, text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 0 || value > 0xff + 15)
    throw new HvError("cpu/bad-option", `--cpu ${key}=${text}: not a number that CPUID can hold`);
  return value;
}

interface Choice {
  vendor: CpuVendor | undefined;
  physicalBits: number | undefined;
  numbers: Map<string, number>;
  changes: [name: FeatureName, on: boolean][];
}

/** One item after the model's name. */
function parseItem(item: string, choice: Choice): void {
  const equals = item.indexOf("=");
  const key = (equals < 0 ? item : item.slice(0, equals)).toLowerCase();
  const value = equals < 0 ? "" : item.slice(equals + 1).toLowerCase();
  if (key === "vendor") {
    choice.vendor = VENDORS[value];
    if (choice.vendor === undefined)
      throw new HvError("cpu/bad-option", `--cpu vendor=${value}: the vendors are ${Object.keys(VENDORS).join(", ")}`);
    return;
  }
  if (key === "phys-bits") {
    choice.physicalBits = Number(value);
    if (!Number.isInteger(choice.physicalBits) || choice.physicalBits < 32 || choice.physicalBits > 52)
      throw new HvError("cpu/bad-option", `--cpu phys-bits=${value}: physical addresses have 32 to 52 bits`);
    return;
  }
  if (key === "family" || key === "model" || key === "stepping") {
    choice.numbers.set(key, parseNumber(key, value));
    return;
  }
  const sign = item[0];
  const on = sign === "+" || (sign !== "-" && value === "on");
  if (sign !== "+" && sign !== "-" && value !== "on" && value !== "off") {
    throw new HvError("cpu/bad-option", `--cpu: "${item}" is neither +feature, -feature nor vendor=V`);
  }
  const spelling = sign === "+" || sign === "-" ? item.slice(1) : key;
  const name = featureNamed(spelling);
  if (name !== undefined) choice.changes.push([name, on]);
  else if (on || !NOT_IMPLEMENTED.includes(spelling.toLowerCase().replaceAll("_", "-"))) throw unknownFeature(spelling);
}

/**
 * The model that a `--cpu` text names; without a text the default. Taking a feature away takes what needs it away too, adding one adds
 * what it needs.
 *
 * @throws HvError "cpu/unknown-model", "cpu/unknown-feature", "cpu/not-implemented", "cpu/bad-option"
 */
export function parseCpuModel(text = "paravane"): CpuModel {
  const given = text.split(",").map((item) => item.trim());
  // Without a model's name the changes are to the default one.
  const [first = "", ...items] = /^[+-]|=/.test(given[0]!) ? ["", ...given] : given;
  const spelling = first === "" ? "paravane" : first.toLowerCase();
  const name = ALIASES[spelling] ?? spelling;
  const definition = Object.hasOwn(MODELS, name) ? MODELS[name] : undefined;
  if (definition === undefined) {
    throw new HvError("cpu/unknown-model", `there is no CPU model "${first}"`, { hint: `known models: ${CPU_MODELS.join(", ")}` });
  }
  const choice: Choice = { vendor: undefined, physicalBits: undefined, numbers: new Map(), changes: [] };
  for (const item of items) if (item !== "") parseItem(item, choice);
  const vendor = choice.vendor ?? definition.vendor;
  const features = new Set<FeatureName>(definition.features);
  if (vendor !== definition.vendor) {
    for (const other of vendor === "intel" ? AMD_ONLY : INTEL_ONLY) features.delete(other);
    if (vendor === "intel" && name === "paravane") for (const own of INTEL_ONLY) features.add(own);
  }
  for (const [feature, on] of choice.changes) if (on) addFeature(features, feature);
  for (const [feature, on] of choice.changes) if (!on) dropFeature(features, feature);
  const identity = (vendor === "intel" && definition.vendor === "amd" && definition.intel) || definition;
  const { brand } = definition;
  return {
    name,
    vendor,
    brand,
    physicalBits: choice.physicalBits ?? definition.physicalBits,
    features,
    family: choice.numbers.get("family") ?? identity.family,
    model: choice.numbers.get("model") ?? identity.model,
    stepping: choice.numbers.get("stepping") ?? identity.stepping,
    has(spelling) {
      const feature = featureNamed(spelling);
      return feature !== undefined && features.has(feature);
    },
  };
}
