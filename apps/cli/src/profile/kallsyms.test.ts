import { describe, expect, test } from "vitest";
import { findKallsyms } from "./kallsyms.js";

const NAMES = 2100;
const BASE = 0xffffffff81000000n;

interface Layout {
  /** Offsets and base before the names, as up to 6.3, or behind the tokens. */
  readonly before: boolean;
  /** Sequence numbers between markers and tokens. */
  readonly sequences: boolean;
}

/** What scripts/kallsyms.c writes, for a kernel of functions "fn_0", "fn_1" … and one per-CPU symbol, with the token 0x80 standing for "fn_". */
function image({ before, sequences }: Layout): Uint8Array {
  const bytes = new Uint8Array(1 << 17);
  const view = new DataView(bytes.buffer);
  let at = 0x1230;
  const align = (): void => {
    at = Math.ceil(at / 8) * 8;
  };
  const code = (text: string): number[] => [...text].map((letter) => letter.charCodeAt(0));
  const names = ["Apercpu_start", "T_stext", ...Array.from({ length: NAMES - 2 }, (_, i) => `t${"\x80"}${i}`)];
  const putOffsets = (): void => {
    align();
    names.forEach((_, i) => {
      view.setInt32(at, i === 0 ? 0x100 : -1 - i * 16, true);
      at += 4;
    });
    align();
    view.setBigUint64(at, BASE, true);
    at += 8;
  };
  if (before) putOffsets();
  align();
  view.setUint32(at, names.length, true);
  at += 8;
  const start = at;
  const markers: number[] = [];
  names.forEach((name, i) => {
    if (i % 256 === 0) markers.push(at - start);
    bytes[at++] = name.length;
    for (const token of code(name)) bytes[at++] = token;
  });
  align();
  for (const marker of markers) {
    view.setUint32(at, marker, true);
    at += 4;
  }
  align();
  if (sequences) for (let i = 0; i < names.length * 3; i++) bytes[at++] = (i * 7) & 0xff;
  align();
  const tokensAt = at;
  const offsets: number[] = [];
  for (let token = 0; token < 256; token++) {
    offsets.push(at - tokensAt);
    const text = token === 0x80 ? "fn_" : token >= 0x20 && token < 0x7f ? String.fromCharCode(token) : "";
    for (const letter of code(text)) bytes[at++] = letter;
    at++;
  }
  align();
  for (const offset of offsets) {
    view.setUint16(at, offset, true);
    at += 2;
  }
  if (!before) putOffsets();
  return bytes;
}

describe("kallsyms in guest memory", () => {
  test.each([
    ["kernels up to 6.1", { before: true, sequences: false }],
    ["kernels with sequence numbers", { before: true, sequences: true }],
    ["kernels from 6.4", { before: false, sequences: false }],
  ])("%s: names and addresses of code are read, per-CPU symbols are not", (_, layout) => {
    const symbols = findKallsyms(image(layout))!;
    expect(symbols).toHaveLength(NAMES - 1);
    expect(symbols[0]).toEqual({ name: "_stext", address: BASE + 16n, size: 0 });
    expect(symbols.at(-1)).toEqual({ name: `fn_${NAMES - 3}`, address: BASE + BigInt((NAMES - 1) * 16), size: 0 });
  });

  test("memory without a kernel has none, nor has one whose tables are damaged", () => {
    expect(findKallsyms(new Uint8Array(1 << 16))).toBeUndefined();
    const damaged = image({ before: true, sequences: false });
    const digits = Buffer.from(damaged.buffer).indexOf("0\x001\x002\x00");
    damaged[digits - 1] = 0x41;
    expect(findKallsyms(damaged)).toBeUndefined();
  });

  test("digits at either end of memory are no table", () => {
    const bytes = new Uint8Array(64);
    const digits = [..."0123456789"].flatMap((digit) => [digit.charCodeAt(0), 0]);
    bytes.set(digits);
    bytes.set(digits, 64 - digits.length);
    expect(findKallsyms(bytes)).toBeUndefined();
  });
});
