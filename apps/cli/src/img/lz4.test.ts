import { describe, expect, test } from "vitest";
import { unpackLz4 } from "./lz4.js";

const text = (value: string): number[] => [...value].map((char) => char.charCodeAt(0));
const MAGIC = [0x02, 0x21, 0x4c, 0x18];
const frame = (...blocks: number[][]): Uint8Array =>
  Uint8Array.from([...MAGIC, ...blocks.flatMap((block) => [block.length & 0xff, block.length >> 8, 0, 0, ...block])]);

describe("LZ4 as kernels have it", () => {
  test("literals and matches, near and far, over several blocks", () => {
    const first = [0x30, ...text("abc"), 0, 0].slice(0, 4);
    // "abc", then 7 bytes from 3 back (a match that overlaps itself), then a last "!".
    const block = [0x33, ...text("abc"), 3, 0, 0x10, ...text("!")];
    expect(new TextDecoder().decode(unpackLz4(frame(first, block), 14))).toBe("abcabcabcabca!");
  });

  test("lengths that go on in further bytes", () => {
    // 20 literals, then a match of 4 + 15 + 255 + 1 bytes from 1 back.
    const block = [0xff, 5, ...text("x".repeat(20)), 1, 0, 255, 1, 0x10, ...text("y")];
    expect(new TextDecoder().decode(unpackLz4(frame(block), 296))).toBe(`${"x".repeat(295)}y`);
  });

  test("a match may reach into the block before", () => {
    const first = [0x40, ...text("wxyz")];
    const second = [0x00, 4, 0, 0x00];
    expect(new TextDecoder().decode(unpackLz4(frame(first, second), 8))).toBe("wxyzwxyz");
  });

  test("damage is an error, never an endless loop or a wrong size", () => {
    expect(() => unpackLz4(Uint8Array.from([1, 2, 3, 4]), 4)).toThrow(RangeError);
    expect(() => unpackLz4(frame([0x40, 1]), 4)).toThrow(/damaged/);
    expect(() => unpackLz4(frame([0x10, 1, 9, 0]), 8)).toThrow(/damaged/);
    expect(() => unpackLz4(frame([0xf0, 255, 255]), 8)).toThrow(/cut off/);
    expect(() => unpackLz4(frame([0x10, 1]), 2)).toThrow(/unpacks to 1 bytes, not 2/);
    expect(() => unpackLz4(frame([0x20, 1, 2]), 1)).toThrow(/damaged/);
    expect(() => unpackLz4(Uint8Array.from([...MAGIC, 9, 0, 0, 0, 1]), 1)).toThrow(/cut off/);
  });
});
