/** MOV MOVZX MOVSX MOVSXD LEA XCHG CMOVcc SETcc BSWAP MOVBE, sign conversions, XLAT, NOP. SDM Vol. 2. */
import { condition, CONDITION_NAMES } from "../conditions.js";
import { type EncodingSpec, type Entry, family, outlined } from "../define.js";
import { RAX, RBX, type Sem, type Width } from "../sem.js";

const hex = (n: number): string => n.toString(16).toUpperCase();

/** Reverses the bytes of a value of `bits` bits. */
function swapBytes<V>(b: Sem<V>, x: V, bits: Width): V {
  let v = x;
  const swap = (distance: number, mask: bigint): void => {
    const m = b.imm(mask);
    const named = b.let(v);
    v = b.or(b.and(b.shr(named, b.imm(distance)), m), b.shl(b.and(named, m), b.imm(distance)));
  };
  swap(8, 0x00ff00ff00ff00ffn);
  if (bits >= 32) swap(16, 0x0000ffff0000ffffn);
  if (bits === 64) swap(32, 0x00000000ffffffffn);
  return v;
}

/** AL→AX, AX→EAX, EAX→RAX, by operand size; and the copy of the sign into DX, EDX, RDX. */
const half = (bits: Width): Width => (bits === 64 ? 32 : bits === 32 ? 16 : 8);

export const move: Entry[] = [
  family("MOV", {
    encodings: [
      ["88 /r", "Eb,Gb"],
      ["89 /r", "Ev,Gv"],
      ["8A /r", "Gb,Eb"],
      ["8B /r", "Gv,Ev"],
      ["A0 i64", "AL,Ob"],
      ["A1 i64", "rAX,Ov"],
      ["A2 i64", "Ob,AL"],
      ["A3 i64", "Ov,rAX"],
      ["B0+r", "Zb,Ib"],
      ["B8+r", "Zv,Iv"],
      ["C6 /0", "Eb,Ib"],
      ["C7 /0", "Ev,Iz"],
    ],
    roles: "w,r",
    meaning: (_b, [, y]) => ({ out: { 0: y! } }),
  }),
  family("MOVZX", {
    encodings: [
      ["0F B6 /r", "Gv,Eb"],
      ["0F B7 /r", "Gv,Ew"],
    ],
    roles: "w,r",
    meaning: (_b, [, y]) => ({ out: { 0: y! } }),
  }),
  family("MOVSX", {
    encodings: [
      ["0F BE /r", "Gv,Eb"],
      ["0F BF /r", "Gv,Ew"],
    ],
    roles: "w,r",
    meaning: (b, [, y], _bits, widths) => ({ out: { 0: b.sext(y!, widths[1]!) } }),
  }),
  family("MOVSXD", { encodings: [["63 /r o64", "Gv,Ed"]], roles: "w,r", meaning: (b, [, y]) => ({ out: { 0: b.sext(y!, 32) } }) }),
  family("LEA", { encodings: [["8D /r mem", "Gv,M"]], roles: "w,a", meaning: (_b, [, address]) => ({ out: { 0: address! } }) }),
  family("XCHG", {
    encodings: [
      ["86 /r", "Eb,Gb"],
      ["87 /r", "Ev,Gv"],
      ["90+r", "Zv,rAX"],
    ],
    roles: "rw,rw",
    lock: true,
    meaning: (_b, [x, y]) => ({ out: { 0: y!, 1: x! } }),
  }),
  ...CONDITION_NAMES.map((name, cc) =>
    family(`CMOV${name}`, {
      encodings: [[`0F 4${hex(cc)} /r`, "Gv,Ev"]],
      roles: "rw,r",
      feature: "cmov",
      meaning: (b, [x, y]) => ({ out: { 0: b.select(condition(b, cc), y!, x!) } }),
    }),
  ),
  ...CONDITION_NAMES.map((name, cc) =>
    family(`SET${name}`, { encodings: [[`0F 9${hex(cc)} /r`, "Eb"]], roles: "w", meaning: (b) => ({ out: { 0: condition(b, cc) } }) }),
  ),
  family("BSWAP", {
    encodings: [["0F C8+r", "Zv"]],
    roles: "rw",
    // With a 16-bit operand size the result is undefined; silicon gives zero.
    meaning: (b, [x], bits) => ({ out: { 0: bits === 16 ? b.imm(0) : swapBytes(b, x!, bits) } }),
  }),
  family("MOVBE", {
    encodings: [
      ["NP 0F 38 F0 /r mem", "Gv,Ev"],
      ["66 0F 38 F0 /r mem", "Gv,Ev"],
      ["NP 0F 38 F1 /r mem", "Ev,Gv"],
      ["66 0F 38 F1 /r mem", "Ev,Gv"],
    ] as EncodingSpec[],
    roles: "w,r",
    feature: "movbe",
    meaning: (b, [, y], bits) => ({ out: { 0: swapBytes(b, y!, bits) } }),
  }),
  family("CBW", {
    encodings: [["98", "rAX"]],
    roles: "w",
    meaning: (b, _ops, bits) => ({ out: { 0: b.sext(b.gpr(RAX, half(bits)), half(bits)) } }),
  }),
  family("CWD", {
    encodings: [["99", "rDX"]],
    roles: "w",
    meaning: (b, _ops, bits) => ({ out: { 0: b.sar(b.sext(b.gpr(RAX, bits), bits), b.imm(63)) } }),
  }),
  // In 64-bit code the offset has 64 bits, more than an operation's displacement.
  outlined("MOV", "stay", "loadAbsoluteByte", [["A0 o64", "AL,Ob"]], { general: [RAX] }),
  outlined("MOV", "stay", "loadAbsolute", [["A1 o64", "rAX,Ov"]], { general: [RAX] }),
  outlined("MOV", "stay", "storeAbsoluteByte", [["A2 o64", "Ob,AL"]], { general: [RAX] }),
  outlined("MOV", "stay", "storeAbsolute", [["A3 o64", "Ov,rAX"]], { general: [RAX] }),
  outlined("XLAT", "stay", "xlat", [["D7"]], { general: [RAX, RBX] }),
  family("NOP", {
    encodings: [["90 nob"], ["0F 19 /r"], ["0F 1A /r"], ["0F 1B /r"], ["0F 1C /r"], ["0F 1D /r"], ["0F 1E /r"], ["0F 1F /r"], ["0F 18 /r"]],
    roles: "",
    meaning: () => ({}),
  }),
];
