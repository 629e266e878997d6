// MOV between the accumulator and an absolute 64-bit offset (opcodes A0-A3 in 64-bit code). SDM Vol. 2B "MOV".
import { AUX_OP16, AUX_OP64, GPR, U_AUX, U_IMM, U_SEG } from "../src/layout";
import { faulted } from "./fault";
import { rd16, rd32, rd64, rd8, wr16, wr32, wr64, wr8 } from "./memory/access";
import { segAddress } from "./memory/segmentation";

function linearOf(cpu: usize, u: usize, size: u32, write: bool): u64 {
  return segAddress(cpu, load<u8>(u, U_SEG) & 7, load<u64>(u, U_IMM), size, write);
}
function widthOf(u: usize): u32 {
  const aux = load<u32>(u, U_AUX);
  return aux & AUX_OP64 ? 8 : aux & AUX_OP16 ? 2 : 4;
}

export function loadAbsoluteByte(cpu: usize, u: usize): void {
  const linear = linearOf(cpu, u, 1, false);
  if (faulted(cpu)) return;
  const value = rd8(cpu, linear);
  if (!faulted(cpu)) store<u8>(cpu, <u8>value, GPR);
}
export function loadAbsolute(cpu: usize, u: usize): void {
  const size = widthOf(u);
  const linear = linearOf(cpu, u, size, false);
  if (faulted(cpu)) return;
  const value = size == 8 ? rd64(cpu, linear) : size == 4 ? <u64>rd32(cpu, linear) : <u64>rd16(cpu, linear);
  if (faulted(cpu)) return;
  if (size == 2) store<u16>(cpu, <u16>value, GPR);
  else store<u64>(cpu, value, GPR);
}
export function storeAbsoluteByte(cpu: usize, u: usize): void {
  const linear = linearOf(cpu, u, 1, true);
  if (!faulted(cpu)) wr8(cpu, linear, <u32>load<u8>(cpu, GPR));
}
export function storeAbsolute(cpu: usize, u: usize): void {
  const size = widthOf(u);
  const linear = linearOf(cpu, u, size, true);
  if (faulted(cpu)) return;
  if (size == 8) wr64(cpu, linear, load<u64>(cpu, GPR));
  else if (size == 4) wr32(cpu, linear, load<u32>(cpu, GPR));
  else wr16(cpu, linear, <u32>load<u16>(cpu, GPR));
}
