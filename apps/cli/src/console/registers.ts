// A vCPU's registers as text, for crash reports and the monitor.
import type { SegmentName, Vcpu } from "@paravane/paravirt-ops";

const GENERAL = ["rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "rsp", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15"] as const;
const SEGMENTS: readonly SegmentName[] = ["cs", "ss", "ds", "es", "fs", "gs", "ldtr", "tr"];

const hex = (value: bigint, digits = 16): string => BigInt.asUintN(64, value).toString(16).padStart(digits, "0");

/** Some twelve lines: general registers, flags, segments, control registers and tables. */
export function formatRegisters(vcpu: Vcpu): string {
  const { registers } = vcpu;
  const lines = [
    `vCPU ${vcpu.id}: rip=${hex(registers.get("rip"))} rflags=${hex(registers.get("rflags"), 8)}${vcpu.halted ? " halted" : ""}`,
  ];
  for (let index = 0; index < GENERAL.length; index += 4) {
    lines.push(
      GENERAL.slice(index, index + 4)
        .map((name) => `${name.padEnd(3)}=${hex(registers.get(name))}`)
        .join(" "),
    );
  }
  for (const name of SEGMENTS) {
    const { selector, base, limit, access } = registers.segment(name);
    lines.push(
      `${name.padEnd(4)} ${selector.toString(16).padStart(4, "0")} base=${hex(base)} limit=${limit.toString(16).padStart(8, "0")} access=${access.toString(16).padStart(4, "0")}`,
    );
  }
  lines.push((["cr0", "cr2", "cr3", "cr4", "efer"] as const).map((name) => `${name}=${hex(registers.get(name), 8)}`).join(" "));
  for (const name of ["gdtr", "idtr"] as const) {
    const { base, limit } = registers.table(name);
    lines.push(`${name} base=${hex(base)} limit=${limit.toString(16).padStart(4, "0")}`);
  }
  return `${lines.join("\n")}\n`;
}

/** For a crash report: all registers of the vCPU that ended the run, then a line on each other one. */
export function formatCrash(vcpus: readonly Vcpu[], crashed: number): string {
  const where = (vcpu: Vcpu): string => `vCPU ${vcpu.id}: rip=${hex(vcpu.registers.get("rip"))}${vcpu.halted ? " halted" : ""}\n`;
  return vcpus
    .filter(({ id }) => id === crashed)
    .map(formatRegisters)
    .concat(vcpus.filter(({ id }) => id !== crashed).map(where))
    .join("");
}
