/**
 * What a guest can ask of the Xen backend beyond its tables of numbers: the answers to CPUID, over a processor that has every bit, and to
 * xen_version, by kind of guest.
 */
import type { AbiEntry } from "../../packages/paravirt-ops/src/index.js";
import { XEN_CPUID_BASE, XEN_CPUID_MAX } from "../../packages/backend-xen/src/abi/arch-x86.js";
import { versionCommands } from "../../packages/backend-xen/src/abi/services.js";
import type { Call } from "../../packages/backend-xen/src/hypercalls/call.js";
import { xenVersion } from "../../packages/backend-xen/src/hypercalls/information.js";
import { hvmCpuid, pvCpuid } from "../../packages/backend-xen/src/vcpu/cpuid.js";

const TSC_KHZ = 1_000_000;
const OWN = Array.from({ length: XEN_CPUID_MAX - XEN_CPUID_BASE + 1 }, (_, n) => XEN_CPUID_BASE + n);
const MASKED = [1, 7, 0xa, 0xd, 0x80000001, 0x80000008];
const word = (value: number): string => (value >>> 0).toString(16).padStart(8, "0");

function leaves(): AbiEntry[] {
  const all = { eax: 0xffffffff, ebx: 0xffffffff, ecx: 0xffffffff, edx: 0xffffffff };
  const rows: AbiEntry[] = [];
  const put = (guest: string, leaf: number, subleaf: number, answer: typeof all | undefined): void => {
    if (answer === undefined) return;
    const value = [answer.eax, answer.ebx, answer.ecx, answer.edx].map(word).join(" ");
    rows.push({ kind: "cpuid", name: `${guest}: ${word(leaf)}.${subleaf}`, value });
  };
  for (const leaf of [...OWN, ...MASKED]) {
    for (const subleaf of [0, 1, 2]) {
      for (const bits of [64, 32] as const)
        put(`PV ${bits}`, leaf, subleaf, pvCpuid(leaf, subleaf, { bits, cr4: 0n, tscKhz: TSC_KHZ, machine: () => all }));
      put("PVH", leaf, subleaf, hvmCpuid(leaf, subleaf, { vcpu: 0, domain: 1, tscKhz: TSC_KHZ }));
    }
  }
  return rows;
}

/** A call whose results are kept: what was written, and what the call answered. */
function versionAnswers(kind: "pv" | "pvh", bits: 64 | 32): AbiEntry[] {
  return Object.entries(versionCommands).map(([name, command]) => {
    const written: string[] = [];
    const copy = {
      write: (_vcpu: number, _address: bigint, bytes: Uint8Array) =>
        written.push(Buffer.from(bytes).toString("latin1").replaceAll("\0", "")) > 0,
      readNumber: () => 0n,
      writeNumber: (_vcpu: number, _address: bigint, _bytes: number, value: bigint | number) => written.push(`0x${value.toString(16)}`) > 0,
    };
    const domain = { kind, bits, assists: new Set(), copy };
    const result = xenVersion({ domain, vcpu: { id: 0 }, args: [BigInt(command), 0n] } as unknown as Call);
    return { kind: "constant", name: `${kind} ${bits}: XENVER_${name} answers`, value: [String(result), ...written].join(" ") };
  });
}

/** The answers of the backend. */
export const xenEntries = (): AbiEntry[] => [
  ...leaves(),
  ...versionAnswers("pv", 64),
  ...versionAnswers("pv", 32),
  ...versionAnswers("pvh", 64),
];
