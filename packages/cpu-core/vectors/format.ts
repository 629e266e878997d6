/** Reader of X86DIFF1: instruction test vectors recorded on a real CPU. Each case is a few code bytes, an initial and a final user-mode state. */

/** User-mode state. x87 registers are in physical order, 10 bytes each. */
export interface State {
  gpr: BigUint64Array;
  rip: bigint;
  flags: number;
  mxcsr: number;
  fcw: number;
  fsw: number;
  ftw: number;
  x87: Uint8Array;
  xmm: Uint8Array;
  data: Uint8Array;
}
export interface Outcome {
  vector: number;
  error: number;
  cr2: bigint;
}
export interface VectorCase {
  readonly index: number;
  readonly className: string;
  /** bit 0: x87 result approximate; bit 1: SSE result approximate. */
  readonly classFlags: number;
  readonly undefinedFlags: number;
  readonly undefinedFsw: number;
  readonly code: Uint8Array;
  readonly initial: State;
  readonly final: State;
  /** The exception that ended the case instead of INT3. */
  readonly exception: Outcome | undefined;
  readonly ignoredData: readonly { offset: number; length: number }[];
  readonly ignoredGprs: readonly number[];
}
export interface VectorFile {
  readonly mode: 32 | 64;
  readonly count: number;
  readonly codePage: bigint;
  readonly entry: bigint;
  readonly dataPage: bigint;
  readonly segmentBase: bigint;
  readonly segmentLimit: number;
  cases(): Generator<VectorCase>;
}

const HEADER = 80;
const BASE_STATE = 4584;

/** @throws Error when the bytes are not such a file */
export function parseVectors(input: Uint8Array): VectorFile {
  // A plain view: slice() of Node's Buffer would share memory with the file.
  const bytes = new Uint8Array(input.buffer, input.byteOffset, input.byteLength);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < HEADER || new TextDecoder().decode(bytes.subarray(0, 8)) !== "X86DIFF1") throw new Error("not an X86DIFF1 file");
  const mode = view.getUint32(8, true);
  if (mode !== 32 && mode !== 64) throw new Error(`X86DIFF1: mode ${mode}`);
  const bases = view.getUint32(12, true),
    count = view.getUint32(16, true),
    classes = view.getUint32(20, true);
  let at = HEADER;
  const names: { name: string; flags: number }[] = [];
  for (let i = 0; i < classes; i++) {
    const length = bytes[at + 1]!;
    names.push({ flags: bytes[at]!, name: new TextDecoder().decode(bytes.subarray(at + 2, at + 2 + length)) });
    at += 2 + length;
  }
  const baseAt = at;
  const casesAt = at + bases * BASE_STATE;
  const file = {
    mode: mode as 32 | 64,
    count,
    codePage: view.getBigUint64(24, true),
    entry: view.getBigUint64(32, true),
    dataPage: view.getBigUint64(40, true),
    segmentBase: view.getBigUint64(48, true),
    segmentLimit: view.getUint32(56, true),
  };
  return {
    ...file,
    *cases() {
      let p = casesAt;
      for (let i = 0; i < count; i++) {
        const end = p + 2 + view.getUint16(p, true);
        yield readCase(i, p + 2);
        p = end;
      }
    },
  };

  function baseState(n: number): State {
    const p = baseAt + n * BASE_STATE;
    const gpr = new BigUint64Array(16);
    for (let i = 0; i < 16; i++) gpr[i] = view.getBigUint64(p + i * 8, true);
    return {
      gpr,
      rip: file.entry,
      flags: (Number(view.getBigUint64(p + 128, true) & 0xffffffffn) & 0xcd5) | 0x202,
      mxcsr: view.getUint32(p + 136, true),
      fcw: view.getUint16(p + 140, true),
      fsw: view.getUint16(p + 142, true),
      ftw: bytes[p + 144]!,
      x87: bytes.slice(p + 152, p + 232),
      xmm: bytes.slice(p + 232, p + 488),
      data: bytes.slice(p + 488, p + 488 + 4096),
    };
  }

  function readCase(index: number, start: number): VectorCase {
    const cls = names[view.getUint16(start, true)]!;
    const codeLength = bytes[start + 10]!;
    const initial = baseState(view.getUint16(start + 2, true));
    const cursor = { at: start + 11 + codeLength };
    const overrides = readDeltas(cursor, initial, true);
    const final: State = {
      ...initial,
      gpr: initial.gpr.slice(),
      x87: initial.x87.slice(),
      xmm: initial.xmm.slice(),
      data: initial.data.slice(),
    };
    const result = readDeltas(cursor, final, false);
    return {
      index,
      className: cls.name,
      classFlags: cls.flags,
      undefinedFlags: view.getUint32(start + 4, true),
      undefinedFsw: view.getUint16(start + 8, true),
      code: bytes.slice(start + 11, start + 11 + codeLength),
      initial,
      final,
      exception: result.exception,
      ignoredData: overrides.ignoredData,
      ignoredGprs: overrides.ignoredGprs,
    };
  }

  function readDeltas(cursor: { at: number }, state: State, initial: boolean) {
    const word = mode === 64 ? 8 : 4;
    const register = (p: number): bigint => (mode === 64 ? view.getBigUint64(p, true) : BigInt(view.getUint32(p, true)));
    const ignoredData: { offset: number; length: number }[] = [];
    const ignoredGprs: number[] = [];
    let exception: Outcome | undefined;
    for (;;) {
      const tag = bytes[cursor.at++]!;
      const p = cursor.at;
      if (tag === 0xff) return { ignoredData, ignoredGprs, exception };
      if (tag < 0x10) {
        state.gpr[tag] = register(p);
        cursor.at += word;
      } else if (tag === 0x10) {
        state.rip = register(p);
        cursor.at += word;
      } else if (tag === 0x11) {
        const flags = view.getUint32(p, true);
        state.flags = initial ? (flags & 0xcd5) | 0x202 : flags;
        cursor.at += 4;
      } else if (tag === 0x12) {
        state.mxcsr = view.getUint32(p, true);
        cursor.at += 4;
      } else if (tag === 0x13) {
        state.fcw = view.getUint16(p, true);
        cursor.at += 2;
      } else if (tag === 0x14) {
        state.fsw = view.getUint16(p, true);
        cursor.at += 2;
      } else if (tag === 0x15) {
        state.ftw = bytes[p]!;
        cursor.at += 1;
      } else if (tag >= 0x18 && tag < 0x20) {
        state.x87.set(bytes.subarray(p, p + 10), (tag - 0x18) * 10);
        cursor.at += 10;
      } else if (tag >= 0x20 && tag < 0x30) {
        state.xmm.set(bytes.subarray(p, p + 16), (tag - 0x20) * 16);
        cursor.at += 16;
      } else if (tag === 0x40) {
        const offset = view.getUint16(p, true),
          length = bytes[p + 2]!;
        state.data.set(bytes.subarray(p + 3, p + 3 + length), offset);
        cursor.at += 3 + length;
      } else if (tag === 0x50) {
        const vector = bytes[p]!;
        exception = { vector, error: view.getUint16(p + 1, true), cr2: vector === 14 ? register(p + 3) : 0n };
        cursor.at += 3 + (vector === 14 ? word : 0);
      } else if (tag === 0x60) {
        ignoredData.push({ offset: view.getUint16(p, true), length: view.getUint16(p + 2, true) });
        cursor.at += 4;
      } else if (tag === 0x61) {
        ignoredGprs.push(bytes[p]!);
        cursor.at += 1;
      } else throw new Error(`X86DIFF1: tag 0x${tag.toString(16)}`);
    }
  }
}
