/**
 * CPU features by name: where CPUID shows them, and what they allow the engine (CR4, EFER, instructions by `feature` in the decode table).
 * Names are Linux's with dots and dashes; other spellings (sse4_1, pni, abm) are aliases. SDM Vol. 2A "CPUID", AMD APM Vol. 3 Appendix E.
 */
import * as L from "../layout.js";

export type CpuidRegister = "eax" | "ebx" | "ecx" | "edx";

export interface Feature {
  readonly leaf: number;
  readonly subleaf?: number;
  readonly register: CpuidRegister;
  readonly bit: number;
  /** FEATURE_* bits that the engine tests. */
  readonly engine?: number;
  /** CR4 bits that may be set with it. */
  readonly cr4?: number;
  /** EFER bits that may be set with it. */
  readonly efer?: number;
  /** Features without which this one makes no sense. */
  readonly needs?: readonly string[];
  /** AMD shows it in leaf 0x80000001 as well. */
  readonly mirrored?: boolean;
}

const bit = (n: number): number => 2 ** n;
const feature = (leaf: number, register: CpuidRegister, at: number, more: Omit<Feature, "leaf" | "register" | "bit"> = {}): Feature => ({
  leaf,
  register,
  bit: at,
  ...more,
});
const mirrored = true;
const EXT = 0x80000001;

const table = {
  fpu: feature(1, "edx", 0, { mirrored }),
  vme: feature(1, "edx", 1, { mirrored, cr4: bit(0) | bit(1) }),
  de: feature(1, "edx", 2, { mirrored, cr4: bit(3) }),
  pse: feature(1, "edx", 3, { mirrored, cr4: bit(4) }),
  tsc: feature(1, "edx", 4, { mirrored, cr4: bit(2), engine: L.FEATURE_TSC }),
  msr: feature(1, "edx", 5, { mirrored, cr4: bit(8) }),
  pae: feature(1, "edx", 6, { mirrored, cr4: bit(5) }),
  mce: feature(1, "edx", 7, { mirrored, cr4: bit(6) }),
  cx8: feature(1, "edx", 8, { mirrored }),
  apic: feature(1, "edx", 9, { mirrored, engine: L.FEATURE_APIC }),
  sep: feature(1, "edx", 11, { engine: L.FEATURE_SEP }),
  mtrr: feature(1, "edx", 12, { mirrored, engine: L.FEATURE_MTRR }),
  pge: feature(1, "edx", 13, { mirrored, cr4: bit(7) }),
  mca: feature(1, "edx", 14, { mirrored, engine: L.FEATURE_MCA }),
  cmov: feature(1, "edx", 15, { mirrored }),
  pat: feature(1, "edx", 16, { mirrored, engine: L.FEATURE_PAT }),
  pse36: feature(1, "edx", 17, { mirrored }),
  clflush: feature(1, "edx", 19),
  mmx: feature(1, "edx", 23, { mirrored }),
  fxsr: feature(1, "edx", 24, { mirrored, cr4: bit(9), engine: L.FEATURE_FXSR }),
  sse: feature(1, "edx", 25, { cr4: bit(10), needs: ["fxsr", "mmx"] }),
  sse2: feature(1, "edx", 26, { needs: ["sse"] }),
  sse3: feature(1, "ecx", 0, { needs: ["sse2"] }),
  pclmulqdq: feature(1, "ecx", 1, { needs: ["sse2"] }),
  ssse3: feature(1, "ecx", 9, { needs: ["sse3"] }),
  cx16: feature(1, "ecx", 13),
  pcid: feature(1, "ecx", 17, { cr4: bit(17), engine: L.FEATURE_PCID, needs: ["lm"] }),
  "sse4.1": feature(1, "ecx", 19, { needs: ["ssse3"] }),
  "sse4.2": feature(1, "ecx", 20, { needs: ["sse4.1"] }),
  x2apic: feature(1, "ecx", 21, { engine: L.FEATURE_X2APIC, needs: ["apic"] }),
  movbe: feature(1, "ecx", 22),
  popcnt: feature(1, "ecx", 23),
  "tsc-deadline": feature(1, "ecx", 24, { engine: L.FEATURE_TSC_DEADLINE, needs: ["apic", "tsc"] }),
  aes: feature(1, "ecx", 25, { needs: ["sse2"] }),
  xsave: feature(1, "ecx", 26, { cr4: bit(18), engine: L.FEATURE_XSAVE, needs: ["fxsr"] }),
  rdrand: feature(1, "ecx", 30),
  hypervisor: feature(1, "ecx", 31),
  arat: feature(6, "eax", 2, { needs: ["apic"] }),
  fsgsbase: feature(7, "ebx", 0, { cr4: bit(16), engine: L.FEATURE_FSGSBASE, needs: ["lm"] }),
  "tsc-adjust": feature(7, "ebx", 1, { engine: L.FEATURE_TSC_ADJUST, needs: ["tsc"] }),
  bmi1: feature(7, "ebx", 3),
  smep: feature(7, "ebx", 7, { cr4: bit(20), engine: L.FEATURE_SMEP }),
  bmi2: feature(7, "ebx", 8),
  erms: feature(7, "ebx", 9),
  invpcid: feature(7, "ebx", 10, { engine: L.FEATURE_INVPCID }),
  rdseed: feature(7, "ebx", 18),
  adx: feature(7, "ebx", 19),
  smap: feature(7, "ebx", 20, { cr4: bit(21), engine: L.FEATURE_SMAP }),
  clflushopt: feature(7, "ebx", 23),
  clwb: feature(7, "ebx", 24),
  sha: feature(7, "ebx", 29, { needs: ["sse2"] }),
  umip: feature(7, "ecx", 2, { cr4: bit(11), engine: L.FEATURE_UMIP }),
  rdpid: feature(7, "ecx", 22, { engine: L.FEATURE_RDPID | L.FEATURE_RDTSCP }),
  fsrm: feature(7, "edx", 4),
  "spec-ctrl": feature(7, "edx", 26, { engine: L.FEATURE_SPEC_CTRL }),
  "arch-capabilities": feature(7, "edx", 29, { engine: L.FEATURE_ARCH_CAPABILITIES }),
  xsaveopt: feature(0xd, "eax", 0, { subleaf: 1, engine: L.FEATURE_XSAVEOPT, needs: ["xsave"] }),
  xsavec: feature(0xd, "eax", 1, { subleaf: 1, engine: L.FEATURE_XSAVEC, needs: ["xsave"] }),
  xgetbv1: feature(0xd, "eax", 2, { subleaf: 1, engine: L.FEATURE_XGETBV1, needs: ["xsave"] }),
  "lahf-lm": feature(EXT, "ecx", 0),
  lzcnt: feature(EXT, "ecx", 5),
  "3dnowprefetch": feature(EXT, "ecx", 8),
  syscall: feature(EXT, "edx", 11, { efer: bit(0), engine: L.FEATURE_SYSCALL }),
  nx: feature(EXT, "edx", 20, { efer: bit(11), engine: L.FEATURE_NX, needs: ["pae"] }),
  mmxext: feature(EXT, "edx", 22, { needs: ["mmx"] }),
  pdpe1gb: feature(EXT, "edx", 26, { engine: L.FEATURE_1G, needs: ["lm"] }),
  rdtscp: feature(EXT, "edx", 27, { engine: L.FEATURE_RDTSCP, needs: ["tsc"] }),
  lm: feature(EXT, "edx", 29, { efer: bit(8), engine: L.FEATURE_LM, needs: ["pae", "msr", "cx8", "cmov", "fxsr", "sse", "sse2"] }),
  invtsc: feature(0x80000007, "edx", 8, { needs: ["tsc"] }),
  xsaveerptr: feature(0x80000008, "ebx", 2),
  "amd-ssb-no": feature(0x80000008, "ebx", 26),
  "lfence-serializing": feature(0x80000021, "eax", 2),
  "null-sel-clr-base": feature(0x80000021, "eax", 6, { engine: L.FEATURE_NULL_CLEARS }),
  autoibrs: feature(0x80000021, "eax", 8, { efer: bit(21), engine: L.FEATURE_AIBRS }),
  "srso-no": feature(0x80000021, "eax", 29),
  "tsa-sq-no": feature(0x80000021, "ecx", 1),
  "tsa-l1-no": feature(0x80000021, "ecx", 2),
} satisfies Record<string, Feature>;

