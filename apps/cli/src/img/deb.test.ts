import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, describe, expect, test } from "vitest";
import { openDeb } from "./deb.js";
import { compressionOf, decompress } from "./decompress.js";
import { buildInitramfs, USER_SPACE_MARKER } from "./initramfs.js";
import { listCpio } from "./cpio.js";

const dir = mkdtempSync(join(tmpdir(), "paravane-debtest-"));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

/** Packs a directory tree as a package whose data archive is compressed by `compress`. */
function makeDeb(
  name: string,
  files: Record<string, string>,
  compress: (bytes: Uint8Array) => { bytes: Uint8Array; suffix: string },
): string {
  const tree = join(dir, `${name}-tree`);
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(join(tree, path, ".."), { recursive: true });
    if (text.startsWith("-> ")) symlinkSync(text.slice(3), join(tree, path));
    else writeFileSync(join(tree, path), text);
  }
  const tar = spawnSync("tar", ["-C", tree, "-cf", "-", "."], { maxBuffer: 1 << 26 }).stdout;
  const { bytes, suffix } = compress(tar);
  const member = (memberName: string, data: Uint8Array): Buffer =>
    Buffer.concat([
      Buffer.from(`${memberName.padEnd(16)}0           0     0     100644  ${String(data.length).padEnd(10)}\`\n`),
      data,
      Buffer.alloc(data.length % 2),
    ]);
  const path = join(dir, `${name}.deb`);
  writeFileSync(
    path,
    Buffer.concat([Buffer.from("!<arch>\n"), member("debian-binary", Buffer.from("2.0\n")), member(`data.tar${suffix}`, bytes)]),
  );
  return path;
}

const through =
  (command: string, suffix: string) =>
  (input: Uint8Array): { bytes: Uint8Array; suffix: string } => ({
    bytes: spawnSync(command, ["-c"], { input, maxBuffer: 1 << 26 }).stdout,
    suffix,
  });
const plain = (bytes: Uint8Array): { bytes: Uint8Array; suffix: string } => ({ bytes, suffix: "" });
const has = (command: string): boolean => spawnSync(command, ["--version"]).status === 0;

describe("Debian packages", () => {
  const files = { "boot/vmlinuz-1.2": "kernel", "usr/lib/link": "-> ../../boot/vmlinuz-1.2", big: "x".repeat(300_000) };
  test.each<[string, typeof plain]>([
    ["no compression", plain],
    ["gzip", (bytes: Uint8Array) => ({ bytes: gzipSync(bytes), suffix: ".gz" })],
    ...(has("xz") || process.env["CI"] ? [["xz", through("xz", ".xz")] as [string, typeof plain]] : []),
    ...(has("zstd") || process.env["CI"] ? [["zstd", through("zstd", ".zst")] as [string, typeof plain]] : []),
  ])("files are read through %s, links followed", async (name, compress) => {
    const deb = await openDeb(makeDeb(name.replace(" ", "-"), files, compress));
    const text = (file: string): string => new TextDecoder().decode(deb.read(file));
    expect(text("boot/vmlinuz-1.2")).toBe("kernel");
    expect(text("usr/lib/link")).toBe("kernel");
    expect(text("big")).toHaveLength(300_000);
    expect(() => deb.read("nowhere")).toThrow(/has no nowhere/);
    deb.close();
  });

  test("a file that is no package says so, and a missing one too", async () => {
    const path = join(dir, "text");
    writeFileSync(path, "just text");
    await expect(openDeb(path)).rejects.toThrow(/not a Debian package/);
    await expect(openDeb(join(dir, "nothing"))).rejects.toThrow(/there is no such file/);
  });

  test("damaged compressed data is a clear error", async () => {
    const gz = gzipSync(new Uint8Array(100_000).fill(7));
    expect(compressionOf(gz)).toBe("gzip");
    await expect(decompress(gz.subarray(0, 40))).rejects.toThrow(/gzip data is damaged/);
  });
});

describe("the initramfs", () => {
  test("has busybox, an init that marks user space, and no modules where the kernel has none", async () => {
    const kernel = await openDeb(
      makeDeb("kernel", { "boot/vmlinuz-6.1": "k", "lib/modules/6.1/modules.builtin": "kernel/fs/ext4/ext4.ko\n" }, plain),
    );
    const busybox = await openDeb(makeDeb("busybox", { "bin/busybox": "b" }, plain));
    const { bytes, modules, kernelVersion } = await buildInitramfs(kernel, busybox);
    expect(kernelVersion).toBe("6.1");
    expect(modules).toEqual([]);
    const names = listCpio(bytes).map(({ name }) => name);
    for (const name of ["init", "bin/busybox", "bin/sh", "dev/console", "lib/modules/order"]) expect(names).toContain(name);
    expect(new TextDecoder().decode(bytes)).toContain(USER_SPACE_MARKER);
    kernel.close();
    busybox.close();
  });

  test("needs packages that contain what it is made of", async () => {
    const empty = await openDeb(makeDeb("empty", { "usr/share/doc/x": "" }, plain));
    const kernel = await openDeb(makeDeb("kernel2", { "boot/vmlinuz-6.1": "k" }, plain));
    await expect(buildInitramfs(empty, kernel)).rejects.toThrow(/linux-image package is needed/);
    await expect(buildInitramfs(kernel, empty)).rejects.toThrow(/no bin\/busybox/);
    empty.close();
    kernel.close();
  });
});
