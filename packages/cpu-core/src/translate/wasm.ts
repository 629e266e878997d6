/**
 * WebAssembly's binary format, as far as the translator writes it: a growing byte buffer with LEB128 numbers, the opcodes, and a module of
 * functions of one type. WebAssembly Core Specification §5.
 */

/** Opcodes by the names of the text format; an enum, which the bundler replaces by its numbers. */
export enum Op {
  unreachable = 0x00,
  block = 0x02,
  loop = 0x03,
  end = 0x0b,
  br = 0x0c,
  if = 0x04,
  else = 0x05,
  brIf = 0x0d,
  brTable = 0x0e,
  return = 0x0f,
  call = 0x10,
  drop = 0x1a,
  select = 0x1b,
  localGet = 0x20,
  localSet = 0x21,
  localTee = 0x22,
  i32Load = 0x28,
  i64Load = 0x29,
  i32Load8u = 0x2d,
  i32Load16u = 0x2f,
  i64Load8u = 0x31,
  i64Load16u = 0x33,
  i64Load32u = 0x35,
  i32Store = 0x36,
  i64Store = 0x37,
  i32Store8 = 0x3a,
  i32Store16 = 0x3b,
  i64Store8 = 0x3c,
  i64Store16 = 0x3d,
  i64Store32 = 0x3e,
  i32Const = 0x41,
  i64Const = 0x42,
  i32Eqz = 0x45,
  i32Eq = 0x46,
  i32Ne = 0x47,
  i32LtU = 0x49,
  i32GeU = 0x4f,
  i32Add = 0x6a,
  i32Sub = 0x6b,
  i32Mul = 0x6c,
  i32DivU = 0x6e,
  i32RemU = 0x70,
  i32And = 0x71,
  i32Or = 0x72,
  i32Xor = 0x73,
  i32Shl = 0x74,
  i32ShrS = 0x75,
  i32ShrU = 0x76,
  i32Rotl = 0x77,
  i32Rotr = 0x78,
  i64Eqz = 0x50,
  i64Eq = 0x51,
  i64Ne = 0x52,
  i64LtS = 0x53,
  i64LtU = 0x54,
  i64GtS = 0x55,
  i64GtU = 0x56,
  i64LeS = 0x57,
  i64LeU = 0x58,
  i64GeS = 0x59,
  i64GeU = 0x5a,
  i64Clz = 0x79,
  i64Ctz = 0x7a,
  i64Popcnt = 0x7b,
  i64Add = 0x7c,
  i64Sub = 0x7d,
  i64Mul = 0x7e,
  i64DivS = 0x7f,
  i64DivU = 0x80,
  i64RemS = 0x81,
  i64RemU = 0x82,
  i64And = 0x83,
  i64Or = 0x84,
  i64Xor = 0x85,
  i64Shl = 0x86,
  i64ShrS = 0x87,
  i64ShrU = 0x88,
  i64Rotl = 0x89,
  i64Rotr = 0x8a,
  i32WrapI64 = 0xa7,
  i64ExtendI32S = 0xac,
  i64ExtendI32U = 0xad,
  i32Extend8S = 0xc0,
  i32Extend16S = 0xc1,
  i64Extend8S = 0xc2,
  i64Extend16S = 0xc3,
  i64Extend32S = 0xc4,
}

export const TYPE_I32 = 0x7f;
export const TYPE_I64 = 0x7e;
export const TYPE_F32 = 0x7d;
export const TYPE_F64 = 0x7c;
export const TYPE_V128 = 0x7b;
const TYPE_FUNCTION = 0x60;
const NO_RESULT = 0x40;

/** Bytes under construction. */
export class ByteWriter {
  bytes: Uint8Array<ArrayBuffer>;
  length = 0;
  /** End, beginning and local of the last `local.set`. */
  #set = -1;
  #setAt = 0;
  #setIndex = 0;