/** A feature that this core implements. */
export type FeatureName = keyof typeof table;

/** Every feature that the core implements; what is not here cannot be advertised. */
export const FEATURES: Readonly<Record<FeatureName, Feature>> = table;

/** Other spellings. */
export const FEATURE_ALIASES: Readonly<Record<string, FeatureName>> = {
  abm: "lzcnt",
  pni: "sse3",
  "sse4-1": "sse4.1",
  "sse4-2": "sse4.2",
  "lahf-sahf": "lahf-lm",
  xd: "nx",
  i64: "lm",
  pclmul: "pclmulqdq",
  "sha-ni": "sha",
  clfsh: "clflush",
  prefetchw: "3dnowprefetch",
  cmpxchg8b: "cx8",
  cmpxchg16b: "cx16",
  "tsc-deadline-timer": "tsc-deadline",
  page1gb: "pdpe1gb",
  "auto-ibrs": "autoibrs",
  "lfence-always-serializing": "lfence-serializing",
  ibrs: "spec-ctrl",
};

/** Features that exist on real processors and that this core does not have, so that asking for them gets an answer that says so. */
export const NOT_IMPLEMENTED: readonly string[] = [
  "3dnow",
  "3dnowext",
  "aperfmperf",
  "avx",
  "avx2",
  "avx512f",
  "avx-vnni",
  "amx-tile",
  "cet-ibt",
  "cet-ss",
  "clzero",
  "ds",
  "dtes64",
  "f16c",
  "fma",
  "fma4",
  "fxsr-opt",
  "gfni",
  "hle",
  "ibpb",
  "ibs",
  "la57",
  "lam",
  "lwp",
  "misalignsse",
  "monitor",
  "movdir64b",
  "movdiri",
  "mpx",
  "osvw",
  "perfctr-core",
  "pdcm",
  "pks",
  "pku",
  "rtm",
  "serialize",
  "skinit",
  "smx",
  "ss",
  "sse4a",
  "ssbd",
  "stibp",
  "svm",
  "tbm",
  "topoext",
  "vaes",
  "vmx",
  "vpclmulqdq",
  "waitpkg",
  "wbnoinvd",
  "xop",
  "xsaves",
];

/** The name in this table for a spelling, or undefined. */
export function featureNamed(spelling: string): FeatureName | undefined {
  const name = spelling.trim().toLowerCase().replaceAll("_", "-");
  if (Object.hasOwn(FEATURES, name)) return name as FeatureName;
  return Object.hasOwn(FEATURE_ALIASES, name) ? FEATURE_ALIASES[name] : undefined;
}
