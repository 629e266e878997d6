/** Random programs with loops, calls, memory operands and stores into themselves, for tests of the translator. */
import type { Random } from "../../src/reference/values.js";
import { CODE } from "../system/bench.js";

const BYTES = 280,
  DATA = 0x30000;
const le32 = (value: number): number[] => [0, 8, 16, 24].map((shift) => (value >>> shift) & 0xff);

/** Code that mostly stays inside itself; `hostile` programs also overwrite what they are made of. */
export function program(random: Random, mode: "long" | "protected", hostile: boolean): number[] {
  const out: number[] = [];
  const long = mode === "long";
  const data = (): number => DATA + random.below(0x2000);
  const absolute = (modrm: number, address: number): number[] =>
    long ? [modrm | 4, 0x25, ...le32(address)] : [modrm | 5, ...le32(address)];
  const reg = (): number => random.below(4);
  const wide = (): number[] => (long && random.below(2) === 0 ? [0x48] : []);
  const opcode = (...choices: number[]): number => choices[random.below(choices.length)]!;
  const pieces: (() => number[])[] = [
    () => [...wide(), opcode(0x01, 0x09, 0x11, 0x19, 0x21, 0x29, 0x31, 0x39, 0x85), 0xc0 | (reg() << 3) | reg()],
    () => [...wide(), opcode(0x03, 0x8b, 0x3b, 0x13, 0x2b), ...absolute(reg() << 3, data())],
    () => [...wide(), opcode(0x89, 0x01, 0x29, 0x31), ...absolute(reg() << 3, data())],
    () => [...wide(), 0xff, 0xc0 | (random.below(2) << 3) | reg()], // inc, dec
    () => [...wide(), 0xc1, opcode(0xc0, 0xc8, 0xe0, 0xe8, 0xf8, 0xd0, 0xd8) | reg(), random.below(70)],
    () => [...wide(), 0xd3, opcode(0xc0, 0xc8, 0xe0, 0xe8, 0xf8) | reg()],
    () => [...wide(), 0x0f, 0xaf, 0xc0 | (reg() << 3) | reg()],
    () => [...wide(), 0xf7, opcode(0xe0, 0xe8, 0xd8, 0xd0, 0xf0, 0xf8) | reg()], // mul imul neg not div idiv
    () => [0x0f, 0x90 + random.below(16), 0xc0 | random.below(8)], // setcc, AH to BH too
    () => [...wide(), 0x0f, 0x40 + random.below(16), 0xc0 | (reg() << 3) | reg()],
    () => [opcode(0x00, 0x28, 0x30, 0x38, 0x84), 0xc0 | (random.below(8) << 3) | random.below(8)],
    () => [0x66, opcode(0x01, 0x29, 0x31, 0x89), 0xc0 | (reg() << 3) | reg()],
    () => [0xb8 + reg(), ...le32(random.next())],
    () => [0x70 + random.below(16), (random.below(120) - 80) & 0xff],
    () => [0x70 + random.below(16), (random.below(120) - 80) & 0xff],
    () => [0x0f, 0x80 + random.below(16), ...le32(random.below(160) - 100)],
    () => [0x50 + reg(), 0x58 + reg()],
    () => [0xe8, ...le32(random.below(120) - 60)],
    () => [0xc3],
    () => [0xe2, (random.below(100) - 60) & 0xff],
    () => [0x9c, 0x9d], // pushf; popf
    () => [...wide(), 0x0f, opcode(0xa3, 0xab, 0xb3, 0xbb), ...absolute(reg() << 3, DATA + 0x1000)], // bit strings
    () => [...wide(), 0x8d, 0x44 | (reg() << 3), 0x90 | random.below(4), random.below(256)], // lea
    () => {
      // and reg, 3; jmp [table + reg * 4 or 8], with the table right behind
      const index = reg();
      const table = CODE + out.length + 10;
      const entry = (): number[] => [...le32(CODE + random.below(BYTES)), ...(long ? [0, 0, 0, 0] : [])];
      const jump = [0x83, 0xe0 | index, 3, 0xff, 0x24, 0x85 | (index << 3) | (long ? 0x40 : 0), ...le32(table)];
      return [...jump, ...entry(), ...entry(), ...entry(), ...entry()];
    },
    () => [0xb8, ...le32(CODE + random.below(BYTES)), 0xff, opcode(0xd0, 0xe0)], // mov eax, somewhere; call or jmp eax
    () => [0xf2, 0x0f, 0x2a, 0xc0 | reg()], // cvtsi2sd: the interpreter's function, in the middle
  ];
  if (hostile)
    pieces.push(
      () => [0xc6, ...absolute(0, CODE + random.below(BYTES)), opcode(0x90, 0xf8, 0x50, 0x58, 0x40, 0x98)],
      () => [0x88, ...absolute(reg() << 3, CODE + random.below(BYTES))],
    );
  while (out.length < BYTES - 8) out.push(...pieces[random.below(pieces.length)]!());
  return [...out, ...new Array<number>(Math.max(0, BYTES - out.length)).fill(0x90), 0xf4];
}
