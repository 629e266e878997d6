/** Instructions spoken in the vocabulary of vectors: their operands, and where the result goes. What is not sound leaves the unit. */
import type { VectorEntry } from "../isa/define.js";
import * as L from "../layout.js";
import type { Handler, Shape } from "../interp/handlers.js";
import type { Access } from "./block-code.js";
import type { Lowering, Uop } from "./lower.js";
import * as N from "./node.js";
import type { Node } from "./node.js";
import { Op } from "./wasm.js";

const isVector = (shape: Shape): boolean => shape.operand.file === "xmm";
const vectorNumber = (slot: number): number => (slot - L.XMM) >> 4;

export function lowerVector(lowering: Lowering, uop: Uop, handler: Handler, entry: VectorEntry): void {
  const { code } = lowering;
  let pointer: Node | undefined;
  const operands = handler.shapes.map((shape, i): Node => {
    const role = entry.roles[i]!;
    if (shape.kind === "i") return N.i64(uop.immediateOf(8));
    if (shape.kind === "r") {
      if (role === "w") return N.i64(0);
      const slot = uop.slot(shape.slot);
      return isVector(shape) ? code.readVector(vectorNumber(slot)) : code.let(code.readSlot(slot, shape.bits));
    }
    const access: Access = role === "r" ? "R" : role === "w" ? "W" : "RW";
    const bytes = shape.bits / 8;
    pointer = code.pointer(lowering.linear(uop), bytes, access, lowering.place(uop));
    // Pages begin at multiples of 16 in the host too.
    if (shape.operand.aligned) code.exitIf(N.binary(Op.i32And, false, 4, pointer, N.i32(bytes - 1)));
    if (role === "w") return N.i64(0);
    return isVector(shape) ? code.loadVector(pointer, shape.bits) : code.load(pointer, shape.bits);
  });
  const { out, flags, sound, ordinary } = entry.meaning<Node>(code, operands);
  if (sound !== undefined) code.demand(sound);
  const shape = handler.shapes[0]!;
  if (out !== undefined) {
    if (ordinary !== undefined) code.learn(ordinary, out);
    const slot = uop.slot(shape.slot);
    if (shape.kind === "r") {
      if (isVector(shape)) code.writeVector(vectorNumber(slot), out);
      else code.writeSlot(slot, shape.bits, out);
    } else if (isVector(shape)) code.storeVector(pointer!, shape.bits, out);
    else code.store(pointer!, shape.bits, out);
  }
  if (flags !== undefined) code.flags.set(flags, 32, undefined);
}
