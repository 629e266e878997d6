/**
 * Rewrites a WebAssembly module so that every store first notes what it overwrites: what the module did to memory can then be taken back.
 * Each store, memory.copy and memory.fill becomes a call of a function that is added at the module's end. The notes lie in the same memory,
 * one after the other: the old bytes (padded to 8), u32 address, u32 size; assembly/verify.ts reads them backwards.
 * WebAssembly Core Specification §5. Not for modules with atomics, exceptions or several memories.
 */
import { HvError } from "@paravane/paravirt-ops";
import { ByteWriter, Op, TYPE_I32, TYPE_I64 } from "../translate/wasm.js";

/**
 * Where notes go: `next` is the address of a u32, the address of the next note, which must stay below `end`. Stores to the `bytes` bytes from
 * the address that lies at `from` on are not noted.
 */
export interface StoreLog {
  readonly next: number;
  readonly end: number;
  readonly silent: { readonly from: number; readonly bytes: number };
}

const TYPE_F32 = 0x7d,
  TYPE_F64 = 0x7c,
  TYPE_V128 = 0x7b,
  TYPE_FUNCTION = 0x60,
  NO_RESULT = 0x40;
const IF = 0x04,
  I32_LOAD = 0x28,
  I32_STORE = 0x36,
  I32_GT_S = 0x4a,
  I32_SUB = 0x6b,
  NUMERIC = 0xfc,
  MEMORY_COPY = 10,
  MEMORY_FILL = 11,
  VECTOR = 0xfd,
  V128_LOAD = 0,
  V128_STORE = 11,
  FIRST_LANE_STORE = 88;
/** A note is at most this much longer than the bytes that it keeps. */
const MARGIN = 64;

/** The store instructions: opcode (VECTOR for the wide one), type of the value, bytes. */
const STORES: readonly { op: number; type: number; bytes: number }[] = [
  { op: I32_STORE, type: TYPE_I32, bytes: 4 },
  { op: Op.i64Store, type: TYPE_I64, bytes: 8 },
  { op: 0x38, type: TYPE_F32, bytes: 4 },
  { op: 0x39, type: TYPE_F64, bytes: 8 },
  { op: 0x3a, type: TYPE_I32, bytes: 1 },
  { op: 0x3b, type: TYPE_I32, bytes: 2 },
  { op: Op.i64Store8, type: TYPE_I64, bytes: 1 },
  { op: Op.i64Store16, type: TYPE_I64, bytes: 2 },
  { op: Op.i64Store32, type: TYPE_I64, bytes: 4 },
  { op: VECTOR, type: TYPE_V128, bytes: 16 },
];
const COPY = STORES.length,
  FILL = COPY + 1,
  FUNCTIONS = FILL + 1;
/** For v128.store8_lane to v128.store64_lane: what takes the lane out, and the plain store (by its place in STORES). */
const LANES: readonly { extract: number; store: number }[] = [
  { extract: 0x16, store: 4 },
  { extract: 0x19, store: 5 },
  { extract: 0x1b, store: 0 },
  { extract: 0x1d, store: 1 },
];

class Reader {
  at = 0;
  constructor(readonly bytes: Uint8Array) {}
  byte(): number {
    return this.bytes[this.at++]!;
  }
  u32(): number {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = this.byte();
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return value >>> 0;
    }
  }
  /** Passes over a number of any width. */
  number(): void {
    while (this.byte() >= 0x80);
  }
  skip(bytes: number): void {
    this.at += bytes;
  }
  name(): void {
    this.skip(this.u32());
  }
  limits(): void {
    const flags = this.byte();
    this.number();
    if (flags & 1) this.number();
  }
}

