// From C and assembly to PV kernels, by the host's gcc: one ELF image for a guest and a width.
import { execFile, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

const execute = promisify(execFile);
const folder = join(import.meta.dirname, "..");
const library = join(folder, "lib");
const scratch = mkdtempSync(join(tmpdir(), "paravane-xen-"));
process.on("exit", () => rmSync(scratch, { recursive: true, force: true }));

/** Words of a guest. */
export type Bits = 64 | 32;

/** What a Debian host needs. */
export const INSTALL = "apt-get install gcc gcc-multilib binutils";

const FLAGS =
  "-c -O1 -g0 -std=gnu11 -Wall -Wextra -Werror -ffreestanding -fno-pic -fno-stack-protector -fno-asynchronous-unwind-tables -fcf-protection=none -mgeneral-regs-only -fno-strict-aliasing -fno-tree-loop-distribute-patterns".split(
    " ",
  );
const WIDTH: Readonly<Record<Bits, readonly string[]>> = { 64: ["-m64", "-mno-red-zone"], 32: ["-m32", "-march=i686"] };
const EMULATION: Readonly<Record<Bits, string>> = { 64: "elf_x86_64", 32: "elf_i386" };

/** Whether this host compiles for guests of that width. */
export function canBuild(bits: Bits): boolean {
  const compiled = spawnSync("gcc", [`-m${bits}`, "-x", "c", "-c", "-o", "/dev/null", "-"], { input: "int x;" });
  return compiled.status === 0 && spawnSync("ld", ["--version"], { stdio: "ignore" }).status === 0;
}

async function run(tool: string, args: readonly string[]): Promise<void> {
  await execute(tool, args).catch((error: { stderr?: string }) => {
    throw new Error(error.stderr || `${tool} failed`);
  });
}

/** Builds guests/NAME.c as a PV kernel. @throws with the compiler's words */
export function buildGuest(name: string, bits: Bits, defines: Readonly<Record<string, string | number>> = {}): Promise<Uint8Array> {
  return build(name, bits, ["start.S", "pv.c"], defines);
}

/** Levels of page tables: long mode, PAE, 4 MiB pages, none. */
export type Paging = 4 | 3 | 2 | 0;

/** Builds guests/NAME.c as a PVH kernel. @throws with the compiler's words */
export function buildPvhGuest(name: string, paging: Paging, defines: Readonly<Record<string, string | number>> = {}): Promise<Uint8Array> {
  return build(name, paging === 4 ? 64 : 32, ["pvh-start.S", "pvh.c"], { PVH: 1, PAGING: paging, ...defines });
}

/** A 64-bit image as a 32-bit one, as loaders of 32-bit images want it: how the guest is entered is the same for both. */
export async function narrowed(image: Uint8Array): Promise<Uint8Array> {
  const [wide, narrow] = [join(scratch, "wide.elf"), join(scratch, "narrow.elf")];
  writeFileSync(wide, image);
  await run("objcopy", ["-O", "elf32-i386", wide, narrow]);
  return readFileSync(narrow);
}

async function build(
  name: string,
  bits: Bits,
  parts: readonly string[],
  defines: Readonly<Record<string, string | number>>,
): Promise<Uint8Array> {
  const base = join(scratch, `${name}-${bits}-${Object.values(defines).join("-")}`);
  const macros = Object.entries(defines).map(([macro, value]) => `-D${macro}=${value}`);
  const sources = [...["kit.c", ...parts].map((part) => join(library, part)), join(folder, "guests", `${name}.c`)];
  const objects = await Promise.all(
    sources.map(async (source, index) => {
      const object = `${base}.${index}.o`;
      await run("gcc", [...FLAGS, ...WIDTH[bits], ...macros, "-I", library, source, "-o", object]);
      return object;
    }),
  );
  const layout = ["-z", "noexecstack", "--no-warn-rwx-segments", "--build-id=none", "-static", "-T", join(library, "image.ld")];
  await run("ld", ["-m", EMULATION[bits], ...layout, "-o", `${base}.elf`, ...objects]);
  return readFileSync(`${base}.elf`);
}
