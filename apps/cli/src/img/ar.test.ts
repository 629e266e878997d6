import { describe, expect, test } from "vitest";
import { isAr, readAr } from "./ar.js";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const member = (name: string, data: string): string =>
  `${name.padEnd(16)}0           0     0     100644  ${String(data.length).padEnd(10)}\`\n${data}${data.length % 2 ? "\n" : ""}`;

describe("ar archives", () => {
  test("members come back in order, odd sizes padded", () => {
    const archive = bytes(`!<arch>\n${member("debian-binary", "2.0\n")}${member("odd/", "abc")}${member("last", "xy")}`);
    expect(readAr(archive).map(({ name, data }) => [name, new TextDecoder().decode(data)])).toEqual([
      ["debian-binary", "2.0\n"],
      ["odd", "abc"],
      ["last", "xy"],
    ]);
  });

  test("a member that is cut short is a clear error", () => {
    const archive = bytes(`!<arch>\n${member("a", "0123456789")}`);
    expect(() => readAr(archive.subarray(0, archive.length - 4))).toThrow(/cut short at byte 8/);
  });

  test("other files are not ar archives", () => {
    expect(isAr(bytes("!<arc"))).toBe(false);
    expect(() => readAr(bytes("hello"))).toThrow(/not an ar archive/);
  });
});
