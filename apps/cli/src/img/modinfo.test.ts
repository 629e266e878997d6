import { describe, expect, test } from "vitest";
import { elfSection, loadOrder, type ModuleInfo, moduleName, readModuleInfo } from "./modinfo.js";

/** A relocatable ELF file with one section named .modinfo, in either width. */
function moduleFile(strings: string[], wide: boolean): Uint8Array {
  const info = new TextEncoder().encode(strings.map((s) => `${s}\0`).join(""));
  const names = new TextEncoder().encode("\0.modinfo\0.shstrtab\0");
  const entry = wide ? 64 : 40;
  const table = 64 + info.length + names.length;
  const bytes = new Uint8Array(table + 3 * entry);
  const view = new DataView(bytes.buffer);
  bytes.set([0x7f, 0x45, 0x4c, 0x46, wide ? 2 : 1, 1, 1]);
  bytes.set(info, 64);
  bytes.set(names, 64 + info.length);
  if (wide) view.setBigUint64(0x28, BigInt(table), true);
  else view.setUint32(0x20, table, true);
  for (const [n, value] of [entry, 3, 2].entries()) view.setUint16((wide ? 0x3a : 0x2e) + 2 * n, value, true);
  const section = (index: number, name: number, offset: number, size: number): void => {
    const at = table + index * entry;
    view.setUint32(at, name, true);
    if (wide) {
      view.setBigUint64(at + 0x18, BigInt(offset), true);
      view.setBigUint64(at + 0x20, BigInt(size), true);
    } else {
      view.setUint32(at + 0x10, offset, true);
      view.setUint32(at + 0x14, size, true);
    }
  };
  section(1, 1, 64, info.length);
  section(2, 10, 64 + info.length, names.length);
  return bytes;
}

describe(".modinfo", () => {
  test.each([true, false])("dependencies and soft dependencies are read (64 bit: %s)", (wide) => {
    const file = moduleFile(["license=GPL", "softdep=pre: crc32c crc16 post: late", "depends=jbd2,mbcache,virtio-ring", "name=ext4"], wide);
    expect(readModuleInfo(file, "fs/ext4.ko")).toEqual({
      name: "ext4",
      depends: ["jbd2", "mbcache", "virtio_ring"],
      softPre: ["crc32c", "crc16"],
    });
  });

  test("no dependencies is an empty list", () => {
    expect(readModuleInfo(moduleFile(["depends="], true), "a/xen-blkfront.ko.xz")).toEqual({
      name: "xen_blkfront",
      depends: [],
      softPre: [],
    });
  });

  test("a section table outside the file is a clear error", () => {
    const file = moduleFile(["depends="], true);
    expect(() => elfSection(file.subarray(0, file.length - 100), ".modinfo")).toThrow(/outside the file/);
    expect(() => elfSection(new TextEncoder().encode("not a module".padEnd(64)), ".modinfo")).toThrow(/not an ELF file/);
  });
});

describe("loading order", () => {
  const modules: Record<string, ModuleInfo> = Object.fromEntries(
    (
      [
        ["virtio_blk", ["virtio"], []],
        ["virtio", ["virtio_ring"], []],
        ["virtio_ring", [], []],
        ["ext4", ["jbd2"], ["crc32c", "absent"]],
        ["jbd2", [], []],
        ["crc32c", [], []],
        ["broken", ["gone"], []],
        ["a", ["b"], []],
        ["b", ["a"], []],
      ] as const
    ).map(([name, depends, softPre]) => [name, { name, depends, softPre }]),
  );
  const find = (name: string): ModuleInfo | undefined => modules[name];

  test("each module comes after what it depends on, once", () => {
    expect(loadOrder(["virtio_blk", "virtio-ring", "ext4"], find, () => false)).toEqual([
      "virtio_ring",
      "virtio",
      "virtio_blk",
      "crc32c",
      "jbd2",
      "ext4",
    ]);
  });

  test("built-in modules are left out, and so is what only they need", () => {
    expect(loadOrder(["ext4"], find, (name) => name === "ext4")).toEqual([]);
  });

  test("a wanted module that does not exist is left out, a dependency that does not is an error", () => {
    expect(loadOrder(["nothing"], find, () => false)).toEqual([]);
    expect(() => loadOrder(["broken"], find, () => false)).toThrow(/lacks the module gone/);
  });

  test("a cycle ends", () => {
    expect(loadOrder(["a"], find, () => false)).toEqual(["b", "a"]);
  });

  test("module names come from file names of any suffix", () => {
    expect(["a/b-c.ko", "b_c.ko.xz", "b-c"].map(moduleName)).toEqual(["b_c", "b_c", "b_c"]);
  });
});