  /** @param room - bytes that are expected */
  constructor(room = 4096) {
    this.bytes = new Uint8Array(room);
  }
  #room(more: number): void {
    if (this.length + more <= this.bytes.length) return;
    const larger = new Uint8Array(Math.max(this.bytes.length * 2, this.length + more));
    larger.set(this.bytes.subarray(0, this.length));
    this.bytes = larger;
  }
  byte(value: number): void {
    if (this.length === this.bytes.length) this.#room(1);
    this.bytes[this.length++] = value;
  }
  /** An unsigned 32-bit number. */
  u32(value: number): void {
    let rest = value >>> 0;
    while (rest >= 0x80) {
      this.byte((rest & 0x7f) | 0x80);
      rest >>>= 7;
    }
    this.byte(rest);
  }
  /** A signed 32-bit number. */
  s32(value: number): void {
    let rest = value | 0;
    for (;;) {
      const low = rest & 0x7f;
      rest >>= 7;
      const last = rest === ((low & 0x40) === 0 ? 0 : -1);
      this.byte(last ? low : low | 0x80);
      if (last) return;
    }
  }
  /** A signed 64-bit number. */
  s64(value: number | bigint): void {
    if (typeof value === "number" && value === (value | 0)) {
      this.s32(value);
      return;
    }
    let rest = BigInt.asIntN(64, BigInt(value));
    for (;;) {
      const low = Number(rest & 0x7fn);
      rest >>= 7n;
      const last = rest === ((low & 0x40) === 0 ? 0n : -1n);
      this.byte(last ? low : low | 0x80);
      if (last) return;
    }
  }
  name(text: string): void {
    this.u32(text.length);
    for (let i = 0; i < text.length; i++) this.byte(text.charCodeAt(i));
  }
  append(other: ByteWriter): void {
    this.#room(other.length);
    this.bytes.set(other.bytes.subarray(0, other.length), this.length);
    this.length += other.length;
  }
  /** A copy of what was written. */
  take(): Uint8Array<ArrayBuffer> {
    return this.bytes.slice(0, this.length);
  }

  /** An opcode of two parts has its prefix byte above. */
  op(opcode: number): void {
    if (opcode > 0xff) {
      this.byte(opcode >>> 8);
      this.u32(opcode & 0xff);
    } else this.byte(opcode);
  }
  local(opcode: number, index: number): void {
    this.byte(opcode);
    this.u32(index);
  }
  localGet(index: number): void {
    // What was just put there is still wanted.
    if (this.#set === this.length && this.#setIndex === index) {
      this.bytes[this.#setAt] = Op.localTee;
      this.#set = -1;
      return;
    }
    this.local(Op.localGet, index);
  }
  localSet(index: number): void {
    this.#setAt = this.length;
    this.local(Op.localSet, index);
    this.#set = this.length;
    this.#setIndex = index;
  }
  i32Const(value: number): void {
    this.byte(Op.i32Const);
    this.s32(value);
  }
  /** `opcode` is a load or store; addresses carry no alignment promise. */
  memory(opcode: number, offset: number): void {
    this.op(opcode);
    this.byte(0);
    this.u32(offset);
  }
  /** A call whose function gets its number from `linkCall` at the position returned. */
  openCall(): number {
    this.byte(Op.call);
    this.byte(0x80);
    this.byte(0);
    return this.length - 2;
  }
  /** @param number - below 2^14 */
  linkCall(at: number, number: number): void {
    this.bytes[at] = 0x80 | (number & 0x7f);
    this.bytes[at + 1] = number >>> 7;
  }
  /** Opens a block or loop without a result. */
  open(opcode: number): void {
    this.byte(opcode);
    this.byte(NO_RESULT);
  }
}

/** A function of the engine as units call it. */
export interface EngineFunction {
  readonly name: string;
  readonly parameters: readonly number[];
  readonly result: number | undefined;
}
/** A function's local declarations and code, without the size in front, and where calls to the engine wait for the callee's number. */
export interface FunctionBody {
  readonly code: ByteWriter;
  readonly calls: readonly { readonly at: number; readonly callee: EngineFunction }[];
}

/**
 * A module that imports `env.memory` and what its bodies call of `engine`, and exports functions (i32, i32, i64) -> i32 as "0", "1", …
 * The bodies' calls are filled in.
 */
export function writeModule(bodies: readonly FunctionBody[]): Uint8Array<ArrayBuffer> {
  const numbers = new Map<string, number>();
  const imports: EngineFunction[] = [];
  for (const { code, calls } of bodies)
    for (const { at, callee } of calls) {
      const number = numbers.get(callee.name) ?? imports.push(callee) - 1;
      numbers.set(callee.name, number);
      code.linkCall(at, number);
    }
  const out = new ByteWriter();
  for (const byte of [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]) out.byte(byte);
  const section = (id: number, write: (w: ByteWriter) => void): void => {
    const content = new ByteWriter();
    write(content);
    out.byte(id);
    out.u32(content.length);
    out.append(content);
  };
  section(1, (w) => {
    w.u32(1 + imports.length);
    const signature = (parameters: readonly number[], result: number | undefined): void => {
      w.byte(TYPE_FUNCTION);
      w.u32(parameters.length);
      for (const type of parameters) w.byte(type);
      w.u32(result === undefined ? 0 : 1);
      if (result !== undefined) w.byte(result);
    };
    signature([TYPE_I32, TYPE_I32, TYPE_I64], TYPE_I32);
    for (const { parameters, result } of imports) signature(parameters, result);
  });
  section(2, (w) => {
    w.u32(1 + imports.length);
    w.name("env");
    w.name("memory");
    w.byte(2);
    w.byte(0);
    w.u32(1);
    imports.forEach(({ name }, i) => {
      w.name("engine");
      w.name(name);
      w.byte(0);
      w.u32(1 + i);
    });
  });
  section(3, (w) => {
    w.u32(bodies.length);
    for (let i = 0; i < bodies.length; i++) w.u32(0);
  });
  section(7, (w) => {
    w.u32(bodies.length);
    for (let i = 0; i < bodies.length; i++) {
      w.name(String(i));
      w.byte(0);
      w.u32(imports.length + i);
    }
  });
  section(10, (w) => {
    w.u32(bodies.length);
    for (const { code } of bodies) {
      w.u32(code.length);
      w.append(code);
    }
  });
  return out.take();
}
