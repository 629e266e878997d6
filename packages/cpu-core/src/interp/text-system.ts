/**
 * The interpreter's reading of SystemSem: for each outlined instruction with a common case an engine function that carries that case out, or
 * says that it is another.
 */
import type { OutlinedEntry } from "../isa/define.js";
import { SYSTEM_FIELDS } from "../isa/system-fields.js";
import type { CommonCase, SystemField, SystemSem } from "../isa/system-sem.js";
import { MODE, MODE_64 } from "../layout.js";
import { memoryFlags, TextSem } from "./text-sem.js";

/** Bytes of an operand as wide as the stack. */
const BYTES = `(load<u32>(cpu, ${MODE}) & ${MODE_64} ? 8 : 4)`;
const IF_FAULTED = "if (faulted(cpu)) return true;";

class TextSystemSem extends TextSem implements SystemSem<string> {
  constructor() {
    super(memoryFlags, "return true;");
  }
  state(field: SystemField): string {
    const [offset, bits] = SYSTEM_FIELDS[field];
    return this.let(`<u64>load<u${bits === 64 ? 64 : 32}>(cpu, ${offset})`);
  }
  setState(field: SystemField, value: string): void {
    const [offset, bits] = SYSTEM_FIELDS[field];
    const type = bits === 64 ? "u64" : "u32";
    this.emit(`store<${type}>(cpu, <${type}>(${value}), ${offset});`);
  }
  rare(condition: string): void {
    this.emit(`if ((${condition}) != 0) return false;`);
  }
  waiting(): string {
    return this.let("<u64>waiting(cpu)");
  }
  top(): string {
    this.emit("stackCurrent(cpu, 0);");
    const value = this.let(`stackPeek(cpu, ${BYTES})`);
    this.emit(IF_FAULTED);
    return value;
  }
  drop(): void {
    this.emit(`stackSkip(${BYTES}); stackCommit(cpu);`);
  }
  push(value: string): void {
    this.emit(`pushSlow(cpu, ${value}, ${BYTES});`);
    this.emit(IF_FAULTED);
  }
}

/** Name of the engine function for an instruction's common case: (cpu, u), false when it is another case. */
export const commonName = (entry: OutlinedEntry): string => `${entry.fn}Common`;

/** Text of that function. */
export function emitCommon(entry: OutlinedEntry, common: CommonCase): string {
  const sem = new TextSystemSem();
  if (common.stack) sem.emit("if (!plainStack(cpu, u)) return false;");
  const flags = common.meaning(sem);
  if (flags !== undefined) sem.setFlags(flags, 32);
  sem.emit("return true;");
  return `function ${commonName(entry)}(cpu: usize, u: usize): bool {\n  ${sem.lines.join("\n  ")}\n}`;
}
