import { spawnSync } from "node:child_process";
import { expect, test } from "vitest";
import { helloImage } from "./hello-image.js";

const hasBinutils =
  spawnSync("as", ["--32", "-o", "/dev/null"], { input: "nop\n" }).status === 0 && spawnSync("ld", ["--version"]).status === 0;

test("hello is a 32-bit ELF file with a multiboot header in its first 8 KiB", () => {
  const bytes = helloImage();
  expect([...bytes.subarray(0, 5)]).toEqual([0x7f, 0x45, 0x4c, 0x46, 1]);
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const at = Array.from({ length: 2048 }, (_, word) => word * 4).find(
    (offset) => offset + 12 <= bytes.length && view.getUint32(offset, true) === 0x1badb002,
  );
  expect(at).toBeDefined();
  expect((view.getUint32(at!, true) + view.getUint32(at! + 4, true) + view.getUint32(at! + 8, true)) >>> 0).toBe(0);
});

test.skipIf(!hasBinutils && !process.env["CI"])("the committed bytes are what hello.S assembles to", async () => {
  const build = (await import("../../guests/hello/build.mjs" as string)) as { assemble(): Uint8Array };
  expect(Buffer.from(build.assemble()).equals(Buffer.from(helloImage()))).toBe(true);
});
