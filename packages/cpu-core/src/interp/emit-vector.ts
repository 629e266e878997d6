/** Writes the handlers of instructions that are spoken in the vocabulary of vectors. */
import type { VectorEntry } from "../isa/define.js";
import type { Handler, Shape } from "./handlers.js";
import { type Access, type HandlerText, IMM, slotAddress } from "./handler-text.js";

const isVector = (shape: Shape): boolean => shape.operand.file === "xmm";

function readMemory(shape: Shape, pointer: string): string {
  if (!isVector(shape)) return `<u64>load<u${shape.bits}>(${pointer})`;
  if (shape.bits === 128) return `v128.load(${pointer})`;
  if (shape.bits >= 32) return `v128.load${shape.bits}_zero(${pointer})`;
  return `i64x2.replace_lane(i64x2.splat(0), 0, <i64>load<u${shape.bits}>(${pointer}))`;
}

export function emitVector(text: HandlerText, handler: Handler, entry: VectorEntry): void {
  const { sem } = text;
  let pointer = "";
  const operands = handler.shapes.map((shape, i): string => {
    const role = entry.roles[i]!;
    if (shape.kind === "i") return sem.let(sem.trunc(IMM, 8));
    if (shape.kind === "r") {
      if (role === "w") return "";
      return isVector(shape) ? sem.name(`v128.load(${slotAddress(shape.slot)})`) : sem.let(text.readRegister(shape.slot, shape.bits));
    }
    const access: Access = role === "r" ? "R" : role === "w" ? "W" : "RW";
    const bytes = shape.bits / 8;
    const address = text.address(bytes, role !== "r");
    if (shape.operand.aligned) text.emit(`if (${address} & ${bytes - 1}) { raiseError(cpu, 13, 0); ${text.frame.abandon} }`);
    pointer = text.pointer(address, bytes, access);
    return role === "w" ? "" : isVector(shape) ? sem.name(readMemory(shape, pointer)) : sem.let(readMemory(shape, pointer));
  });
  const { out, flags, sound } = entry.meaning(sem, operands);
  if (sound !== undefined) text.emit(`if ((${sound}) != 0) {`);
  const shape = handler.shapes[0]!;
  if (out !== undefined) {
    if (shape.kind === "r") {
      if (isVector(shape)) text.emit(`v128.store(${slotAddress(shape.slot)}, ${out});`);
      else text.writeRegister(shape.slot, shape.bits, out);
    } else if (!isVector(shape)) text.emit(`store<u${shape.bits}>(${pointer}, <u${shape.bits}>(${out}));`);
    else if (shape.bits === 128) text.emit(`v128.store(${pointer}, ${out});`);
    else text.emit(`store<u${shape.bits}>(${pointer}, <u${shape.bits}>(${sem.lane(out, shape.bits as 32 | 64, 0)}));`);
  }
  if (flags !== undefined) sem.setFlags(flags, 32);
  if (sound !== undefined) {
    const registers = handler.shapes.filter(({ kind }) => kind === "r").map(({ slot }) => slotAddress(slot));
    const source = pointer === "" ? registers[1] : pointer;
    text.emit(`} else { ${entry.exact}(cpu, ${registers[0]}, ${source}, <u32>${IMM}); if (faulted(cpu)) ${text.frame.abandon} }`);
  }
  text.leave();
}
