import { describe, expect, test } from "vitest";
import { listTar, type ReadAt } from "./tar.js";

interface Source {
  name: string;
  data?: string;
  type?: string;
  link?: string;
  prefix?: string;
}

function tar(...sources: Source[]): Uint8Array {
  const blocks: Uint8Array[] = [];
  for (const { name, data = "", type = "0", link = "", prefix = "" } of sources) {
    const head = new Uint8Array(512);
    const put = (text: string, at: number): void => head.set(new TextEncoder().encode(text), at);
    put(name, 0);
    put("0000755\0", 100);
    put(`${data.length.toString(8).padStart(11, "0")}\0`, 124);
    put("        ", 148);
    put(type, 156);
    put(link, 157);
    put("ustar\x0000", 257);
    put(prefix, 345);
    put(
      `${head
        .reduce((sum, byte) => sum + byte, 0)
        .toString(8)
        .padStart(6, "0")}\0 `,
      148,
    );
    const body = new Uint8Array(Math.ceil(data.length / 512) * 512);
    body.set(new TextEncoder().encode(data));
    blocks.push(head, body);
  }
  blocks.push(new Uint8Array(1024));
  return Uint8Array.from(blocks.flatMap((block) => [...block]));
}

const reader =
  (bytes: Uint8Array): ReadAt =>
  (offset, length) =>
    bytes.subarray(offset, offset + length);

describe("tar archives", () => {
  test("files, directories and links are told apart, and names lose their ./", () => {
    const bytes = tar(
      { name: "./", type: "5" },
      { name: "./boot/vmlinuz", data: "kernel" },
      { name: "./link", type: "2", link: "boot/vmlinuz" },
      { name: "./hard", type: "1", link: "./boot/vmlinuz" },
    );
    const entries = listTar(reader(bytes));
    expect(entries.map(({ name, type, linkName }) => [name, type, linkName])).toEqual([
      ["", "directory", ""],
      ["boot/vmlinuz", "file", ""],
      ["link", "symlink", "boot/vmlinuz"],
      ["hard", "hardlink", "./boot/vmlinuz"],
    ]);
    const kernel = entries[1]!;
    expect(new TextDecoder().decode(bytes.subarray(kernel.offset, kernel.offset + kernel.size))).toBe("kernel");
    expect(kernel.mode).toBe(0o755);
  });

  test("long names come from the prefix, a GNU record or a pax record", () => {
    const long = `lib/${"d".repeat(120)}/x.ko`;
    const pax = `path=${long}\n`;
    const record = `${pax.length + 4} ${pax}`;
    const entries = listTar(
      reader(
        tar(
          { name: "x.ko", prefix: "lib/modules" },
          { name: "././@LongLink", type: "L", data: `${long}\0` },
          { name: "cut" },
          { name: "pax", type: "x", data: record },
          { name: "cut" },
          { name: "short" },
        ),
      ),
    );
    expect(entries.map(({ name }) => name)).toEqual(["lib/modules/x.ko", long, long, "short"]);
  });

  test("a wrong checksum is a clear error", () => {
    const bytes = tar({ name: "a", data: "1" });
    bytes[0] = 0x62;
    expect(() => listTar(reader(bytes))).toThrow(/damaged at byte 0/);
  });
});
