/** PUSHF, POPF, CLI, STI, CLD, STD, SWAPGS and pushes of segment registers as kernels use them. SDM Vol. 2. */
import type { Flag } from "../sem.js";
import type { CommonCase, SystemField, SystemSem } from "../system-sem.js";

const TF = 0x100;
const IF = 0x200;
const DF = 0x400;
const IOPL = 0x3000;
const NT = 0x4000;
const RF = 0x10000;
const VM = 0x20000;
const AC = 0x40000;
const ID = 0x200000;
const STATUS: readonly (readonly [Flag, number])[] = [
  ["CF", 0],
  ["PF", 2],
  ["AF", 4],
  ["ZF", 6],
  ["SF", 7],
  ["OF", 11],
];

/** Is IF not the program's to change? `flags` is EFLAGS. */
const unprivileged = <V>(b: SystemSem<V>, flags: V): V => b.ltu(b.and(b.shr(flags, b.imm(12)), b.imm(3)), b.state("CPL"));

export const pushFlagsCommon: CommonCase = {
  stack: true,
  meaning(b) {
    let image = b.and(b.state("EFLAGS"), b.imm(~(VM | RF)));
    for (const [name, bit] of STATUS) image = b.or(image, b.shl(b.flag(name), b.imm(bit)));
    b.push(image);
    return undefined;
  },
};

export const popFlagsCommon: CommonCase = {
  stack: true,
  meaning(b) {
    const value = b.let(b.top());
    const old = b.let(b.state("EFLAGS"));
    const mask = b.let(b.select(unprivileged(b, old), b.imm(DF), b.imm(DF | IF)));
    const next = b.let(b.or(b.and(old, b.not(mask)), b.and(value, mask)));
    b.rare(b.or(b.and(b.xor(old, value), b.imm(TF | IOPL | NT | AC | ID)), b.and(old, b.imm(TF | RF))));
    const opens = b.and(b.shr(b.and(next, b.not(old)), b.imm(9)), b.imm(1));
    b.rare(b.and(opens, b.waiting()));
    b.drop();
    b.setState("EFLAGS", next);
    return { kind: "bits", flags: value };
  },
};

export const cliCommon: CommonCase = {
  stack: false,
  meaning(b) {
    const flags = b.let(b.state("EFLAGS"));
    b.rare(unprivileged(b, flags));
    b.setState("EFLAGS", b.and(flags, b.imm(~IF)));
    return undefined;
  },
};

/** Interrupts stay off for one more instruction: one that runs before anything is looked at needs no shadow. */
export const stiCommon: CommonCase = {
  stack: false,
  meaning(b) {
    const flags = b.let(b.state("EFLAGS"));
    const opens = b.xor(b.and(b.shr(flags, b.imm(9)), b.imm(1)), b.imm(1));
    b.rare(b.or(unprivileged(b, flags), b.and(opens, b.waiting())));
    b.setState("EFLAGS", b.or(flags, b.imm(IF)));
    return undefined;
  },
};

const direction = (combine: <V>(b: SystemSem<V>, flags: V) => V): CommonCase => ({
  stack: false,
  meaning(b) {
    b.setState("EFLAGS", combine(b, b.state("EFLAGS")));
    return undefined;
  },
});
export const cldCommon = direction((b, flags) => b.and(flags, b.imm(~DF)));
export const stdCommon = direction((b, flags) => b.or(flags, b.imm(DF)));

export const swapgsCommon: CommonCase = {
  stack: false,
  meaning(b) {
    b.rare(b.ne(b.state("CPL"), b.imm(0)));
    const base = b.let(b.state("GS_BASE"));
    b.setState("GS_BASE", b.state("KERNEL_GS_BASE"));
    b.setState("KERNEL_GS_BASE", base);
    return undefined;
  },
};

export const pushSegmentCommon = (segment: SystemField): CommonCase => ({
  stack: true,
  meaning(b) {
    b.push(b.state(segment));
    return undefined;
  },
});
