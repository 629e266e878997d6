/** String instructions against a byte-by-byte model: every operation, size, direction, prefix and address size, with faults on the way. */
import { beforeAll, describe, expect, it } from "vitest";
import * as L from "../../src/layout.js";
import { Bench, CODE, WINDOW } from "./bench.js";

let b: Bench;
beforeAll(async () => {
  b = await Bench.create();
});

type Name = "movs" | "stos" | "lods" | "scas" | "cmps";
const OPCODES: Record<Name, number> = { movs: 0xa4, cmps: 0xa6, stos: 0xaa, lods: 0xac, scas: 0xae };
/** The first page of the window stays absent, so that both ends of the mapped pages fault. */
const BASE = WINDOW + 0x1000;
const PAGES_MAPPED = 4;
const FRAMES = [0x203000, 0x201000, 0x206000, 0x204000]; // the window's pages do not lie in order
const physical = (linear: number): number => FRAMES[(linear - BASE) >> 12]! + (linear & 0xfff);

interface Case {
  name: Name;
  size: 1 | 2 | 4 | 8;
  repeat: "" | "f3" | "f2";
  down: boolean;
  rsi: number;
  rdi: number;
  rcx: number;
  rax: bigint;
}
interface State {
  bytes: Uint8Array;
  rsi: number;
  rdi: number;
  rcx: number;
  rax: bigint;
  zero: boolean | undefined;
  carry: boolean | undefined;
  fault: number | undefined;
}

/** The manual's pseudocode, one element at a time. */
function model(c: Case, bytes: Uint8Array): State {
  const s: State = {
    bytes: bytes.slice(),
    rsi: c.rsi,
    rdi: c.rdi,
    rcx: c.rcx,
    rax: c.rax,
    zero: undefined,
    carry: undefined,
    fault: undefined,
  };
  const step = c.down ? -c.size : c.size;
  const mapped = (at: number): boolean => at >= BASE && at < BASE + PAGES_MAPPED * 0x1000;
  const fails = (at: number): undefined => {
    s.fault = at;
  };
  const load = (at: number): bigint | undefined => {
    let value = 0n;
    for (let i = 0; i < c.size; i++) {
      if (!mapped(at + i)) return fails(at + i);
      value |= BigInt(s.bytes[at + i - BASE]!) << BigInt(8 * i);
    }
    return value;
  };
  const store = (at: number, value: bigint): boolean => {
    for (let i = 0; i < c.size; i++) if (!mapped(at + i)) return fails(at + i) !== undefined;
    for (let i = 0; i < c.size; i++) s.bytes[at + i - BASE] = Number((value >> BigInt(8 * i)) & 0xffn);
    return true;
  };
  const mask = (1n << BigInt(8 * c.size)) - 1n;
  const compare = (x: bigint, y: bigint): void => {
    s.zero = x === y;
    s.carry = x < y;
  };
  for (;;) {
    if (c.repeat !== "" && s.rcx === 0) return s;
    if (c.name === "movs") {
      const value = load(s.rsi);
      if (value === undefined || !store(s.rdi, value)) return s;
    } else if (c.name === "stos") {
      if (!store(s.rdi, s.rax & mask)) return s;
    } else if (c.name === "lods") {
      const value = load(s.rsi);
      if (value === undefined) return s;
      s.rax = c.size === 4 ? value : (s.rax & ~mask) | value;
    } else {
      const x = c.name === "scas" ? s.rax & mask : load(s.rsi);
      if (x === undefined) return s;
      const y = load(s.rdi);
      if (y === undefined) return s;
      compare(x, y);
    }
    if (c.name !== "stos" && c.name !== "scas") s.rsi += step;
    if (c.name !== "lods") s.rdi += step;
    if (c.repeat === "") return s;
    s.rcx--;
    if (s.zero !== undefined && s.zero !== (c.repeat === "f3")) return s;
  }
}

function encode(c: Case, long: boolean): string {
  const prefix = (c.repeat === "" ? "" : `${c.repeat} `) + (c.size === 2 ? "66 " : c.size === 8 && long ? "48 " : "");
  return `${prefix}${(OPCODES[c.name] + (c.size === 1 ? 0 : 1)).toString(16)} f4`;
}

/** Runs a case in the present mode on fresh memory and compares everything that the model knows. */
function check(c: Case, seedBytes: Uint8Array, long: boolean): void {
  const expected = model(c, seedBytes);
  for (let page = 0; page < PAGES_MAPPED; page++) {
    b.core.guestMemory.write(FRAMES[page]! as never, seedBytes.subarray(page * 0x1000, page * 0x1000 + 0x1000));
    b.setPage(page + 1, BigInt(FRAMES[page]! | 7));
  }
  b.setWord(L.HALTED, 0);
  b.set("rip", CODE);
  b.set("rsi", c.rsi);
  b.set("rdi", c.rdi);
  b.set("rcx", c.rcx);
  b.set("rax", c.rax);
  b.set("rflags", c.down ? 0x402 : 2);
  const outcome = b.run(encode(c, long), 100_000);
  const text = JSON.stringify({ ...c, rax: c.rax.toString(16) });
  if (expected.fault === undefined) expect(outcome.vector, text).toBeUndefined();
  else expect([outcome.vector, b.get("cr2")], text).toEqual([14, expected.fault]);
  expect({ rsi: b.get("rsi"), rdi: b.get("rdi"), rcx: b.get("rcx"), rax: b.vcpu.registers.get("rax") }, text).toEqual({
    rsi: expected.rsi,
    rdi: expected.rdi,
    rcx: expected.rcx,
    rax: expected.rax,
  });
  if (expected.zero !== undefined && expected.fault === undefined) {
    expect([(b.get("rflags") & 0x40) !== 0, (b.get("rflags") & 1) !== 0], text).toEqual([expected.zero, expected.carry]);
  }
  const actual = new Uint8Array(PAGES_MAPPED * 0x1000);
  for (let at = 0; at < actual.length; at += 4) new DataView(actual.buffer).setUint32(at, b.peek32(physical(BASE + at)), true);
  expect(Buffer.compare(Buffer.from(actual), Buffer.from(expected.bytes)), text).toBe(0);
}

