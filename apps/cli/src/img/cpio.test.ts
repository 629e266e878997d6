import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { listCpio, readCpioFile, writeCpio } from "./cpio.js";

const hasCpio = spawnSync("cpio", ["--version"]).status === 0;

describe("cpio archives", () => {
  test("what is written can be listed again, with kinds and modes", () => {
    const bytes = writeCpio([
      { name: "bin", kind: "directory" },
      { name: "bin/busybox", kind: "file", mode: 0o755, data: Uint8Array.of(1, 2, 3, 4, 5) },
      { name: "bin/sh", kind: "symlink", data: "busybox" },
      { name: "dev/console", kind: "character", device: [5, 1] },
    ]);
    expect(bytes.length % 512).toBe(0);
    expect(listCpio(bytes)).toEqual([
      { name: "bin", mode: 0o040755, size: 0 },
      { name: "bin/busybox", mode: 0o100755, size: 5 },
      { name: "bin/sh", mode: 0o120777, size: 7 },
      { name: "dev/console", mode: 0o020600, size: 0 },
    ]);
  });

  test("a file can be read back by its name", () => {
    const bytes = writeCpio([
      { name: "a", kind: "file", data: "first" },
      { name: "b/c", kind: "file", data: Uint8Array.of(7, 8, 9) },
    ]);
    expect(readCpioFile(bytes, "b/c")).toEqual(Uint8Array.of(7, 8, 9));
    expect(readCpioFile(bytes, "b")).toBeUndefined();
  });

  test("equal entries give equal bytes", () => {
    const entries = [{ name: "init", kind: "file", data: "#!/bin/sh\n" } as const];
    expect(writeCpio(entries)).toEqual(writeCpio(entries));
  });

  test.skipIf(!hasCpio && !process.env["CI"])("cpio itself unpacks it", () => {
    const dir = mkdtempSync(join(tmpdir(), "paravane-cpio-"));
    try {
      const bytes = writeCpio([
        { name: "a", kind: "directory" },
        { name: "a/b", kind: "file", data: "text" },
      ]);
      expect(spawnSync("cpio", ["-id"], { cwd: dir, input: bytes }).status).toBe(0);
      expect(readFileSync(join(dir, "a/b"), "utf8")).toBe("text");
    } finally {
      rmSync(dir, { recursive: true });
    }
  });
});
