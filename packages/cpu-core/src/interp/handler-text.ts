/**
 * What handlers of every kind are written with: where they leave to, how an operand's address is formed and probed, how registers are read and
 * written.
 */
import * as L from "../layout.js";
import { type FlagHome, localFlags, memoryFlags } from "./text-sem.js";
import { TextVectorSem } from "./text-vector.js";

export type Access = "R" | "W" | "RW";
/** How a handler leaves: what to say after a fault, at the end, and when code or mode may have changed under it. */
export interface Frame {
  readonly home: FlagHome;
  readonly abandon: string;
  readonly done: string;
  readonly restart: string;
  /** TLB probe written out, or a call. */
  readonly inlineProbe: boolean;
}
export const LOOP: Frame = {
  home: localFlags,
  abandon: "return abandon(cpu, u, fr, fv, cnt);",
  done: `u += ${L.UOP_SIZE}; continue;`,
  restart: "return finish(cpu, u, fr, fv, cnt);",
  inlineProbe: true,
};
export const COLD: Frame = {
  home: memoryFlags,
  abandon: "return ABANDON;",
  done: "return GO_ON;",
  restart: "return RESTARTED;",
  inlineProbe: false,
};

const SLOTS = [`load<u16>(u, ${L.U_DST})`, `load<u16>(u, ${L.U_SRC})`, `load<u16>(u, ${L.U_AUX})`];
export const slotAddress = (slot: number): string => `cpu + ${SLOTS[slot]}`;
export const IMM = `<u64>load<i64>(u, ${L.U_IMM})`;

/** The statements of one handler. */
export class HandlerText {
  readonly sem: TextVectorSem;
  /** Statement that takes back what was already written, before a fault leaves. */
  undo = "";
  #pointers = 0;
  readonly #scratchChecks: string[] = [];
  constructor(readonly frame: Frame) {
    this.sem = new TextVectorSem(frame.home, frame.abandon);
  }
  emit(line: string): void {
    this.sem.emit(line);
  }
  /** Leaves after a fault was raised; an access through the stack segment turns #GP of a non-canonical address into #SS. */
  fail(through: "plain" | "operand" | "stack" = "plain"): string {
    const { inlineProbe, abandon } = this.frame;
    if (inlineProbe)
      return `{ ${this.undo} ${through === "plain" ? abandon : `return abandon${through === "operand" ? "Operand" : "Stack"}(cpu, u, fr, fv, cnt);`} }`;
    return `{ ${this.undo} ${through === "operand" ? "operandFault(cpu, u); " : ""}${abandon} }`;
  }
  /** Linear address of the memory operand; `bytes` and `write` matter on the slow (segmented) path only. */
  address(bytes: number, write: boolean, bitString = false): string {
    const plain = `((load<u64>(cpu + load<u16>(u, ${L.U_BASE})) + (load<u64>(cpu + load<u16>(u, ${L.U_INDEX})) << load<u8>(u, ${L.U_SCALE})) + <u64><i64>load<i32>(u, ${L.U_DISP}))`;
    const name = `a${this.#pointers}`;
    if (bitString) {
      this.emit(`const ${name}: u64 = bitAddress(cpu, u, ${bytes}, ${write}); if (faulted(cpu)) ${this.fail()}`);
    } else if (this.frame.inlineProbe) {
      this.emit(`let ${name}: u64 = ${plain} & linMask);`);
      this.emit(
        `if (load<u8>(u, ${L.U_SEG}) & 0x48) { ${name} = segmented(cpu, u, ${name}, ${bytes}, ${write}); if (faulted(cpu)) ${this.fail()} }`,
      );
    } else {
      this.emit(`const ${name}: u64 = operandAddress(cpu, u, ${bytes}, ${write}); if (faulted(cpu)) ${this.fail()}`);
    }
    return name;
  }
  /** Host pointer for `bytes` at linear address `linear`. */
  pointer(linear: string, bytes: number, access: Access, through: "operand" | "stack" = "operand"): string {
    const name = `p${this.#pointers++}`;
    const fill = access === "R" ? "readPtr" : access === "W" ? "writePtr" : "rmwPtr";
    if (this.frame.inlineProbe) {
      const end = bytes === 1 ? linear : `(${linear} + ${bytes - 1})`;
      this.emit(`const t${name}: usize = tlb + ((<usize>(${linear} >> 12) & ${L.TLB_ENTRIES - 1}) << ${L.TLB_SHIFT}); let ${name}: usize;`);
      this.emit(
        `if (load<u64>(t${name}, ${access === "R" ? L.TLB_R : L.TLB_W}) == ((${end} & ~0xfff) ^ ctx)) ${name} = <usize>load<u32>(t${name}, ${L.TLB_ADDEND}) + <usize>${linear};`,
      );
      // A device may ask how much has been retired.
      this.emit(
        `else { store<i64>(cpu, cnt + <i64>load<u8>(u, ${L.U_LEFT}) - 1, ${L.COUNT}); ${name} = ${fill}(cpu, ${linear}, ${bytes}); if (!${name}) ${this.fail(through)} }`,
      );
    } else {
      const probe = access === "R" ? "readAt" : access === "W" ? "writeAt" : "modifyAt";
      this.emit(`const ${name} = ${probe}(cpu, ${linear}, ${bytes}); if (!${name}) ${this.fail(through)}`);
    }
    if (access !== "R") this.#scratchChecks.push(name);
    return name;
  }
  /** Must follow all writes: commits what went to the scratch buffer; `restart` leaves when code or mode may have changed. */
  leave(restart = this.frame.restart, done = this.frame.done): void {
    for (const p of this.#scratchChecks)
      this.emit(`if (${p} == cpu + ${L.SCRATCH}) { commit(cpu); if (load<u32>(cpu, ${L.RESTART})) ${restart} }`);
    this.emit(done);
  }
  readRegister(slot: number, bits: number): string {
    return `<u64>load<u${bits}>(${slotAddress(slot)})`;
  }
  writeRegister(slot: number, bits: number, value: string): void {
    this.emit(
      bits === 32
        ? `store<u64>(${slotAddress(slot)}, <u64><u32>(${value}));`
        : `store<u${bits}>(${slotAddress(slot)}, <u${bits}>(${value}));`,
    );
  }
}
