// Far calls and jumps by their bytes.
import { describe, expect, test } from "vitest";
import { farTransfer } from "./far-transfer.js";

const values: Readonly<Record<string, number>> = { rax: 0x1000, rcx: 4, rbx: 0x300, rbp: 0x7000, rsp: 0x9000, rsi: 0x20, rdi: 0x30 };
const decode = (bytes: number[], wide = true) => farTransfer(Uint8Array.from(bytes), wide, (name) => values[name] ?? 0);
const operand = (bytes: number[], wide = true) => decode(bytes, wide)?.selector;

describe("a far transfer", () => {
  test("with its pointer in the instruction", () => {
    expect(decode([0x9a, 1, 2, 3, 4, 0x83, 0])).toEqual({ jump: false, length: 7, selector: 0x83 });
    expect(decode([0xea, 1, 2, 0x83, 0], false)).toEqual({ jump: true, length: 5, selector: 0x83 });
    expect(decode([0x66, 0x9a, 1, 2, 0x83, 0])).toEqual({ jump: false, length: 6, selector: 0x83 });
    expect(decode([0x66, 0x9a, 1, 2, 3, 4, 0x83, 0], false)?.length).toBe(8);
  });

  test("with its pointer in memory, the selector behind the offset", () => {
    expect(decode([0xff, 0x18])).toEqual({ jump: false, length: 2, selector: { segment: "ds", offset: 0x1004 } });
    expect(decode([0xff, 0x28])?.jump).toBe(true);
    expect(operand([0x66, 0xff, 0x18])).toEqual({ segment: "ds", offset: 0x1002 });
    expect(operand([0xff, 0x5d, 0xf8])).toEqual({ segment: "ss", offset: 0x6ffc });
    expect(operand([0xff, 0x1c, 0x24])).toEqual({ segment: "ss", offset: 0x9004 });
    expect(operand([0x64, 0xff, 0x9c, 0x88, 0x10, 0, 0, 0])).toEqual({ segment: "fs", offset: 0x1024 });
    expect(operand([0xff, 0x1d, 0, 0, 0, 0xff])).toEqual({ segment: "ds", offset: 0xff000004 });
    expect(operand([0xff, 0x1c, 0x8d, 0xf0, 0xff, 0xff, 0xff])).toEqual({ segment: "ds", offset: 4 });
  });

  test("by 16-bit addresses", () => {
    expect(operand([0xff, 0x1a], false)).toEqual({ segment: "ss", offset: 0x7022 });
    expect(operand([0xff, 0x1e, 0x34, 0x12], false)).toEqual({ segment: "ds", offset: 0x1236 });
    expect(operand([0x67, 0xff, 0x5f, 0xfe])).toEqual({ segment: "ds", offset: 0x302 });
  });

  test("is nothing else, nor cut off, nor longer than an instruction can be", () => {
    for (const bytes of [[0x90], [0xff, 0x10], [0xff, 0xd8], [0xcb], [0x9a, 1, 2, 3, 4, 0x83], [0xff, 0x98, 0], []])
      expect(decode(bytes)).toBeUndefined();
    const prefixes = (count: number) => [...new Array<number>(count).fill(0x2e), 0x9a, 1, 2, 3, 4, 0x83, 0];
    expect(decode(prefixes(8))?.length).toBe(15);
    expect(decode(prefixes(9))).toBeUndefined();
    expect(decode(new Array<number>(20).fill(0x66))).toBeUndefined();
  });
});