/** The same module, noting its stores in `log`. */
export function logStores(module: Uint8Array, log: StoreLog): Uint8Array<ArrayBuffer> {
  const reader = new Reader(module);
  const out = new ByteWriter();
  copy(out, module, 0, 8);
  reader.at = 8;
  let types = 0;
  let functions = 0;
  while (reader.at < module.length) {
    const id = reader.byte();
    const size = reader.u32();
    const start = reader.at;
    const end = start + size;
    const content = new ByteWriter();
    switch (id) {
      case 1:
        types = reader.u32();
        content.u32(types + FUNCTIONS);
        copy(content, module, reader.at, end);
        for (let n = 0; n < FUNCTIONS; n++) signature(content, STORES[n]?.type ?? TYPE_I32);
        break;
      case 2:
        functions += importedFunctions(reader);
        copy(content, module, start, end);
        break;
      case 3: {
        const count = reader.u32();
        functions += count;
        content.u32(count + FUNCTIONS);
        copy(content, module, reader.at, end);
        for (let n = 0; n < FUNCTIONS; n++) content.u32(types + n);
        break;
      }
      case 10: {
        const count = reader.u32();
        content.u32(count + FUNCTIONS);
        for (let n = 0; n < count; n++) rewriteBody(reader, content, functions);
        for (let n = 0; n < FUNCTIONS; n++) {
          const body = n < COPY ? loggedStore(STORES[n]!, log) : loggedBulk(n === COPY, log);
          content.u32(body.length);
          content.append(body);
        }
        break;
      }
      default:
        copy(content, module, start, end);
    }
    reader.at = end;
    out.byte(id);
    out.u32(content.length);
    out.append(content);
  }
  return out.take();
}

function copy(out: ByteWriter, bytes: Uint8Array, from: number, to: number): void {
  for (let at = from; at < to; at++) out.byte(bytes[at]!);
}

/** Of an added function: address (or destination), value, and the store's offset (or a length). */
function signature(out: ByteWriter, value: number): void {
  out.byte(TYPE_FUNCTION);
  out.u32(3);
  out.byte(TYPE_I32);
  out.byte(value);
  out.byte(TYPE_I32);
  out.u32(0);
}

/** How many of the imports are functions. */
function importedFunctions(reader: Reader): number {
  let functions = 0;
  for (let left = reader.u32(); left > 0; left--) {
    reader.name();
    reader.name();
    switch (reader.byte()) {
      case 0:
        reader.number();
        functions++;
        break;
      case 1:
        reader.skip(1);
        reader.limits();
        break;
      case 2:
        reader.limits();
        break;
      case 3:
        reader.skip(2);
        break;
      default:
        throw new HvError("core/verify-module", "an import of a kind that verification does not know");
    }
  }
  return functions;
}

/** One function with its stores replaced; `first` is the number of the first added function. */
function rewriteBody(reader: Reader, out: ByteWriter, first: number): void {
  const end = reader.u32() + reader.at;
  const body = new ByteWriter();
  let done = reader.at;
  const replace = (from: number, added: number, offset?: number): void => {
    copy(body, reader.bytes, done, from);
    if (offset !== undefined) body.i32Const(offset);
    body.op(Op.call);
    body.u32(first + added);
    done = reader.at;
  };
  for (let groups = reader.u32(); groups > 0; groups--) {
    reader.number();
    reader.skip(1);
  }
  while (reader.at < end) {
    const from = reader.at;
    const op = reader.byte();
    if (op >= I32_STORE && op <= Op.i64Store32) {
      reader.number();
      replace(
        from,
        STORES.findIndex((store) => store.op === op),
        reader.u32(),
      );
    } else if (op === NUMERIC) {
      const number = reader.u32();
      passNumeric(reader, number);
      if (number === MEMORY_COPY || number === MEMORY_FILL) replace(from, number === MEMORY_COPY ? COPY : FILL);
    } else if (op === VECTOR) {
      const number = reader.u32();
      if (number === V128_STORE) {
        reader.number();
        replace(from, STORES.length - 1, reader.u32());
      } else if (number >= FIRST_LANE_STORE && number < FIRST_LANE_STORE + LANES.length) {
        const lane = LANES[number - FIRST_LANE_STORE]!;
        reader.number();
        const offset = reader.u32();
        copy(body, reader.bytes, done, from);
        done = from;
        body.op(VECTOR);
        body.u32(lane.extract);
        body.byte(reader.byte());
        replace(from, lane.store, offset);
      } else passVector(reader, number);
    } else passPlain(reader, op);
  }
  copy(body, reader.bytes, done, end);
  out.u32(body.length);
  out.append(body);
}

