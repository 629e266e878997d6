import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { openDrive, parseDrive } from "./drive.js";
import { openFileStore } from "./file-store.js";

const dir = mkdtempSync(join(tmpdir(), "paravane-drive-"));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

function image(name: string, bytes: number): string {
  const path = join(dir, name);
  writeFileSync(
    path,
    Uint8Array.from({ length: bytes }, (_, index) => index % 251),
  );
  return path;
}

describe("--drive", () => {
  test("the short form and qemu's form say the same", () => {
    const expected = { file: "disk.img", readOnly: true, overlay: false };
    expect(parseDrive("disk.img,ro,format=raw")).toEqual(expected);
    expect(parseDrive("file=disk.img,if=virtio,readonly=on,format=raw")).toEqual(expected);
    expect(parseDrive("file=disk.img,snapshot=on")).toEqual({ file: "disk.img", readOnly: false, overlay: true });
  });

  test("a doubled comma belongs to the name", () => {
    expect(parseDrive("a,,b.img,overlay").file).toBe("a,b.img");
  });

  test.each([
    ["disk.img,rw", /unknown setting rw/],
    ["disk.img,format=qcow2", /qcow2 format are not there yet/],
    ["disk.img,ro,overlay", /exclude each other/],
    ["format=raw", /no file is named/],
  ])("%s is a usage error", (value, message) => {
    expect(() => parseDrive(value)).toThrow(message);
  });
});

describe("stores", () => {
  test("a raw file is read, written and flushed in place", async () => {
    const path = image("raw.img", 4096);
    const store = await openFileStore(path, false);
    const sector = new Uint8Array(512);
    await store.read(1024, sector);
    expect(sector[0]).toBe(1024 % 251);
    await store.write(1024, new Uint8Array(512).fill(0xaa));
    await store.flush();
    await store.close();
    expect(readFileSync(path)[1024]).toBe(0xaa);
  });

  test("an overlay shows its writes and leaves the file alone, also across block borders", async () => {
    const path = image("over.img", 1 << 18);
    const before = readFileSync(path);
    const { store } = await openDrive(parseDrive(`${path},overlay`));
    const at = (1 << 16) - 512;
    await Promise.all([store.write(at, new Uint8Array(512).fill(1)), store.write(at + 512, new Uint8Array(512).fill(2))]);
    const both = new Uint8Array(2048);
    await store.read(at - 512, both);
    expect([...both.subarray(0, 4)]).toEqual([...before.subarray(at - 512, at - 508)]);
    expect([both[512], both[1023], both[1024], both[1535]]).toEqual([1, 1, 2, 2]);
    expect([...both.subarray(1536, 1540)]).toEqual([...before.subarray(at + 1024, at + 1028)]);
    await store.close();
    expect(readFileSync(path).equals(before)).toBe(true);
  });

  test("reads beyond the end fail with a stable code", async () => {
    const store = await openFileStore(image("short.img", 512), true);
    await expect(store.read(512, new Uint8Array(512))).rejects.toMatchObject({ code: "block/io" });
    await store.close();
  });

  test.each([
    ["empty.img", new Uint8Array(0), /it is empty/],
    ["odd.img", new Uint8Array(1000), /1000 bytes are not whole 512-byte sectors/],
    ["q.img", Uint8Array.from({ length: 512 }, (_, i) => "QFI\xfb".charCodeAt(i) || 0), /qcow2 image/],
  ])("%s is refused", async (name, bytes, message) => {
    writeFileSync(join(dir, name), bytes);
    await expect(openFileStore(join(dir, name), true)).rejects.toThrow(message);
  });

  test("missing files and directories are told apart", async () => {
    await expect(openFileStore(join(dir, "none"), true)).rejects.toThrow(/there is no such file/);
    await expect(openFileStore(dir, true)).rejects.toThrow(/not a regular file|is a directory/);
  });
});
