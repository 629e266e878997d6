import { expect, test } from "vitest";
import { guestResidentBytes } from "./guest-residency.js";

const PAGE = 4096,
  RAM_BASE = 0x20000;

/** RAM in a WebAssembly memory of a size that no other in this process has. */
function ram(pages: number) {
  const memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
  const bytes = new Uint8Array(memory.buffer);
  return {
    bytes,
    size: bytes.length - RAM_BASE,
    view: (at: number, length: number) => bytes.subarray(RAM_BASE + at, RAM_BASE + at + length),
  };
}

test.runIf(process.platform === "linux")(
  "what was written counts, cleared or not; what was only read, and what is not RAM, does not",
  () => {
    const { bytes, size, view } = ram(1237);
    expect(guestResidentBytes({ size, view })).toBe(0);
    bytes[0] = 1;
    view(0, 1)[0] = 1;
    view(5 * PAGE - 1, 1)[0] = 7;
    view(5 * PAGE - 1, 1)[0] = 0;
    view(size - 1, 1)[0] = 3;
    expect(view(0x1000000, PAGE).every((byte) => byte === 0)).toBe(true);
    expect(guestResidentBytes({ size, view })).toBe(3 * PAGE);
  },
);

test("two memories of one size cannot be told apart", () => {
  const [one, other] = [ram(1239), ram(1239)];
  expect(other.bytes.length).toBe(one.bytes.length);
  expect(guestResidentBytes(one)).toBeUndefined();
});