/** Passes over the immediates of a one-byte opcode that is no store. */
function passPlain(reader: Reader, op: number): void {
  if (op === 0x02 || op === 0x03 || op === IF) reader.number();
  else if (op === Op.brTable) for (let n = reader.u32() + 1; n > 0; n--) reader.number();
  else if (op === 0x0c || op === 0x0d || op === 0x10 || op === 0x12 || (op >= 0x20 && op <= 0x26) || op === 0xd2) reader.number();
  else if (op === 0x11 || op === 0x13) {
    reader.number();
    reader.number();
  } else if (op === 0x1c) for (let n = reader.u32(); n > 0; n--) reader.skip(1);
  else if (op >= I32_LOAD && op < I32_STORE) {
    reader.number();
    reader.number();
  } else if (op === 0x3f || op === 0x40 || op === 0xd0) reader.skip(1);
  else if (op === Op.i32Const || op === Op.i64Const) reader.number();
  else if (op === 0x43) reader.skip(4);
  else if (op === 0x44) reader.skip(8);
  else if (
    !(op <= 0x01 || op === 0x05 || op === Op.end || op === 0x0f || op === 0x1a || op === 0x1b || (op >= 0x45 && op <= 0xc4) || op === 0xd1)
  )
    throw new HvError("core/verify-module", `WebAssembly opcode 0x${op.toString(16)} is not known to verification`);
}

/** Conversions that saturate, and bulk memory and table instructions. */
function passNumeric(reader: Reader, op: number): void {
  const numbers = op < 8 ? 0 : [2, 1, 2, 1, 2, 1, 2, 1, 1, 1][op - 8];
  if (numbers === undefined) throw new HvError("core/verify-module", `WebAssembly opcode 0xfc ${op} is not known to verification`);
  for (let n = 0; n < numbers; n++) reader.number();
}

/** Vector instructions that do not store. */
function passVector(reader: Reader, op: number): void {
  if (op < V128_STORE || op === 92 || op === 93) {
    reader.number();
    reader.number();
  } else if (op === 12 || op === 13) reader.skip(16);
  else if (op >= 21 && op <= 34) reader.skip(1);
  else if (op >= 84 && op < FIRST_LANE_STORE) {
    reader.number();
    reader.number();
    reader.skip(1);
  }
}

/** (address, value, offset): notes what lies there, and stores. */
function loggedStore({ op, bytes }: (typeof STORES)[number], log: StoreLog): ByteWriter {
  const [ADDRESS, VALUE, OFFSET, NEXT] = [0, 1, 2, 3];
  const out = new ByteWriter();
  const kept = Math.max(8, bytes);
  const wide = bytes === 16;
  const load = { 1: Op.i64Load8u, 2: Op.i64Load16u, 4: Op.i64Load32u }[bytes] ?? Op.i64Load;
  const store = { 1: Op.i64Store8, 2: Op.i64Store16, 4: Op.i64Store32 }[bytes] ?? Op.i64Store;
  const memory = (narrow: number, vector: number, offset: number): void => {
    if (wide) {
      out.op(VECTOR);
      out.u32(vector);
      out.byte(0);
      out.u32(offset);
    } else out.memory(narrow, offset);
  };
  locals(out, 1);
  out.local(Op.localGet, ADDRESS);
  out.local(Op.localGet, OFFSET);
  out.op(Op.i32Add);
  out.local(Op.localTee, ADDRESS);
  unlessSilent(out, log, () => {
    takeNext(out, log, NEXT);
    out.local(Op.localGet, NEXT);
    out.local(Op.localGet, ADDRESS);
    memory(load, V128_LOAD, 0);
    memory(store, V128_STORE, 0);
    note(out, NEXT, kept, ADDRESS, () => out.i32Const(bytes));
    putNext(out, log, NEXT, kept + 8);
  });
  out.local(Op.localGet, ADDRESS);
  out.local(Op.localGet, VALUE);
  if (op === VECTOR) memory(op, V128_STORE, 0);
  else out.memory(op, 0);
  out.op(Op.end);
  return out;
}

