/** CPU models, their feature switches, and the CPUID rows that a guest reads. */
import { isHvError } from "@paravane/paravirt-ops";
import { describe, expect, it } from "vitest";
import { instructions } from "../isa/index.js";
import * as L from "../layout.js";
import { cpuidRows, fillCpuid, modelCpuid, signatureOf } from "./cpuid.js";
import { FEATURES, featureNamed, NOT_IMPLEMENTED } from "./features.js";
import { CPU_MODELS, type CpuModel, parseCpuModel } from "./models.js";

const place = { vcpuId: 2, vcpus: 4, tscHz: 1e9 };
const row = (model: CpuModel, leaf: number, subleaf = 0) =>
  cpuidRows(model, place).find((r) => r.leaf === leaf && (r.subleaf === subleaf || r.subleaf === 0xffffffff));
const codeOf = (text: string): string => {
  try {
    parseCpuModel(text);
    return "accepted";
  } catch (error) {
    return isHvError(error) ? error.code : String(error);
  }
};

describe("--cpu", () => {
  it("without a text is the default model", () => {
    expect(parseCpuModel()).toMatchObject({ name: "paravane", vendor: "amd", family: 0x19 });
  });
  it.each([
    ["nonsense", "cpu/unknown-model"],
    ["paravane,+nonsense", "cpu/unknown-feature"],
    ["paravane,-nonsense", "cpu/unknown-feature"],
    ["paravane,+avx2", "cpu/not-implemented"],
    ["paravane,-avx2", "accepted"],
    ["paravane,vendor=cyrix", "cpu/bad-option"],
    ["paravane,lm", "cpu/bad-option"],
    ["paravane,family=1000", "cpu/bad-option"],
    ["qemu64,+x2apic,+tsc-deadline,-pcid,+umip,vendor=GenuineIntel", "accepted"],
    ["paravane,phys-bits=53", "cpu/bad-option"],
    ["max,vendor=AuthenticAMD,phys-bits=36", "accepted"],
    ["kvm64,+rdtscp", "accepted"],
    ["Opteron_G1,vendor=AuthenticAMD", "accepted"],
    ["paravane,x2apic=off,sse4_2=on", "accepted"],
  ])("%s: %s", (text, code) => {
    expect(codeOf(text)).toBe(code);
  });
  it("names the known models in the hint", () => {
    expect(() => parseCpuModel("k6")).toThrowError(expect.objectContaining({ hint: expect.stringContaining("pentium3") }));
  });
  it("adds what a feature needs and drops what needs a dropped one", () => {
    expect(parseCpuModel("-x2apic,vendor=intel")).toMatchObject({ name: "paravane", vendor: "intel" });
    expect(parseCpuModel("-x2apic,vendor=intel").has("x2apic")).toBe(false);
    expect(parseCpuModel("vendor=intel").vendor).toBe("intel");
    const more = parseCpuModel("pentium3,+sse4.2");
    expect([more.has("ssse3"), more.has("sse4.1"), more.has("sse2")]).toEqual([true, true, true]);
    const less = parseCpuModel("paravane,-sse2");
    expect([less.has("sse2"), less.has("aes"), less.has("lm"), less.has("mmx")]).toEqual([false, false, false, true]);
  });
  it("max is the default model, and phys-bits the width that it shows", () => {
    const narrow = parseCpuModel("max,phys-bits=36");
    expect([narrow.name, narrow.physicalBits, row(narrow, 0x80000008)!.eax & 0xff]).toEqual(["paravane", 36, 36]);
  });
  it("the other vendor has its own identity and bits", () => {
    const intel = parseCpuModel("paravane,vendor=intel");
    expect([intel.family, intel.has("autoibrs"), intel.has("arch-capabilities")]).toEqual([6, false, true]);
  });
});

