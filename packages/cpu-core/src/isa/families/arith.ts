/** ADD ADC SUB SBB CMP INC DEC NEG XADD CMPXCHG ADCX ADOX. SDM Vol. 2A/2B; flags by carry vectors (Vol. 1 Appendix A). */
import { type EncodingSpec, type Entry, type FamilyEntry, family, outlined } from "../define.js";
import { carriesOfAdd } from "../flag-words.js";
import { type Effect, type FlagEffect, RAX, RBX, RCX, RDX, type Sem } from "../sem.js";

/** The six encodings that the eight classic operations share; `op` is their number. */
export function classicEncodings(op: number): EncodingSpec[] {
  const hex = (n: number): string => (op * 8 + n).toString(16).toUpperCase().padStart(2, "0");
  return [
    [`${hex(0)} /r`, "Eb,Gb"],
    [`${hex(1)} /r`, "Ev,Gv"],
    [`${hex(2)} /r`, "Gb,Eb"],
    [`${hex(3)} /r`, "Gv,Ev"],
    [hex(4), "AL,Ib"],
    [hex(5), "rAX,Iz"],
    [`80 /${op}`, "Eb,Ib"],
    [`81 /${op}`, "Ev,Iz"],
    [`82 /${op} i64`, "Eb,Ib"],
    [`83 /${op}`, "Ev,Ibs"],
  ];
}

type Kind<V, K> = Extract<FlagEffect<V>, { kind: K }>;

function addition<V>(b: Sem<V>, x: V, y: V, carry?: V): Kind<V, "add"> {
  const sum = b.add(x, y);
  const result = b.let(carry === undefined ? sum : b.add(sum, carry));
  return { kind: "add", x, y, result, ...(carry === undefined ? {} : { carry }) };
}
function subtraction<V>(b: Sem<V>, x: V, y: V, borrow?: V): Kind<V, "sub"> {
  const difference = b.sub(x, y);
  const result = b.let(borrow === undefined ? difference : b.sub(difference, borrow));
  return { kind: "sub", x, y, result, ...(borrow === undefined ? {} : { borrow }) };
}

const binary = (mnemonic: string, op: number, roles: string, meaning: FamilyEntry["meaning"]): FamilyEntry =>
  family(mnemonic, { encodings: classicEncodings(op), roles, lock: roles.startsWith("rw"), meaning });

const wrote = <V>(flags: Kind<V, "add" | "sub">): Effect<V> => ({ out: { 0: flags.result }, flags });

export const arith: FamilyEntry[] = [
  binary("ADD", 0, "rw,r", (b, [x, y]) => wrote(addition(b, x!, y!))),
  binary("ADC", 2, "rw,r", (b, [x, y]) => wrote(addition(b, x!, y!, b.flag("CF")))),
  binary("SBB", 3, "rw,r", (b, [x, y]) => wrote(subtraction(b, x!, y!, b.flag("CF")))),
  binary("SUB", 5, "rw,r", (b, [x, y]) => wrote(subtraction(b, x!, y!))),
  binary("CMP", 7, "r,r", (b, [x, y]) => ({ flags: subtraction(b, x!, y!) })),
  family("INC", {
    encodings: [
      ["FE /0", "Eb"],
      ["FF /0", "Ev"],
      ["40+r i64", "Zv"],
    ],
    roles: "rw",
    lock: true,
    meaning: (b, [x]) => {
      const result = b.let(b.add(x!, b.imm(1)));
      return { out: { 0: result }, flags: { kind: "increment", x: x!, result } };
    },
  }),
  family("DEC", {
    encodings: [
      ["FE /1", "Eb"],
      ["FF /1", "Ev"],
      ["48+r i64", "Zv"],
    ],
    roles: "rw",
    lock: true,
    meaning: (b, [x]) => {
      const result = b.let(b.sub(x!, b.imm(1)));
      return { out: { 0: result }, flags: { kind: "decrement", x: x!, result } };
    },
  }),
  family("NEG", {
    encodings: [
      ["F6 /3", "Eb"],
      ["F7 /3", "Ev"],
    ],
    roles: "rw",
    lock: true,
    meaning: (b, [x]) => wrote(subtraction(b, b.imm(0), x!)),
  }),
  family("XADD", {
    encodings: [
      ["0F C0 /r", "Eb,Gb"],
      ["0F C1 /r", "Ev,Gv"],
    ],
    roles: "rw,rw",
    lock: true,
    // The register is written first, so that XADD of a register with itself leaves the sum.
    meaning: (b, [x, y]) => {
      const flags = addition(b, x!, y!);
      return { out: { 1: x!, 0: flags.result }, flags };
    },
  }),
  family("CMPXCHG", {
    encodings: [
      ["0F B0 /r", "Eb,Gb"],
      ["0F B1 /r", "Ev,Gv"],
    ],
    roles: "rw,r",
    lock: true,
    // Memory is written in either case (SDM: "the destination operand is written back"); a register destination only on a match and the
    // accumulator only on a mismatch, so that 32-bit forms keep the upper half of what is not written.
    meaning: (b, [x, y], bits) => {
      const accumulator = b.gpr(RAX, bits);
      const flags = subtraction(b, accumulator, x!);
      const equal = b.let(b.eq(accumulator, x!));
      const whole = b.let(b.gpr(RAX, 64));
      const mask = bits === 64 ? -1n : (1n << BigInt(bits)) - 1n;
      const merged = bits === 32 || bits === 64 ? x! : b.or(b.and(whole, b.imm(~mask)), x!);
      b.setGpr(RAX, 64, b.select(equal, whole, merged));
      return { out: { 0: b.select(equal, y!, x!) }, writeIf: equal, flags };
    },
  }),
  family("ADCX", {
    encodings: [["66 0F 38 F6 /r", "Gy,Ey"]],
    roles: "rw,r",
    feature: "adx",
    meaning: (b, [x, y], bits) => {
      const { result } = addition(b, x!, y!, b.flag("CF"));
      return { out: { 0: result }, flags: { kind: "cf", cf: topBit(b, carriesOfAdd(b, x!, y!, result), bits) } };
    },
  }),
  family("ADOX", {
    encodings: [["F3 0F 38 F6 /r", "Gy,Ey"]],
    roles: "rw,r",
    feature: "adx",
    meaning: (b, [x, y], bits) => {
      const { result } = addition(b, x!, y!, b.flag("OF"));
      return { out: { 0: result }, flags: { kind: "of", of: topBit(b, carriesOfAdd(b, x!, y!, result), bits) } };
    },
  }),
];

function topBit<V>(b: Sem<V>, vector: V, bits: number): V {
  return b.and(b.shr(vector, b.imm(bits - 1)), b.imm(1));
}

/** Compare and exchange of two registers' worth: its operands do not fit the vocabulary's 64 bits. */
export const wideExchange: Entry[] = [
  outlined("CMPXCHG8B", "modify", "cmpxchg8b", [["0F C7 /1 mem W0", "Mq"]], {
    feature: "cx8",
    lock: true,
    flags: true,
    general: [RAX, RCX, RDX, RBX],
  }),
  outlined("CMPXCHG16B", "modify", "cmpxchg16b", [["0F C7 /1 mem REX.W o64", "Mx"]], {
    feature: "cx16",
    lock: true,
    flags: true,
    aligned: true,
    general: [RAX, RCX, RDX, RBX],
  }),
];