/** (destination, source or value, length): the same for memory.copy and memory.fill. */
function loggedBulk(isCopy: boolean, log: StoreLog): ByteWriter {
  const [TO, FROM, LENGTH, NEXT] = [0, 1, 2, 3];
  const out = new ByteWriter();
  const bulk = (op: number): void => {
    out.op(NUMERIC);
    out.u32(op);
    out.byte(0);
    if (op === MEMORY_COPY) out.byte(0);
  };
  locals(out, 1);
  out.local(Op.localGet, TO);
  unlessSilent(out, log, () => {
    takeNext(out, log, NEXT, LENGTH);
    for (const local of [NEXT, TO, LENGTH]) out.local(Op.localGet, local!);
    bulk(MEMORY_COPY);
    out.local(Op.localGet, NEXT);
    out.local(Op.localGet, LENGTH);
    out.i32Const(7);
    out.op(Op.i32Add);
    out.i32Const(-8);
    out.op(Op.i32And);
    out.op(Op.i32Add);
    out.local(Op.localSet, NEXT);
    note(out, NEXT, 0, TO, () => out.local(Op.localGet, LENGTH));
    putNext(out, log, NEXT, 8);
  });
  for (const local of [TO, FROM, LENGTH]) out.local(Op.localGet, local!);
  bulk(isCopy ? MEMORY_COPY : MEMORY_FILL);
  out.op(Op.end);
  return out;
}

function locals(out: ByteWriter, count: number): void {
  out.u32(1);
  out.u32(count);
  out.byte(TYPE_I32);
}
/** What `write` writes, for stores at the address on the stack that are noted. */
function unlessSilent(out: ByteWriter, { silent }: StoreLog, write: () => void): void {
  out.i32Const(0);
  out.memory(I32_LOAD, silent.from);
  out.op(I32_SUB);
  out.i32Const(silent.bytes);
  out.op(Op.i32GeU);
  out.op(IF);
  out.byte(NO_RESULT);
  write();
  out.op(Op.end);
}
/** The next note's address; traps when there is no room for it and `extra` (a local) bytes. */
function takeNext(out: ByteWriter, log: StoreLog, next: number, extra?: number): void {
  if (extra === undefined) out.i32Const(0);
  else out.local(Op.localGet, extra);
  out.i32Const(log.end - MARGIN);
  out.i32Const(0);
  out.memory(I32_LOAD, log.next);
  out.local(Op.localTee, next);
  out.op(I32_SUB);
  out.op(I32_GT_S);
  out.op(IF);
  out.byte(NO_RESULT);
  out.op(Op.unreachable);
  out.op(Op.end);
}
/** Address and size behind the kept bytes. */
function note(out: ByteWriter, next: number, kept: number, address: number, size: () => void): void {
  out.local(Op.localGet, next);
  out.local(Op.localGet, address);
  out.memory(I32_STORE, kept);
  out.local(Op.localGet, next);
  size();
  out.memory(I32_STORE, kept + 4);
}
function putNext(out: ByteWriter, log: StoreLog, next: number, by: number): void {
  out.i32Const(0);
  out.local(Op.localGet, next);
  out.i32Const(by);
  out.op(Op.i32Add);
  out.memory(I32_STORE, log.next);
}
