/**
 * Instructions that a function of the engine carries out, called from the unit itself: the frame that the interpreter's handlers put around
 * those functions (interp/emit.ts), with operands resolved and only those registers in memory that the function looks at.
 */
import type { Handler } from "../interp/handlers.js";
import type { OutlinedEntry } from "../isa/define.js";
import * as L from "../layout.js";
import type { Access } from "./block-code.js";
import type { SystemCode } from "./system-code.js";
import { COUNT, exitCode, FR, FV } from "./locals.js";
import { canAddress, type Lowering, type Uop } from "./lower.js";
import * as N from "./node.js";
import type { Node } from "./node.js";
import { Op } from "./wasm.js";

/** FSW: an unmasked exception is pending. */
const FSW_ES = 0x80;
const CS_SELECTOR = L.SEG + L.CS * L.SEG_SIZE + L.SEG_SELECTOR;

/** The bit of the general register whose slot begins at byte `offset` of the vCPU's block; 0 for other places. */
function generalBit(offset: number): number {
  const register = (offset - L.GPR) >> 3;
  return register >= 0 && register < FR ? 1 << register : 0;
}

/** Has an instruction without frame operands in general registers? They are U_DST and U_SRC then. */
function namesRegisters(entry: OutlinedEntry): boolean {
  return entry.encodings.some(([, operands = ""]) => /\b[EGR]/.test(operands));
}

/** A string instruction may have to be executed again. */
function isRepeated(uop: Uop): boolean {
  return (uop.u32(L.U_AUX) & (L.AUX_REP | L.AUX_REPNE)) !== 0;
}

/** The calls of one block. */
export class EngineCalls {
  readonly #code: SystemCode;
  /** Is FCS what it will be after any x87 instruction of this block? */
  #codeSegmentNoted = false;

  constructor(readonly lowering: Lowering) {
    this.#code = lowering.code;
  }

  /** The whole instruction at `uop`; `left`: instructions of the block from this one on. */
  outlined(uop: Uop, handler: Handler, entry: OutlinedEntry, left: number): void {
    const { options } = entry;
    const faulted = exitCode(uop.delta, left, L.UNIT_LOOK);
    let implicit = 0;
    for (const register of options.general ?? []) implicit |= 1 << register;
    if (options.flags) implicit |= (1 << FR) | (1 << FV);
    if (entry.kind === "stay" && (this.#common(uop, entry) || this.#segment(uop, entry))) return;
    if (entry.kind === "stay") this.#stay(uop, entry, implicit, left);
    else if (entry.kind === "fpu" || entry.kind === "fpuLoad" || entry.kind === "fpuStore") this.#fpu(uop, handler, entry, implicit);
    else if (entry.kind === "modify") {
      this.#code.call(entry.fn, [this.#code.places.cpu, this.#operand(uop, handler, entry, "RW")], { writes: implicit });
      this.#leaveIfFaulted(faulted);
    } else this.#vector(uop, handler, entry, implicit, faulted);
  }

  /** Host address of the memory operand. */
  #operand(uop: Uop, handler: Handler, entry: OutlinedEntry, access: Access): Node {
    const shape = handler.shapes.find((s) => s.kind === "m")!;
    const bytes = shape.bits / 8;
    const code = this.#code;
    const linear = code.let(this.lowering.linear(uop));
    if (shape.operand.aligned || entry.options.aligned) code.exitIf(N.wrap(N.and(linear, N.i64(bytes - 1))));
    return code.pointer(linear, bytes, access, this.lowering.place(uop));
  }

  #leaveIfFaulted(faulted: number): void {
    const vector = this.#code.field(Op.i32Load, false, 32, L.FAULT);
    this.#code.exitIf(N.binary(Op.i32Ne, false, 1, vector, N.i32(-1)), faulted);
  }

