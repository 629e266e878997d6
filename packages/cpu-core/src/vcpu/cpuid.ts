/**
 * Fills a vCPU's CPUID rows and the masks that follow from the model: what CR4, EFER and the MSRs accept. The engine adds the bits that
 * follow the running state (OSXSAVE, the APIC's enable). SDM Vol. 2A "CPUID", AMD APM Vol. 3 Appendix E.
 * Not shown: caches beyond two levels, performance counters, power management.
 */
import type { CpuidResult } from "@paravane/paravirt-ops";
import * as L from "../layout.js";
import { type CpuidRegister, FEATURES, type FeatureName } from "./features.js";
import type { CpuModel } from "./models.js";

/** Where the vCPU stands in its machine. */
export interface CpuPlace {
  readonly vcpuId: number;
  readonly vcpus: number;
  readonly tscHz: number;
}

const ANY = 0xffffffff;
const ROW_BYTES = 24;
/** The local APIC timer's input, which CPUID 0x15 calls the crystal. */
const CRYSTAL_HZ = 1_000_000_000;
/** x87 and SSE in the standard XSAVE area. */
const XSAVE_BYTES = 576;
const HYPERVISOR_SIGNATURE = "ParavaneVMM\0";
const VENDOR_NAMES = { intel: "GenuineIntel", amd: "AuthenticAMD" } as const;
const MC_BANKS_IN_USE = 6;
const MCG_CTL_P = 0x100;
const MTRR_CAP = 0x508n; // 8 variable ranges, fixed ranges, write-combining
const MISC_ENABLE_WRITABLE = 0x400c50009n;
const MISC_ENABLE_RESET = 0x1801n; // fast strings; no branch traces, no precise event sampling
const HWCR_TSC_FREQ_SEL = 1n << 24n;
const DE_CFG_LFENCE = 2n;
const MICROCODE_AMD = 0x0a101154n;
const MICROCODE_INTEL = 0x2b000590n << 32n;
/** RDCL_NO IBRS_ALL SKIP_L1DFL SSB_NO MDS_NO PSCHANGE_MC_NO TAA_NO SBDR_SSDP_NO FBSDP_NO PSDP_NO BHI_NO PBRSB_NO GDS_NO RFDS_NO ITS_NO: nothing here speculates. */
const ARCH_CAPABILITIES = [0, 1, 3, 4, 5, 6, 8, 13, 14, 15, 20, 24, 26, 27, 62].reduce((value, bit) => value | (1n << BigInt(bit)), 0n);

type Row = Record<CpuidRegister, number> & { leaf: number; subleaf: number };

/** Little-endian words of `text`, zero-padded to `count` words. */
function words(text: string, count: number): number[] {
  return Array.from({ length: count }, (_, i) => [3, 2, 1, 0].reduce((word, byte) => word * 256 + (text.charCodeAt(i * 4 + byte) || 0), 0));
}

/** Family, model and stepping as CPUID 1 and the reset value of EDX have them. */
export function signatureOf(model: CpuModel): number {
  const base = Math.min(model.family, 15);
  const extended = model.family - base;
  return (extended << 20) | ((model.model >> 4) << 16) | (base << 8) | ((model.model & 15) << 4) | (model.stepping & 15);
}

const gcd = (a: number, b: number): number => (b === 0 ? a : gcd(b, a % b));
const bitsFor = (count: number): number => Math.ceil(Math.log2(Math.max(count, 1)));

/** Rows of one vCPU under construction. */
class Rows {
  readonly list: Row[] = [];
  at(leaf: number, subleaf = ANY): Row {
    let row = this.list.find((r) => r.leaf === leaf && r.subleaf === subleaf);
    if (row === undefined) {
      row = { leaf, subleaf, eax: 0, ebx: 0, ecx: 0, edx: 0 };
      this.list.push(row);
    }
    return row;
  }
  set(leaf: number, subleaf: number, [eax = 0, ebx = 0, ecx = 0, edx = 0]: readonly number[]): void {
    Object.assign(this.at(leaf, subleaf), { eax, ebx, ecx, edx });
  }
}

/** Subleaf under which the rows of a leaf are kept. */
const subleafOf = (name: FeatureName): number => {
  const { leaf, subleaf } = FEATURES[name] as { leaf: number; subleaf?: number };
  return leaf === 7 ? 0 : (subleaf ?? ANY);
};

function addFeatures(rows: Rows, model: CpuModel): void {
  for (const name of model.features) {
    const feature = FEATURES[name];
    const row = rows.at(feature.leaf, subleafOf(name));
    row[feature.register] = (row[feature.register] | (1 << feature.bit)) >>> 0;
    if (feature.mirrored && model.vendor === "amd" && model.has("lm")) rows.at(0x80000001).edx |= 1 << feature.bit;
  }
}

