import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { readWholeFile } from "./whole-file.js";

describe("a whole file", () => {
  const dir = mkdtempSync(join(tmpdir(), "paravane-file-"));
  const write = (bytes: Uint8Array): string => {
    const path = join(dir, `${bytes.length}`);
    writeFileSync(path, bytes);
    return path;
  };
  afterAll(() => rmSync(dir, { recursive: true }));

  it.each([0, 1, 65536, 65537, 300_000])("of %d bytes is read to its end", (size) => {
    const bytes = Uint8Array.from({ length: size }, (_, i) => (i * 7) & 0xff);
    expect(Buffer.compare(readWholeFile(write(bytes)), bytes)).toBe(0);
  });

  it("lies in memory of its own, not in one of malloc's blocks", () => {
    expect(readWholeFile(write(new Uint8Array(1000))).buffer.byteLength).toBe(65536);
  });

  it.runIf(process.platform === "linux")("is read from what does not know its size", () => {
    expect(new TextDecoder().decode(readWholeFile("/proc/self/status"))).toContain("VmHWM:");
  });

  it("fails as readFileSync does for what cannot be read", () => {
    expect(() => readWholeFile(join(dir, "none"))).toThrow(/ENOENT/);
    expect(() => readWholeFile(dir)).toThrow(/EISDIR/);
  });
});
