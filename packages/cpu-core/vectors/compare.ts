/** Compares an observed outcome with the recorded one under the case's masks; names what differs. */
import type { Observed } from "./driver.js";
import type { VectorCase } from "./format.js";

const COMPARED_FLAGS = 0x247fd5;
/** Transcendental x87 results may differ by this much of the 64-bit mantissa. */
const X87_ULPS = 64n;

export function differences(test: VectorCase, mode: 32 | 64, observed: Observed): string[] {
  const out: string[] = [];
  const { final } = test;
  const got = observed.state;
  const a = test.exception,
    b = observed.exception;
  if ((a?.vector ?? 3) !== (b?.vector ?? 3)) return [`exception ${a?.vector ?? "none"}->${b?.vector ?? "none"}`];
  if (a && b) {
    if (a.error !== b.error) out.push(`error code ${a.error}->${b.error}`);
    if (a.cr2 !== b.cr2) out.push("cr2");
  }
  if (final.rip !== got.rip) out.push("rip");
  const flags = (final.flags ^ got.flags) & COMPARED_FLAGS & ~test.undefinedFlags;
  if (flags !== 0) out.push(`flags ${flags.toString(16)}`);
  const registers = mode === 64 ? 16 : 8;
  const gprs: number[] = [];
  for (let i = 0; i < registers; i++) if (final.gpr[i] !== got.gpr[i] && !test.ignoredGprs.includes(i)) gprs.push(i);
  if (gprs.length > 0) out.push(`gpr ${gprs.join(",")}`);
  if (final.mxcsr !== got.mxcsr) out.push(`mxcsr ${(final.mxcsr ^ got.mxcsr).toString(16)}`);
  if (final.fcw !== got.fcw) out.push("fcw");
  const fsw = (final.fsw ^ got.fsw) & ~test.undefinedFsw & 0xffff;
  if (fsw !== 0) out.push(`fsw ${fsw.toString(16)}`);
  if (final.ftw !== got.ftw) out.push("ftw");
  for (let i = 0; i < 8; i++) {
    if (((final.ftw >> i) & 1) === 0) continue;
    const x = final.x87.subarray(i * 10, i * 10 + 10),
      y = got.x87.subarray(i * 10, i * 10 + 10);
    if (same(x, y) || ((test.classFlags & 1) !== 0 && distance(x, y) <= X87_ULPS)) continue;
    out.push(`st R${i}`);
  }
  for (let i = 0; i < registers; i++) {
    const x = final.xmm.subarray(i * 16, i * 16 + 16),
      y = got.xmm.subarray(i * 16, i * 16 + 16);
    if (same(x, y) || ((test.classFlags & 2) !== 0 && closeFloats(x, y))) continue;
    out.push(`xmm${i}`);
  }
  const expected = final.data.slice(),
    actual = got.data.slice();
  for (const { offset, length } of test.ignoredData) {
    expected.fill(0, offset, offset + length);
    actual.fill(0, offset, offset + length);
  }
  if (!same(expected, actual)) out.push("data");
  return out;
}

function same(x: Uint8Array, y: Uint8Array): boolean {
  for (let i = 0; i < x.length; i++) if (x[i] !== y[i]) return false;
  return true;
}

/** Distance of two 80-bit numbers in units of the last place. */
function distance(x: Uint8Array, y: Uint8Array): bigint {
  const d = ordinal(x) - ordinal(y);
  return d < 0n ? -d : d;
}
function ordinal(x: Uint8Array): bigint {
  const view = new DataView(x.buffer, x.byteOffset, 10);
  const mantissa = view.getBigUint64(0, true);
  const se = BigInt(view.getUint16(8, true));
  const exponent = se & 0x7fffn;
  const magnitude = exponent === 0n ? mantissa : ((exponent > 1n ? exponent : 1n) << 63n) + (mantissa & 0x7fffffffffffffffn);
  return se >> 15n ? -magnitude : magnitude;
}

/** Approximate reciprocals: relative error at most 1.5 * 2^-12 on each side. */
function closeFloats(x: Uint8Array, y: Uint8Array): boolean {
  const a = new DataView(x.buffer, x.byteOffset, 16),
    b = new DataView(y.buffer, y.byteOffset, 16);
  for (let i = 0; i < 16; i += 4) {
    if (a.getUint32(i, true) === b.getUint32(i, true)) continue;
    const p = a.getFloat32(i, true),
      q = b.getFloat32(i, true);
    if (Number.isNaN(p) && Number.isNaN(q)) continue;
    if (!Number.isFinite(p) || !Number.isFinite(q) || Math.abs(p - q) > Math.abs(p) * 2 * 1.5 * 2 ** -12) return false;
  }
  return true;
}