function addTopology(rows: Rows, model: CpuModel, { vcpuId, vcpus }: CpuPlace, highest: number): void {
  const one = rows.at(1);
  one.eax = signatureOf(model);
  one.ebx = ((vcpuId << 24) | (vcpus > 1 ? vcpus << 16 : 0) | (model.has("clflush") ? 8 << 8 : 0)) >>> 0;
  if (vcpus > 1) one.edx = (one.edx | (1 << 28)) >>> 0;
  if (highest < 0xb || !model.has("apic")) return;
  rows.set(0xb, 0, [0, 1, 0x100, vcpuId]);
  rows.set(0xb, 1, [bitsFor(vcpus), vcpus, 0x200, vcpuId]);
  rows.set(0xb, ANY, [0, 0, 0, vcpuId]);
}

function addAmd(rows: Rows, model: CpuModel, { vcpus }: CpuPlace): void {
  rows.at(0x80000001).eax = signatureOf(model);
  if (vcpus > 1) rows.at(0x80000001).ecx |= 2; // the logical processors of leaf 1 are cores
  // 32 KiB of instructions and of data in 8 ways, 1 MiB behind them; lines of 64 bytes
  rows.set(0x80000005, ANY, [0xff40ff40, 0xff40ff40, 0x20080140, 0x20080140]);
  rows.set(0x80000006, ANY, [0, 0x42004200, 0x04006140, 0]);
  rows.at(0x80000008).ecx = vcpus > 1 ? (bitsFor(vcpus) << 12) | (vcpus - 1) : 0;
}

function addIntel(rows: Rows, { vcpus, tscHz }: CpuPlace, highest: number): void {
  if (highest >= 2) rows.set(2, ANY, [highest >= 4 ? 0x00feff01 : 0x03020101, 0, 0, highest >= 4 ? 0 : 0x0c040882]);
  if (highest < 4) return;
  const cache = (type: number, level: number, ways: number, sets: number): number[] => [
    (type | (level << 5) | (1 << 8) | (((1 << bitsFor(vcpus)) - 1) << 26)) >>> 0, // APIC IDs, of which some may be nobody's
    (((ways - 1) << 22) | 63) >>> 0,
    sets - 1,
    0,
  ];
  rows.set(4, 0, cache(1, 1, 8, 64));
  rows.set(4, 1, cache(2, 1, 8, 64));
  rows.set(4, 2, cache(3, 2, 16, 1024));
  if (highest < 0x16) return;
  const divisor = gcd(tscHz, CRYSTAL_HZ);
  rows.set(0x15, ANY, [CRYSTAL_HZ / divisor, tscHz / divisor, CRYSTAL_HZ, 0]);
  const mhz = Math.round(tscHz / 1e6);
  rows.set(0x16, ANY, [mhz, mhz, Math.round(CRYSTAL_HZ / 1e6) & 0xffff, 0]);
}

function addExtended(rows: Rows, model: CpuModel, place: CpuPlace): void {
  if (!model.has("lm") && model.brand === "") return;
  const last = model.has("lm") ? (model.vendor === "amd" ? 0x80000021 : 0x80000008) : 0x80000004;
  const name = model.vendor === "amd" ? words(VENDOR_NAMES.amd, 3) : [0, 0, 0];
  rows.set(0x80000000, ANY, [last, name[0]!, name[2]!, name[1]!]);
  const brand = words(model.brand, 12);
  for (let i = 0; i < 3; i++) rows.set(0x80000002 + i, ANY, brand.slice(i * 4, i * 4 + 4));
  if (!model.has("lm")) return;
  rows.at(0x80000008).eax = model.physicalBits | (48 << 8);
  if (model.vendor === "amd") addAmd(rows, model, place);
}

function highestLeaf(model: CpuModel): number {
  if (model.has("xsave")) return model.vendor === "intel" ? 0x16 : 0xd;
  if (model.has("lm")) return 0xd;
  return model.has("sse") ? 2 : 1;
}

/** All rows of one vCPU. Leaf 0 comes first: the engine reads the highest leaf there. */
export function cpuidRows(model: CpuModel, place: CpuPlace): readonly Readonly<Row>[] {
  const rows = new Rows();
  const highest = highestLeaf(model);
  const vendor = words(VENDOR_NAMES[model.vendor], 3);
  rows.set(0, ANY, [highest, vendor[0]!, vendor[2]!, vendor[1]!]);
  addFeatures(rows, model);
  addTopology(rows, model, place, highest);
  if (model.has("xsave")) {
    rows.set(0xd, 0, [3, XSAVE_BYTES, XSAVE_BYTES, 0]);
    rows.at(0xd, 1).ebx = XSAVE_BYTES;
  }
  if (model.vendor === "intel") addIntel(rows, place, highest);
  addExtended(rows, model, place);
  if (model.has("hypervisor")) rows.set(0x40000000, ANY, [0x40000000, ...words(HYPERVISOR_SIGNATURE, 3)]);
  // A row for one subleaf must stand before the row for all.
  return rows.list.sort((a, b) => a.leaf - b.leaf || a.subleaf - b.subleaf).filter((row) => row.leaf <= highest || row.leaf >= 0x40000000);
}

