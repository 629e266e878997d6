/** AND OR XOR TEST NOT, and the flag instructions. SDM Vol. 2. */
import { type FamilyEntry, family } from "../define.js";
import type { Sem } from "../sem.js";
import { classicEncodings } from "./arith.js";

const binary = (mnemonic: string, op: number, combine: <V>(b: Sem<V>, x: V, y: V) => V): FamilyEntry =>
  family(mnemonic, {
    encodings: classicEncodings(op),
    roles: "rw,r",
    lock: true,
    meaning: (b, [x, y]) => {
      const result = b.let(combine(b, x!, y!));
      return { out: { 0: result }, flags: { kind: "logic", result } };
    },
  });

export const logic: FamilyEntry[] = [
  binary("OR", 1, (b, x, y) => b.or(x, y)),
  binary("AND", 4, (b, x, y) => b.and(x, y)),
  binary("XOR", 6, (b, x, y) => b.xor(x, y)),
  family("TEST", {
    encodings: [
      ["84 /r", "Eb,Gb"],
      ["85 /r", "Ev,Gv"],
      ["A8", "AL,Ib"],
      ["A9", "rAX,Iz"],
      ["F6 /0", "Eb,Ib"],
      ["F6 /1", "Eb,Ib"],
      ["F7 /0", "Ev,Iz"],
      ["F7 /1", "Ev,Iz"],
    ],
    roles: "r,r",
    meaning: (b, [x, y]) => ({ flags: { kind: "logic", result: b.and(x!, y!) } }),
  }),
  family("NOT", {
    encodings: [
      ["F6 /2", "Eb"],
      ["F7 /2", "Ev"],
    ],
    roles: "rw",
    lock: true,
    meaning: (b, [x]) => ({ out: { 0: b.not(x!) } }),
  }),
  family("CLC", { encodings: [["F8"]], roles: "", meaning: (b) => ({ flags: { kind: "cf", cf: b.imm(0) } }) }),
  family("STC", { encodings: [["F9"]], roles: "", meaning: (b) => ({ flags: { kind: "cf", cf: b.imm(1) } }) }),
  family("CMC", { encodings: [["F5"]], roles: "", meaning: (b) => ({ flags: { kind: "cf", cf: b.xor(b.flag("CF"), b.imm(1)) } }) }),
  family("LAHF", {
    encodings: [["9F"]],
    roles: "",
    meaning: (b) => {
      let ah = b.imm(2);
      for (const [name, bit] of [
        ["CF", 0],
        ["PF", 2],
        ["AF", 4],
        ["ZF", 6],
        ["SF", 7],
      ] as const)
        ah = b.or(ah, b.shl(b.flag(name), b.imm(bit)));
      const rax = b.and(b.gpr(0, 64), b.imm(~0xff00n));
      b.setGpr(0, 64, b.or(rax, b.shl(ah, b.imm(8))));
      return {};
    },
  }),
  family("SAHF", {
    encodings: [["9E"]],
    roles: "",
    meaning: (b) => ({
      flags: { kind: "bits", flags: b.or(b.and(b.shr(b.gpr(0, 64), b.imm(8)), b.imm(0xd5)), b.shl(b.flag("OF"), b.imm(11))) },
    }),
  }),
  family("SALC", {
    encodings: [["D6 i64"]],
    roles: "",
    meaning: (b) => {
      b.setGpr(0, 8, b.sub(b.imm(0), b.flag("CF")));
      return {};
    },
  }),
];
