// The tables as ACPICA's own tools see them: disassembled, compiled again, no error and no warning. Skipped where iasl is not installed.
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { layOutTables, pcAcpiBoard } from "./index.js";

const installed = spawnSync("iasl", ["-v"]).status === 0;

describe.skipIf(!installed)("iasl", () => {
  const folder = mkdtempSync(join(tmpdir(), "acpi-"));
  afterAll(() => rmSync(folder, { recursive: true }));
  const run = (...args: string[]) => {
    const { status, stdout, stderr } = spawnSync("iasl", args, { cwd: folder, encoding: "utf8" });
    return { status, text: stdout + stderr };
  };
  const placed = layOutTables(pcAcpiBoard(4), 0xe_0000).filter((each) => each.signature !== "RSD PTR ");

  for (const { signature, bytes } of placed) {
    it(`takes the ${signature} apart and puts it together again without a complaint`, () => {
      writeFileSync(join(folder, `${signature}.aml`), bytes);
      const apart = run("-d", `${signature}.aml`);
      expect(apart.status, apart.text).toBe(0);
      expect(apart.text).not.toMatch(/error|warning|invalid|checksum/i);
      const again = run(`${signature}.dsl`);
      expect(again.status, again.text).toBe(0);
      expect(again.text).toMatch(/0 Errors, 0 Warnings/);
    });
  }
  it("reads from the DSDT what was meant", () => {
    const source = readFileSync(join(folder, "DSDT.dsl"), "utf8");
    for (const expected of [
      /Name \(_HID, EisaId \("PNP0A03"\)/,
      /Name \(_HID, EisaId \("PNP0501"\)/,
      /Name \(_HID, EisaId \("PNP0B00"\)/,
      /Name \(_HID, EisaId \("PNP0303"\)/,
      /Name \(_HID, EisaId \("PNP0103"\)/,
      /Name \(_S3, Package \(0x04\)/,
      /Name \(_S5, Package \(0x04\)/,
      /0xE0000000,\s+\/\/ Range Minimum\s+0xFEBFFFFF/,
      /Method \(_PRT, 0, NotSerialized\)[^{]*\{\s+If \(PICM\)\s+\{\s+Return \(PRTA\)/,
      // Slot 4, INTA: GSI 16 with the I/O APIC.
      /0x0004FFFF,\s+Zero,\s+Zero,\s+0x10\s/,
    ]) {
      expect(source).toMatch(expected);
    }
  });
});