describe("CPUID", () => {
  it("names the vendor, the signature and the vCPU's APIC ID", () => {
    const model = parseCpuModel();
    expect(row(model, 0)).toMatchObject({ eax: 0xd, ebx: 0x68747541, edx: 0x69746e65, ecx: 0x444d4163 });
    expect(signatureOf(model)).toBe(0x00a10f11);
    expect(row(model, 1)).toMatchObject({ eax: 0x00a10f11, ebx: 0x02040800 });
    expect(row(model, 0xb, 1)).toMatchObject({ eax: 2, ebx: 4, ecx: 0x200, edx: 2 });
  });
  it.each(["amd", "intel"])("%s: every vCPU is a core of one package, and each place where that is said agrees", (vendor) => {
    const model = parseCpuModel(`paravane,vendor=${vendor}`);
    for (const vcpus of [1, 2, 3, 4, 6, 8]) {
      const bits = Math.ceil(Math.log2(vcpus));
      for (let vcpuId = 0; vcpuId < vcpus; vcpuId++) {
        const at = (leaf: number, subleaf = -1) =>
          cpuidRows(model, { vcpuId, vcpus, tscHz: 1e9 }).find((r) => r.leaf === leaf && (r.subleaf === subleaf >>> 0 || subleaf < 0))!;
        expect([at(1).ebx >>> 24, at(0xb, 0).edx, at(0xb, 1).edx]).toEqual([vcpuId, vcpuId, vcpuId]);
        expect([(at(1).edx >>> 28) & 1, (at(1).ebx >>> 16) & 255]).toEqual(vcpus > 1 ? [1, vcpus] : [0, 0]);
        expect([at(0xb, 0).eax, at(0xb, 0).ebx, at(0xb, 1).eax, at(0xb, 1).ebx]).toEqual([0, 1, bits, vcpus]);
        if (vendor === "intel") expect((at(4, 0).eax >>> 26) + 1).toBe(1 << bits);
        else expect(at(0x80000008).ecx & 0xf0ff).toBe(vcpus > 1 ? (bits << 12) | (vcpus - 1) : 0);
      }
    }
  });
  it("shows a feature exactly where it is advertised", () => {
    const bits = (text: string): string =>
      cpuidRows(parseCpuModel(text), place)
        .map((r) => `${r.leaf.toString(16)}.${r.subleaf} ${r.eax} ${r.ebx} ${r.ecx} ${r.edx}`)
        .join("\n");
    expect(row(parseCpuModel("paravane"), 7)!.ebx & (1 << 7)).not.toBe(0);
    expect(row(parseCpuModel("paravane,-smep"), 7)!.ebx & (1 << 7)).toBe(0);
    expect(bits("paravane,-smep")).not.toBe(bits("paravane"));
  });
  it("keeps Linux from mitigations that nothing here needs", () => {
    const model = parseCpuModel();
    expect([row(model, 0x80000021)!.eax & 0x20000104, row(model, 0x80000021)!.ecx & 6, row(model, 0x80000008)!.ebx & (1 << 26)]).toEqual([
      0x20000104,
      6,
      1 << 26,
    ]);
  });
  it("gives Intel's model the TSC's frequency", () => {
    expect(row(parseCpuModel("paravane,vendor=intel"), 0x15)).toMatchObject({ eax: 1, ebx: 1, ecx: 1e9 });
    expect(cpuidRows(parseCpuModel("paravane,vendor=intel"), { ...place, tscHz: 2.5e9 }).find((r) => r.leaf === 0x15)).toMatchObject({
      eax: 2,
      ebx: 5,
      ecx: 1e9,
    });
  });
  it.each(CPU_MODELS)("%s fits the table, and its masks follow its features", (name) => {
    const view = new DataView(new ArrayBuffer(0x2000));
    const model = parseCpuModel(name);
    fillCpuid(view, 0, model, place);
    expect(view.getUint32(L.CPUID_COUNT, true)).toBeGreaterThan(1);
    expect((view.getUint32(L.CR4_MASK, true) & 0x20) !== 0).toBe(model.has("pae"));
    expect((view.getUint32(L.EFER_MASK, true) & 0x100) !== 0).toBe(model.has("lm"));
  });
});

describe("the feature table", () => {
  it("has a row for every feature that the decode table asks for", () => {
    const asked = new Set(instructions.flatMap((entry) => entry.options.feature ?? []));
    expect([...asked].filter((name) => featureNamed(name) === undefined)).toEqual([]);
  });
  it("names nothing twice and needs only what it has", () => {
    const places = Object.values(FEATURES).map((f) => `${f.leaf}.${f.subleaf ?? 0}.${f.register}.${f.bit}`);
    expect(new Set(places).size).toBe(places.length);
    expect(Object.values(FEATURES).flatMap((f) => (f.needs ?? []).filter((n) => !Object.hasOwn(FEATURES, n)))).toEqual([]);
    expect(NOT_IMPLEMENTED.filter((name) => featureNamed(name) !== undefined)).toEqual([]);
  });
});

it("a backend is told the model's leaves, by subleaf where there are some, and zeros beyond them", () => {
  const ask = modelCpuid(parseCpuModel("paravane"), { vcpuId: 0, vcpus: 1, tscHz: 1e9 });
  expect(ask(0, 7)).toEqual(ask(0, 0));
  expect(ask(1, 0).edx & 0x10).toBe(0x10);
  expect(ask(0xd, 1)).not.toEqual(ask(0xd, 0));
  expect(ask(0x7fff_ffff, 0)).toEqual({ eax: 0, ebx: 0, ecx: 0, edx: 0 });
});