  /** Leaves when an x87 exception is pending: the interpreter raises #MF. */
  #leaveIfPending(): void {
    const status = this.#code.field(Op.i32Load, false, 32, L.FSW);
    this.#code.exitIf(N.binary(Op.i32And, false, 8, status, N.i32(FSW_ES)));
  }

  /** The common case of a function's instruction, in the unit; the interpreter calls the function for the others. */
  #common(uop: Uop, { options: { common } }: OutlinedEntry): boolean {
    const wide = this.lowering.long ? L.AUX_OP64 : L.AUX_OP32;
    if (common === undefined || (common.stack && (uop.u32(L.U_AUX) & wide) === 0)) return false;
    const flags = common.meaning<Node>(this.#code);
    if (flags !== undefined) this.#code.flags.set(flags, 32, undefined);
    return true;
  }

  /** A load of a segment register in its common case; the interpreter calls the function for the others. */
  #segment(uop: Uop, { options: { loads } }: OutlinedEntry): boolean {
    if (loads === undefined) return false;
    const code = this.#code;
    const aux = uop.u32(L.U_AUX);
    const segment = loads === "reg" ? (aux >> L.AUX_REG_SHIFT) & 7 : loads;
    if (segment === L.CS || segment === L.SS || segment > L.GS) return false;
    let selector: Node;
    if (loads !== "reg") {
      if ((aux & (this.lowering.long ? L.AUX_OP64 : L.AUX_OP32)) === 0) return false;
      selector = code.top();
    } else if ((aux & L.AUX_MEM) === 0) selector = code.readSlot(uop.slot(0), 16);
    else if (canAddress(uop, this.lowering.long))
      selector = code.load(code.pointer(this.lowering.linear(uop), 2, "R", this.lowering.place(uop)), 16);
    else return false;
    const word = N.wrap(N.and(selector, N.i64(0xffff)));
    const done = code.call("loadPlainly", [code.places.cpu, N.i32(segment), word], { returns: true, resultBits: 1 });
    code.exitIf(N.unary(Op.i32Eqz, false, 1, done!));
    if (loads !== "reg") code.drop();
    return true;
  }

  /** A function that finds its operands itself. */
  #stay(uop: Uop, entry: OutlinedEntry, implicit: number, left: number): void {
    const code = this.#code;
    this.#codeSegmentNoted = false;
    const named = namesRegisters(entry) ? generalBit(uop.slot(0)) | generalBit(uop.slot(1)) : 0;
    let addressed = 0;
    if (uop.u32(L.U_AUX) & L.AUX_MEM) addressed = generalBit(uop.u16(L.U_BASE)) | generalBit(uop.u16(L.U_INDEX));
    if (uop.u16(L.U_BASE) === L.RIP_BASE) code.setField(Op.i64Store, L.RIP_BASE, this.lowering.address(uop.blockDelta));
    // How much has been retired is asked by clocks and devices.
    code.setField(Op.i64Store, L.COUNT, N.add(N.local(COUNT, true), N.i64(left - 1)));
    code.call(entry.fn, [code.places.cpu, N.i32(uop.at)], {
      vectors: true, // FXSAVE and its kin
      reads: addressed,
      writes: implicit | named,
      translations: entry.options.translations === true,
    });
    this.#leaveIfFaulted(exitCode(uop.delta, left, L.UNIT_LOOK));
    const restart = code.field(Op.i32Load, false, 2, L.RESTART);
    if (isRepeated(uop)) {
      const again = N.binary(Op.i32Eq, false, 1, restart, N.i32(L.RESTART_AGAIN));
      code.exitIf(again, exitCode(uop.delta, left - 1, L.UNIT_LOOK));
    }
    code.exitIf(restart, exitCode(uop.next, left - 1, L.UNIT_LOOK));
  }

  /** What fpuEnter does (assembly/x87/pointers.ts). The registers of the operand's address are for FDP. */
  #fpu(uop: Uop, handler: Handler, entry: OutlinedEntry, implicit: number): void {
    const code = this.#code;
    if (entry.options.control) this.#codeSegmentNoted = false;
    else this.#leaveIfPending();
    let argument: Node;
    let addressed = 0;
    if (entry.kind === "fpu") argument = N.i32(Number(uop.immediateOf(3)));
    else {
      argument = this.#operand(uop, handler, entry, entry.kind === "fpuLoad" ? "R" : "W");
      addressed = generalBit(uop.u16(L.U_BASE)) | generalBit(uop.u16(L.U_INDEX));
      if (uop.u16(L.U_BASE) === L.RIP_BASE) code.setField(Op.i64Store, L.RIP_BASE, this.lowering.address(uop.blockDelta));
    }
    if (!entry.options.control) {
      code.setField(Op.i64Store, L.FIP, this.lowering.address(uop.delta));
      code.setField(Op.i64Store32, L.FPU_UOP, N.i64(uop.at));
      if (!this.#codeSegmentNoted) code.setField(Op.i64Store32, L.FCS, code.field(Op.i64Load32u, true, 32, CS_SELECTOR));
      this.#codeSegmentNoted = true;
    }
    code.call(entry.fn, [code.places.cpu, argument], { reads: addressed, writes: implicit, returns: entry.kind === "fpuStore" });
  }

  #vector(uop: Uop, handler: Handler, entry: OutlinedEntry, implicit: number, faulted: number): void {
    const code = this.#code;
    const memory = handler.shapes.some((s) => s.kind === "m");
    const slots = handler.shapes.filter((s) => s.kind === "r").map((s) => uop.slot(s.slot));
    const mmx = handler.shapes.some((s) => s.operand.file === "mmx");
    const address = (slot: number | undefined): Node =>
      slot === undefined ? N.i32(0) : N.binary(Op.i32Add, false, 32, code.places.cpu, N.i32(slot));
    if (mmx) this.#leaveIfPending();
    const operand = memory ? this.#operand(uop, handler, entry, entry.kind === "vec" ? "R" : "W") : undefined;
    const target = entry.kind === "vec" || !memory ? slots[0] : undefined;
    const source = entry.kind === "vec" ? (memory ? undefined : slots[1]) : slots[slots.length - 1];
    const dst = entry.kind === "vec" ? address(target) : (operand ?? address(target));
    const src = entry.kind === "vec" ? (operand ?? address(source)) : address(source);
    if (mmx) code.call("mmxEnter", [code.places.cpu], { returns: true });
    code.call(entry.fn, [code.places.cpu, dst, src, N.i32(Number(uop.immediateOf(32)))], {
      vectors: handler.shapes.some((s) => s.operand.file === "xmm"),
      reads: source === undefined ? 0 : generalBit(source),
      writes: implicit | (target === undefined ? 0 : generalBit(target)),
    });
    this.#leaveIfFaulted(faulted);
  }
}
