// The .modinfo section of a kernel module: NUL-separated KEY=VALUE strings in a relocatable ELF file (include/linux/moduleparam.h, MODULE_INFO).
import { imageError } from "../errors.js";

/** What the initramfs builder needs to know about a module. */
export interface ModuleInfo {
  readonly name: string;
  /** Modules that must be loaded before it, by name. */
  readonly depends: readonly string[];
  /** Modules that should be loaded before it if they exist: "softdep=pre:". */
  readonly softPre: readonly string[];
}

/** Module names compare with dashes and underscores alike. */
export const moduleName = (file: string): string =>
  file
    .replace(/^.*\//, "")
    .replace(/\.ko(\.(xz|gz|zst))?$/, "")
    .replaceAll("-", "_");

/** The contents of an ELF section by name, or undefined. Reads 32-bit and 64-bit little-endian files. */
export function elfSection(bytes: Uint8Array, wanted: string): Uint8Array | undefined {
  if (bytes.length < 64 || bytes[0] !== 0x7f || String.fromCharCode(...bytes.subarray(1, 4)) !== "ELF") throw imageError("not an ELF file");
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const wide = bytes[4] === 2;
  try {
    const word = (at: number): number => (wide ? Number(view.getBigUint64(at, true)) : view.getUint32(at, true));
    const table = word(wide ? 0x28 : 0x20);
    const [entrySize, count, namesIndex] = [0, 2, 4].map((n) => view.getUint16((wide ? 0x3a : 0x2e) + n, true)) as [number, number, number];
    const section = (index: number) => {
      const at = table + index * entrySize;
      return { name: view.getUint32(at, true), offset: word(at + (wide ? 0x18 : 0x10)), size: word(at + (wide ? 0x20 : 0x14)) };
    };
    const names = section(namesIndex);
    for (let index = 0; index < count; index++) {
      const { name, offset, size } = section(index);
      const start = names.offset + name;
      const end = bytes.indexOf(0, start);
      if (String.fromCharCode(...bytes.subarray(start, end)) === wanted) return bytes.subarray(offset, offset + size);
    }
    return undefined;
  } catch {
    throw imageError("the ELF section table lies outside the file");
  }
}

/** Reads a module's own account of itself; `file` names it when it does not. */
export function readModuleInfo(bytes: Uint8Array, file: string): ModuleInfo {
  const section = elfSection(bytes, ".modinfo");
  const strings = section ? new TextDecoder().decode(section).split("\0") : [];
  const values = (key: string): string[] => strings.filter((s) => s.startsWith(`${key}=`)).map((s) => s.slice(key.length + 1));
  const soft = values("softdep").flatMap((value) => /pre:\s*(.*?)(?=\s*post:|$)/.exec(value)?.[1]?.split(/\s+/) ?? []);
  return {
    name: moduleName(values("name")[0] ?? file),
    depends: values("depends")
      .flatMap((value) => value.split(","))
      .filter((name) => name !== "")
      .map(moduleName),
    softPre: soft.filter((name) => name !== "").map(moduleName),
  };
}

/**
 * The modules to load, each after what it depends on.
 *
 * @param wanted - names to start from; unknown ones among them are left out (they may be built in)
 * @param find - a module's information by name, or undefined when there is no such module
 * @param isBuiltIn - whether the kernel itself contains it
 */
export function loadOrder(
  wanted: readonly string[],
  find: (name: string) => ModuleInfo | undefined,
  isBuiltIn: (name: string) => boolean,
): string[] {
  const order: string[] = [];
  const open = new Set<string>();
  const visit = (name: string, needed: boolean): void => {
    if (order.includes(name) || open.has(name) || isBuiltIn(name)) return;
    const info = find(name);
    if (!info) {
      if (needed) throw imageError(`the package lacks the module ${name}, which another one depends on`);
      return;
    }
    open.add(name);
    for (const soft of info.softPre) visit(soft, false);
    for (const dependency of info.depends) visit(dependency, true);
    open.delete(name);
    order.push(name);
  };
  for (const name of wanted) visit(moduleName(name), false);
  return order;
}
