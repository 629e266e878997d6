// What a person can get wrong: each mistake has a sentence, the documented status, and no stack trace.
import { mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { helloImage } from "../src/guests/hello-image.js";
import { paravane } from "./paravane.js";

const dir = mkdtempSync(join(tmpdir(), "paravane-bad-"));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

function file(name: string, bytes: Uint8Array | string): string {
  const path = join(dir, name);
  writeFileSync(path, bytes);
  return path;
}

/** The start of a bzImage whose header promises more than the file has. */
function truncatedBzImage(): Uint8Array {
  const bytes = new Uint8Array(16 * 512);
  const view = new DataView(bytes.buffer);
  bytes[0x1f1] = 4; // setup_sects
  view.setUint32(0x1f4, 0x80000, true); // syssize: 8 MiB
  view.setUint16(0x1fe, 0xaa55, true);
  bytes.set([0xeb, 0x66], 0x200);
  bytes.set(new TextEncoder().encode("HdrS"), 0x202);
  view.setUint16(0x206, 0x20f, true);
  bytes[0x211] = 1; // LOADED_HIGH
  return bytes;
}

function arm64Image(): Uint8Array {
  const bytes = new Uint8Array(4096);
  bytes.set([0x4d, 0x5a]);
  bytes.set(new TextEncoder().encode("ARMd"), 0x38);
  return bytes;
}

function helloAt(physical: number): Uint8Array {
  const bytes = helloImage();
  new DataView(bytes.buffer, bytes.byteOffset).setUint32(52 + 12, physical, true); // p_paddr
  return bytes;
}

const random = (): Uint8Array => Uint8Array.from({ length: 10_000 }, (_, index) => (Math.imul(index + 1, 2654435761) >>> 13) & 0xff);

async function expectRefusal(args: string[], status: number, message: RegExp): Promise<void> {
  const outcome = await paravane(args, { limitMs: 30_000 });
  expect(outcome.stderr).toMatch(message);
  expect(outcome.stderr).not.toMatch(/^\s+at /m);
  expect(outcome.stdout).toBe("");
  expect(outcome.status).toBe(status);
}

describe("images that cannot be used end with status 3", () => {
  test.each<[string, () => string[], RegExp]>([
    ["a truncated bzImage", () => [file("cut", truncatedBzImage())], /cut short|truncated|ends (early|before)|shorter|missing/i],
    ["a text file", () => [file("text", "Dear kernel,\n".repeat(100))], /is text/],
    ["an empty file", () => [file("empty", "")], /is empty/],
    ["random bytes", () => [file("random", random())], /no known kind/],
    ["an arm64 kernel", () => [file("arm64", arm64Image())], /arm64/],
    ["an ELF file with segments outside memory", () => [file("far", helloAt(0xf0000000)), "-m", "64M"], /not memory of this machine/],
    ["a directory", () => [dir], /it is a directory|cannot open/],
    ["a missing file", () => [join(dir, "nothing")], /there is no file/],
    ["a missing kernel", () => ["--kernel", join(dir, "nothing")], /there is no such file/],
    ["a missing initrd", () => ["hello", "--initrd", join(dir, "nothing")], /there is no such file/],
    ["a file below a file", () => ["--kernel", join(file("plain", "x"), "y")], /not a directory/],
    ["a missing disk", () => ["hello", "--drive", join(dir, "nothing")], /there is no such file/],
    ["a serial file in no directory", () => ["hello", "--serial", `file:${join(dir, "no", "where")}`], /there is no such file/],
  ])("%s", async (_, args, message) => {
    await expectRefusal(["run", ...args()], 3, message);
  });

  test.skipIf(process.platform !== "linux")("a program for user space", async () => {
    await expectRefusal(["run", process.execPath], 3, /user space|without a way to boot/);
  });

  test("a file that is asked about and is no kernel", async () => {
    await expectRefusal(["abi", "probe", file("note", "Dear kernel,\n".repeat(100))], 3, /is text/);
  });

  test("an initrd larger than memory", async () => {
    const path = file("large-initrd", "");
    truncateSync(path, 80 * 2 ** 20);
    await expectRefusal(["run", "hello", "--initrd", path, "-m", "64M"], 3, /initrd|module|memory/i);
  });
});

describe("mistakes in the arguments end with status 2", () => {
  test.each<[string, string[], RegExp]>([
    ["an unknown option", ["run", "--frobnicate"], /unknown option '--frobnicate'/],
    ["an unknown command", ["walk"], /unknown command walk; known: run, boot/],
    ["a command that is not there yet", ["gdb"], /paravane gdb is not there yet/],
    ["a bad regular expression", ["boot", "hello", "--until", "a("], /not a regular expression/],
    ["an amount of memory that is none", ["run", "hello", "-m", "plenty"], /not an amount of memory/],
    ["more memory than a machine can have", ["run", "hello", "-m", "64G"], /memory/],
    ["an unknown engine", ["run", "hello", "--engine", "turbo"], /--engine.*turbo/],
    ["more vCPUs than a machine can have", ["run", "hello", "--smp", "9"], /--smp 9/],
    ["a backend that is not there yet", ["run", "hello", "--backend", "kvm"], /--backend.*kvm/],
    ["a missing value", ["run", "--kernel"], /--kernel needs a value/],
    ["an unknown tap", ["run", "hello", "--trace", "everything"], /unknown tap/],
    ["two guests", ["run", "hello", "--kernel", "x"], /not both/],
    ["too many arguments", ["run", "hello", "world"], /too many arguments/],
    ["a question about ABIs that there is not", ["abi", "walk"], /abi walk: unknown.*list, matrix, show BACKEND, probe KERNEL/],
    ["a backend that nobody knows", ["abi", "show", "kvm"], /no backend kvm; installed: native, xen, vmi/],
    ["a kind of guest that there is not", ["abi", "matrix", "--backend", "xen/hvm"], /xen has: xen\/pv, xen\/pvh/],
    ["what goes with a run, without one", ["abi", "matrix", "-m", "64M"], /-m is about a run; give --run GUEST too/],
    ["an unknown CPU model", ["run", "hello", "--cpu", "abacus"], /abacus/],
  ])("%s", async (_, args, message) => {
    await expectRefusal(args, 2, message);
  });
});

test("a configuration can be printed and given back", async () => {
  const dumped = await paravane(["run", "hello", "-m", "64M", "--clock", "icount", "--dump-config"]);
  expect(dumped.status).toBe(0);
  const config = join(dir, "vm.json");
  writeFileSync(config, dumped.stdout);
  const again = await paravane(["run", "--config", config, "-m", "128M", "--dump-config"]);
  expect(JSON.parse(again.stdout)).toEqual({ guest: "hello", memory: "128M", clock: "icount" });
});

test("doctor says what the host offers, also as JSON", async () => {
  const outcome = await paravane(["doctor", "--json"]);
  const findings = JSON.parse(outcome.stdout) as { what: string; ok?: boolean }[];
  expect(findings.find(({ what }) => what === "WebAssembly SIMD")?.ok).toBe(true);
  expect(outcome.status).toBe(findings.some(({ ok }) => ok === false) ? 1 : 0);
});

test("img packs a directory and tells what it made", async () => {
  const tree = join(dir, "tree");
  mkdirSync(join(tree, "bin"), { recursive: true });
  writeFileSync(join(tree, "init"), "#!/bin/sh\n", { mode: 0o755 });
  const output = join(dir, "made.img");
  const packed = await paravane(["img", "initrd", tree, "-o", output]);
  expect([packed.status, packed.stdout]).toEqual([0, `${output}\n`]);
  const told = await paravane(["img", "info", output]);
  expect(told.stdout).toMatch(/^cpio archive: 4 entries/);
  expect(told.stdout).toContain("init 10");
});