/**
 * CPUID of a model as a backend asks for it: the boot processor's, without the bits that follow its running state. Leaves beyond the last are
 * all zero, as on AMD's processors.
 */
export function modelCpuid(model: CpuModel, place: CpuPlace): (leaf: number, subleaf: number) => CpuidResult {
  const rows = cpuidRows(model, place);
  return (leaf, subleaf) => {
    const row = rows.find((row) => row.leaf === leaf >>> 0 && (row.subleaf === subleaf >>> 0 || row.subleaf === ANY));
    return row === undefined ? { eax: 0, ebx: 0, ecx: 0, edx: 0 } : { eax: row.eax, ebx: row.ebx, ecx: row.ecx, edx: row.edx };
  };
}

/** Writes the model into a vCPU's block: CPUID rows, and what its control registers and MSRs accept. Once, before the first reset. */
export function fillCpuid(view: DataView, cpu: number, model: CpuModel, place: CpuPlace): void {
  const rows = cpuidRows(model, place);
  if (rows.length > L.CPUID_MAX) throw new RangeError(`${rows.length} CPUID rows, but there is room for ${L.CPUID_MAX}`);
  view.setUint32(cpu + L.CPUID_COUNT, rows.length, true);
  for (const [i, row] of rows.entries()) {
    const at = cpu + L.CPUID_TABLE + i * ROW_BYTES;
    for (const [j, value] of [row.leaf, row.subleaf, row.eax, row.ebx, row.ecx, row.edx].entries()) view.setUint32(at + j * 4, value, true);
  }
  let engine = 0,
    cr4 = 0,
    efer = 0;
  for (const name of model.features) {
    const feature = FEATURES[name];
    engine |= feature.engine ?? 0;
    cr4 |= feature.cr4 ?? 0;
    efer |= feature.efer ?? 0;
  }
  const u64 = (offset: number, value: bigint): void => view.setBigUint64(cpu + offset, value, true);
  view.setUint32(cpu + L.VENDOR, model.vendor === "amd" ? 1 : 0, true);
  u64(L.FEATURES, BigInt(engine >>> 0));
  u64(L.PHYS_MASK, (1n << BigInt(model.physicalBits)) - 1n);
  u64(L.CR4_MASK, BigInt(cr4 >>> 0));
  u64(L.EFER_MASK, BigInt(efer >>> 0));
  u64(L.MISC_ENABLE_MASK, model.has("lm") ? MISC_ENABLE_WRITABLE : 0n);
  u64(L.MSR_MTRR_CAP, MTRR_CAP);
  u64(L.MSR_MCG_CAP, BigInt(MC_BANKS_IN_USE | MCG_CTL_P));
  u64(L.MSR_ARCH_CAPABILITIES, ARCH_CAPABILITIES);
  u64(L.MSR_BIOS_SIGN_ID, model.vendor === "amd" ? MICROCODE_AMD : MICROCODE_INTEL);
  u64(L.MSR_PLATFORM_INFO, BigInt(Math.round(place.tscHz / 1e8) & 0xff) << 8n);
}

/** Registers whose power-on value depends on the model. After the rest of the state has been cleared. */
export function resetModelRegisters(view: DataView, cpu: number): void {
  const u64 = (offset: number, value: bigint): void => view.setBigUint64(cpu + offset, value, true);
  const amd = view.getUint32(cpu + L.VENDOR, true) === 1;
  const known = view.getBigUint64(cpu + L.MISC_ENABLE_MASK, true) !== 0n;
  for (let at = L.MODEL_FIXED_END; at < L.MODEL_STATE_END; at += 8) u64(at, 0n);
  for (let i = 0; i < L.MC_BANK_MAX * 4; i++) u64(L.MC_BANKS + i * 8, 0n);
  u64(L.MSR_MISC_ENABLE, known ? MISC_ENABLE_RESET : 0n);
  if (!amd) return;
  u64(L.MSR_HWCR, HWCR_TSC_FREQ_SEL);
  u64(L.MSR_DE_CFG, DE_CFG_LFENCE);
}

/** EDX after RESET and INIT: the processor's signature. */
export function resetSignature(view: DataView, cpu: number): number {
  const count = view.getUint32(cpu + L.CPUID_COUNT, true);
  for (let i = 0; i < count; i++) {
    const at = cpu + L.CPUID_TABLE + i * ROW_BYTES;
    if (view.getUint32(at, true) === 1) return view.getUint32(at + 8, true);
  }
  return 0;
}
