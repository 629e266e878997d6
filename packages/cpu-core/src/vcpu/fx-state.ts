/** The FXSAVE64 image of a vCPU's x87 and SSE state, made and read from outside the guest (SDM Vol. 1 §10.5.1, Table 10-2). */
import * as L from "../layout.js";

const BYTES = 512;
const FCW = 0,
  FSW = 2,
  FTW = 4,
  FOP = 6,
  FIP = 8,
  FDP = 16,
  MXCSR = 24,
  MXCSR_MASK_AT = 28,
  ST0 = 32,
  XMM0 = 160;
const MXCSR_BITS = 0xffff;
const SLOT = 16;
const XMM_BYTES = 16 * SLOT;

const top = (fsw: number): number => (fsw >> 11) & 7;

/** Where register ST(i) is among the physical registers. */
const physical = (cpu: number, fsw: number, i: number): number => cpu + L.FPR + ((top(fsw) + i) & 7) * SLOT;

/** A copy of the state as FXSAVE64 would store it. */
export function readFxState(view: DataView, cpu: number): Uint8Array {
  const image = new Uint8Array(BYTES);
  const out = new DataView(image.buffer);
  const fsw = view.getUint32(cpu + L.FSW, true);
  out.setUint16(FCW, view.getUint32(cpu + L.FCW, true), true);
  out.setUint16(FSW, fsw, true);
  out.setUint8(FTW, view.getUint32(cpu + L.FTW, true));
  out.setUint16(FOP, view.getUint32(cpu + L.FOP, true), true);
  out.setBigUint64(FIP, view.getBigUint64(cpu + L.FIP, true), true);
  out.setBigUint64(FDP, view.getBigUint64(cpu + L.FDP, true), true);
  out.setUint32(MXCSR, view.getUint32(cpu + L.MXCSR, true), true);
  out.setUint32(MXCSR_MASK_AT, MXCSR_BITS, true);
  for (let i = 0; i < 8; i++) {
    const from = physical(cpu, fsw, i);
    out.setBigUint64(ST0 + i * SLOT, view.getBigUint64(from, true), true);
    out.setUint16(ST0 + i * SLOT + 8, view.getUint16(from + 8, true), true);
  }
  image.set(new Uint8Array(view.buffer, cpu + L.XMM, XMM_BYTES), XMM0);
  return image;
}

/** Loads an image of at least 416 bytes; the rest of it is not state. */
export function writeFxState(view: DataView, cpu: number, image: Uint8Array): void {
  const from = new DataView(image.buffer, image.byteOffset, image.byteLength);
  const fsw = from.getUint16(FSW, true);
  view.setUint32(cpu + L.FCW, from.getUint16(FCW, true), true);
  view.setUint32(cpu + L.FSW, fsw, true);
  view.setUint32(cpu + L.FTW, from.getUint8(FTW), true);
  view.setUint32(cpu + L.FOP, from.getUint16(FOP, true), true);
  view.setBigUint64(cpu + L.FIP, from.getBigUint64(FIP, true), true);
  view.setBigUint64(cpu + L.FDP, from.getBigUint64(FDP, true), true);
  view.setUint32(cpu + L.MXCSR, from.getUint32(MXCSR, true) & MXCSR_BITS, true);
  for (let i = 0; i < 8; i++) {
    const to = physical(cpu, fsw, i);
    view.setBigUint64(to, from.getBigUint64(ST0 + i * SLOT, true), true);
    view.setUint16(to + 8, from.getUint16(ST0 + i * SLOT + 8, true), true);
  }
  new Uint8Array(view.buffer, cpu + L.XMM, XMM_BYTES).set(image.subarray(XMM0, XMM0 + XMM_BYTES));
}