let seed = 12345;
const random = (below: number): number => {
  seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
  return Math.floor((seed / 2 ** 32) * below);
};

function randomCase(name: Name, size: 1 | 2 | 4 | 8): Case {
  const near = random(3);
  const rsi = BASE + random(PAGES_MAPPED * 0x1000);
  const rdi =
    near === 0
      ? rsi + random(40) - 20
      : near === 1
        ? BASE + random(PAGES_MAPPED * 0x1000)
        : BASE + 0x1000 * random(PAGES_MAPPED) + random(24) - 12;
  return {
    name,
    size,
    rsi,
    rdi: Math.max(rdi, BASE),
    down: random(3) === 0,
    repeat: (["f3", "f3", "f2", ""] as const)[random(4)]!,
    rcx: random(4) === 0 ? random(4) : random(3000 / size),
    rax: BigInt(random(2) === 0 ? 0 : random(2 ** 32)) * 0x1_0000_0001n,
  };
}

const SIZES = [1, 2, 4, 8] as const;
describe.each(["long", "paged32"] as const)("in %s mode", (mode) => {
  const sizes = mode === "long" ? SIZES : SIZES.slice(0, 3);
  it.each((Object.keys(OPCODES) as Name[]).flatMap((name) => sizes.map((size) => [name, size] as const)))(
    "%s of %i bytes is as the manual says",
    (name, size) => {
      b.start(mode);
      for (let i = 0; i < 40; i++) {
        const c = randomCase(name, size);
        if (mode === "paged32") c.rax &= 0xffffffffn;
        const same = random(2) === 0;
        const bytes = Uint8Array.from({ length: PAGES_MAPPED * 0x1000 }, (_, at) =>
          same ? (at % 97 === 96 ? random(256) : 0) : random(256),
        );
        check(c, bytes, mode === "long");
      }
    },
  );
});

describe("addresses and prefixes", () => {
  it("wraps SI and DI at 16 bits and keeps the upper halves", () => {
    b.start("protected");
    b.code(0xffff, "5a");
    b.set("rsi", 0x1234ffff);
    b.set("rdi", 0x56780500);
    b.set("rcx", 0x99990002);
    b.code(0, "a5");
    b.run("67 f3 a4 f4");
    expect([b.get("rsi"), b.get("rdi"), b.get("rcx")]).toEqual([0x12340001, 0x56780502, 0x99990000]);
    expect([b.peek8(0x500), b.peek8(0x501)]).toEqual([0x5a, 0xa5]);
  });
  it("takes the source from the overriding segment, the destination always from ES", () => {
    b.start("real");
    b.vcpu.registers.setSegment("fs", { selector: 0x900, base: 0x9000n, limit: 0xffff, access: 0x93 });
    b.vcpu.registers.setSegment("es", { selector: 0xa00, base: 0xa000n, limit: 0xffff, access: 0x93 });
    b.code(0x9010, "11 22 33");
    b.set("rsi", 0x10);
    b.set("rdi", 0x20);
    b.set("rcx", 3);
    b.run("64 f3 a4 f4");
    expect([b.peek8(0xa020), b.peek8(0xa021), b.peek8(0xa022)]).toEqual([0x11, 0x22, 0x33]);
  });
  it("ends at a segment's limit with the registers at the element that does not fit", () => {
    b.start("protected").vcpu.registers.setSegment("es", { selector: 0x10, base: 0x9000n, limit: 0x0f, access: 0x4093 });
    b.set("rdi", 0);
    b.set("rcx", 10);
    const o = b.run("f3 ab f4");
    expect([o.vector, b.get("rdi"), b.get("rcx")]).toEqual([13, 16, 6]);
  });
  it("lets interrupts in between iterations of a long REP, and finishes after them", () => {
    b.start("protected").set("rflags", 0x202);
    b.code(0x4000 + 0x20 * 16, "fe 05 00 f0 00 00 cf"); // inc byte [0xf000]; iret
    b.set("rdi", 0x200000);
    b.set("rcx", 0x40000);
    b.vectors.push(0x20);
    b.code(CODE, "f3 aa f4");
    b.vcpu.run(1);
    b.vcpu.setInterruptRequest(true);
    expect(b.get("rcx")).toBeGreaterThan(0);
    expect(b.get("rip")).toBe(CODE);
    b.run(undefined, 100);
    expect([b.peek8(0xf000), b.get("rcx"), b.get("rip")]).toEqual([1, 0, CODE + 3]);
  });
  it("traps after each iteration while TF is set", () => {
    b.start("protected").set("rflags", 0x102);
    b.set("rdi", 0x200000);
    b.set("rcx", 5);
    const o = b.run("f3 aa f4");
    expect([o.vector, b.get("rcx"), o.frame[0]]).toEqual([1, 4, CODE]);
  });
});
