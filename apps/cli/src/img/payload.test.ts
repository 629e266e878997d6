// What kernels are packed with comes out as it went in.
import { execFileSync } from "node:child_process";
import { beforeAll, describe, expect, test } from "vitest";
import { payloadDecompressors, unpackXz } from "./payload.js";
import { crc32, undoX86Filter, withoutX86Filter } from "./xz-x86.js";

/** Bytes with calls and jumps near and far, as code has them, and runs that look like them. */
function code(length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  let state = 0x2545f491;
  const next = (): number => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state >>> 0;
  };
  for (let at = 0; at < length; at++) {
    const kind = next() % 8;
    bytes[at] = kind < 3 ? 0xe8 + (next() & 1) : kind < 5 ? (next() & 1) * 0xff : next() & 0xff;
  }
  return bytes;
}

const pack = (tool: string, args: readonly string[], input: Uint8Array): Uint8Array =>
  new Uint8Array(execFileSync(tool, [...args, "-c"], { input, maxBuffer: 1 << 24 }));
const has = (tool: string): boolean => {
  try {
    execFileSync(tool, ["--version"], { stdio: "ignore", input: "" });
    return true;
  } catch {
    return false;
  }
};

describe.skipIf(!has("xz"))("xz", () => {
  const whole = code(300_000);
  let filtered: Uint8Array;
  beforeAll(() => {
    filtered = pack("xz", ["--check=crc32", "--x86", "--lzma2=dict=1MiB"], whole);
  });

  test("behind the x86 filter, as Linux packs kernels, comes out whole", async () => {
    expect(Buffer.compare(await unpackXz(filtered), whole)).toBe(0);
  });

  test("without a filter goes to the library as it is", async () => {
    const plain = pack("xz", [], whole);
    expect(withoutX86Filter(plain)).toBeUndefined();
    expect(Buffer.compare(await unpackXz(plain), whole)).toBe(0);
  });

  test("with other checks behind the filter is unpacked too", async () => {
    for (const check of ["none", "crc64", "sha256"]) {
      const packed = pack("xz", [`--check=${check}`, "--x86", "--lzma2=preset=1"], whole.subarray(0, 20_001));
      expect(Buffer.compare(await unpackXz(packed), whole.subarray(0, 20_001))).toBe(0);
    }
  });

  test("with a check that does not fit is refused", async () => {
    const { stream, crc } = withoutX86Filter(filtered)!;
    expect(crc).toBe(crc32(whole));
    expect(stream.length).toBe(filtered.length - 4);
    const damaged = filtered.slice();
    // The check lies before the index, which ends 12 bytes before the end.
    const indexBytes = (new DataView(damaged.buffer).getUint32(damaged.length - 8, true) + 1) * 4;
    damaged[damaged.length - 12 - indexBytes - 1]! ^= 1;
    await expect(unpackXz(damaged)).rejects.toThrow(/check/);
  });

  test("cut off is an error and not a hang", async () => {
    await expect(unpackXz(filtered.subarray(0, 5000))).rejects.toThrow(/damaged/);
  });

  test("lzma, bzip2 and gzip come out whole by their libraries", async () => {
    for (const [tool, format] of [
      ["lzma", "lzma"],
      ["bzip2", "bzip2"],
      ["gzip", "gzip"],
    ] as const) {
      if (!has(tool)) continue;
      const unpacked = await payloadDecompressors[format]!(pack(tool, [], whole), whole.length);
      expect([format, Buffer.compare(unpacked, whole)]).toEqual([format, 0]);
    }
  });
});

test("the filter turns an absolute target into one relative to the next instruction, and only where the packer did", () => {
  const bytes = Uint8Array.of(0x90, 0xe8, 0x10, 0, 0, 0, 0xe8, 1, 2, 3, 0x77, 0x90, 0x90, 0x90, 0x90);
  undoX86Filter(bytes);
  expect([...bytes.subarray(1, 6)]).toEqual([0xe8, 0x0a, 0, 0, 0]);
  expect([...bytes.subarray(6, 11)]).toEqual([0xe8, 1, 2, 3, 0x77]);
});

test("the CRC32 of the usual nine digits is the usual one", () => {
  expect(crc32(new TextEncoder().encode("123456789"))).toBe(0xcbf43926);
});
