import { expect, test } from "vitest";
import { ByteWriter, Op } from "../translate/wasm.js";
import { logStores } from "./log-stores.js";

const NEXT = 16,
  SILENT = 20,
  LOG = 0x8000,
  END = 0xc000;
const INTO = { next: NEXT, end: END, silent: { from: SILENT, bytes: 0x100 } };
const SILENT_FROM = 0x7000;
const VECTOR = 0xfd;

/** A module that imports m.memory and exports "f", a function without parameters and results, whose code is given. */
function moduleOf(code: (out: ByteWriter) => void): Uint8Array<ArrayBuffer> {
  const out = new ByteWriter();
  for (const byte of [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, 1, 4, 1, 0x60, 0, 0, 2, 13, 1, 1, 0x6d]) out.byte(byte);
  out.name("memory");
  for (const byte of [2, 0, 1, 3, 2, 1, 0, 7, 5, 1, 1, 0x66, 0, 0]) out.byte(byte);
  const body = new ByteWriter();
  body.u32(0);
  code(body);
  body.op(Op.end);
  out.byte(10);
  out.u32(body.length + 2);
  out.u32(1);
  out.u32(body.length);
  // a size below 128 is one byte
  expect(body.length).toBeLessThan(126);
  out.append(body);
  return out.take();
}

function vector(out: ByteWriter, op: number, offset: number, lane?: number): void {
  out.op(VECTOR);
  out.u32(op);
  out.byte(0);
  out.u32(offset);
  if (lane !== undefined) out.byte(lane);
}

/** Each kind of store, at an address of its own, onto what the one before has written in part. */
const KINDS: Record<string, (out: ByteWriter) => void> = {
  "i32.store": (out) => {
    out.i32Const(0x400);
    out.i32Const(-2);
    out.memory(0x36, 3);
  },
  "i64.store, a byte of it again": (out) => {
    for (const [op, offset] of [
      [Op.i64Store, 0],
      [Op.i64Store8, 7],
      [Op.i64Store16, 2],
      [Op.i64Store32, 4],
    ] as const) {
      out.i32Const(0x500);
      out.byte(Op.i64Const);
      out.s64(0x0102030405060708n + BigInt(op));
      out.memory(op, offset);
    }
  },
  "i32.store8 and i32.store16 at a page's end": (out) => {
    for (const [op, at] of [
      [0x3a, 0xfff],
      [0x3b, 0xffe],
    ] as const) {
      out.i32Const(at);
      out.i32Const(0x1234);
      out.memory(op, 0);
    }
  },
  "f32.store and f64.store": (out) => {
    for (const [constant, op, bytes] of [
      [0x43, 0x38, 4],
      [0x44, 0x39, 8],
    ] as const) {
      out.i32Const(0x600);
      out.byte(constant);
      for (let n = 0; n < bytes; n++) out.byte(0x40 + n);
      out.memory(op, bytes);
    }
  },
  "v128.store": (out) => {
    out.i32Const(0x700);
    out.op(VECTOR);
    out.u32(12);
    for (let n = 0; n < 16; n++) out.byte(0xf0 + n);
    vector(out, 11, 5);
  },
  "v128.store64_lane and v128.store8_lane": (out) => {
    for (const [op, lane] of [
      [91, 1],
      [88, 15],
    ] as const) {
      out.i32Const(0x720);
      out.op(VECTOR);
      out.u32(12);
      for (let n = 0; n < 16; n++) out.byte(0xe0 + n);
      vector(out, op, op, lane);
    }
  },
  "memory.copy that overlaps, and memory.fill": (out) => {
    for (const [to, from, length, op] of [
      [0x805, 0x800, 37, 10],
      [0x810, 0xab, 5, 11],
    ] as const) {
      for (const value of [to, from, length]) out.i32Const(value);
      out.op(0xfc);
      out.u32(op);
      out.byte(0);
      if (op === 10) out.byte(0);
    }
  },
};

function run(module: Uint8Array<ArrayBuffer>): { memory: Uint8Array; before: Uint8Array } {
  const memory = new WebAssembly.Memory({ initial: 1 });
  const bytes = new Uint8Array(memory.buffer);
  for (let n = 0; n < LOG; n++) bytes[n] = (n * 7) & 0xff;
  const view = new DataView(memory.buffer);
  view.setUint32(NEXT, LOG, true);
  view.setUint32(SILENT, SILENT_FROM, true);
  const before = bytes.slice();
  (new WebAssembly.Instance(new WebAssembly.Module(module), { m: { memory } }).exports["f"] as () => void)();
  return { memory: bytes, before };
}

/** Takes back what the notes keep, as assembly/verify.ts does it. */
function takeBack(memory: Uint8Array): number {
  const view = new DataView(memory.buffer);
  let notes = 0;
  for (let at = view.getUint32(NEXT, true); at > LOG; notes++) {
    const size = view.getUint32(at - 4, true);
    const address = view.getUint32(at - 8, true);
    at -= 8 + ((size + 7) & ~7);
    memory.copyWithin(address, at, at + size);
  }
  return notes;
}

test.each(Object.entries(KINDS))("%s does what it did, and can be taken back", (_name, code) => {
  const module = moduleOf(code);
  const plain = run(module);
  const noted = run(logStores(module, INTO));
  const differ = (one: Uint8Array, other: Uint8Array): boolean =>
    one.subarray(SILENT + 4, LOG).some((byte, i) => byte !== other[SILENT + 4 + i]);
  expect(differ(plain.memory, plain.before)).toBe(true);
  expect(differ(noted.memory, plain.memory)).toBe(false);
  expect(takeBack(noted.memory)).toBeGreaterThan(0);
  expect(differ(noted.memory, plain.before)).toBe(false);
});

test("stores to the silent bytes, and to no others, leave no note", () => {
  const places = [SILENT_FROM - 1, SILENT_FROM, SILENT_FROM + 0xff, SILENT_FROM + 0x100];
  const module = moduleOf((out) => {
    for (const at of places) {
      out.i32Const(at);
      out.i32Const(0x55);
      out.memory(Op.i32Store8, 0);
    }
  });
  const { memory } = run(logStores(module, INTO));
  expect(places.map((at) => memory[at])).toEqual([0x55, 0x55, 0x55, 0x55]);
  expect(takeBack(memory)).toBe(2);
  expect(places.map((at) => memory[at] === 0x55)).toEqual([false, true, true, false]);
});

test("a full log traps instead of losing a note", () => {
  const module = moduleOf((out) => {
    for (const value of [0x400, 0, END - LOG - 32]) out.i32Const(value);
    for (const byte of [0xfc, 11, 0]) out.byte(byte);
  });
  expect(() => run(logStores(module, INTO))).toThrow(WebAssembly.RuntimeError);
});

test("an instruction that may store in an unknown way is refused", () => {
  const module = moduleOf((out) => {
    out.i32Const(0x400);
    out.i32Const(1);
    for (const byte of [0xfe, 0x17, 2, 0]) out.byte(byte); // i32.atomic.store
  });
  expect(() => logStores(module, INTO)).toThrow(/opcode 0xfe is not known/);
});
