// What lockstep found, for people and for programs.
import type { LockstepResult, NamedFinding } from "./lockstep.js";
import { FIELDS, GENERAL, type State } from "./state.js";

const hex = (value: bigint, digits = 0): string => value.toString(16).padStart(digits, "0");
const bytesText = (bytes: Uint8Array): string => [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join(" ");

const FLAGS = ["CF", "", "PF", "", "AF", "", "ZF", "SF", "TF", "IF", "DF", "OF", "", "", "NT", "", "RF", "VM", "AC", "VIF", "VIP", "ID"];
const flagNames = (bits: bigint): string => FLAGS.filter((name, bit) => name !== "" && (bits & (1n << BigInt(bit))) !== 0n).join(" ");

function registersBefore(state: State): string[] {
  const wide = state.bits === 64;
  const names = [...GENERAL.slice(0, wide ? 16 : 8), "rip"];
  const lines: string[] = [];
  for (let i = 0; i < names.length; i += 4) {
    lines.push(
      `  ${names
        .slice(i, i + 4)
        .map((name) => `${name.padEnd(3)}=${hex(state.get(name), wide ? 16 : 8)}`)
        .join(" ")}`,
    );
  }
  lines.push(`  rflags=${hex(BigInt(state.rflags))} (${flagNames(BigInt(state.rflags))})`);
  lines.push(`  ${["cs", "ss", "ds", "es", "fs", "gs"].map((name) => `${name}=${hex(state.get(name), 4)}`).join(" ")}`);
  lines.push(`  ${["cr0", "cr2", "cr3", "cr4", "efer"].map((name) => `${name}=${hex(state.get(name))}`).join(" ")}`);
  return lines;
}

function findingText(finding: NamedFinding, nth: number): string[] {
  const { before, instruction, bytes, where } = finding;
  const lines = [
    `${nth === 0 ? "first" : "next"} difference after instruction ${finding.count}`,
    `  at ${hex(before.get("cs"), 4)}:${hex(before.rip)}${where === undefined ? "" : ` (${where})`}, ${before.bits}-bit code: ${instruction.text}`,
    `  bytes ${bytesText(bytes.subarray(0, Math.max(1, instruction.length)))}`,
    "before it",
    ...registersBefore(before),
  ];
  if (finding.registers.length > 0) {
    lines.push("after it       ours                 theirs");
    for (const { field, ours, theirs, bits } of finding.registers) {
      const flags = field === "rflags" ? `  ${flagNames(bits)}` : "";
      lines.push(`  ${field.padEnd(12)} ${hex(ours).padEnd(20)} ${hex(theirs).padEnd(20)}${flags}`);
    }
  }
  if (finding.memory.length > 0) {
    lines.push("memory, 8 bytes at a physical address");
    for (const { physical, ours, theirs } of finding.memory) {
      lines.push(`  ${hex(BigInt(physical)).padEnd(12)} ${hex(ours, 16).padEnd(20)} ${hex(theirs, 16)}`);
    }
  }
  return lines;
}

const tally = (map: ReadonlyMap<string, number>): string => [...map].map(([name, count]) => `${name} ${count}`).join(", ") || "nothing";

/** The report as text, with a newline at its end. */
export function formatLockstep(result: LockstepResult): string {
  const { counters, findings } = result;
  const lines = findings.flatMap(findingText);
  if (findings.length === 0) lines.push(`no difference from instruction ${result.first} to ${result.last}`);
  if (result.stopped !== undefined)
    lines.push(`stopped: ${result.stopped instanceof Error ? result.stopped.message : String(result.stopped)}`);
  if (result.ended !== undefined) lines.push(`the guest ended: ${result.ended}`);
  lines.push(
    `compared ${counters.compared} instructions in ${result.seconds.toFixed(1)} s`,
    `taken over from ours: ${tally(counters.outside)}`,
    `excused by rules: ${tally(counters.excused)}`,
  );
  if (counters.resyncs > 0) lines.push(`the whole state was put into the other machine again ${counters.resyncs} times`);
  return `${lines.join("\n")}\n`;
}

const stateJson = (state: State): Record<string, string> => Object.fromEntries(FIELDS.map((name) => [name, `0x${hex(state.get(name))}`]));

/** The report as a value for JSON; numbers of registers and addresses are hexadecimal text. */
export function lockstepJson(result: LockstepResult): Record<string, unknown> {
  const { findings, counters } = result;
  return {
    outcome: result.outcome,
    first: result.first,
    last: result.last,
    compared: counters.compared,
    seconds: result.seconds,
    falseAlarms: result.falseAlarms,
    resyncs: counters.resyncs,
    outside: Object.fromEntries(counters.outside),
    excused: Object.fromEntries(counters.excused),
    ...(result.ended === undefined ? {} : { ended: result.ended }),
    differences: findings.map(({ count, before, instruction, bytes, where, registers, memory }) => ({
      instruction: count,
      rip: `0x${hex(before.rip)}`,
      ...(where === undefined ? {} : { symbol: where }),
      text: instruction.text,
      bytes: bytesText(bytes.subarray(0, Math.max(1, instruction.length))),
      before: stateJson(before),
      registers: registers.map(({ field, ours, theirs }) => ({ field, ours: `0x${hex(ours)}`, theirs: `0x${hex(theirs)}` })),
      memory: memory.map((cell) => ({
        physical: `0x${cell.physical.toString(16)}`,
        ours: `0x${hex(cell.ours)}`,
        theirs: `0x${hex(cell.theirs)}`,
      })),
    })),
  };
}
