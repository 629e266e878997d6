// From C and assembly to multiboot images, by the host's gcc. The shared library is compiled once a mode.
import { execFile, spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { promisify } from "node:util";
import type { Case, Mode } from "./catalogue.js";

const execute = promisify(execFile);
/** Runs a tool; its complaint becomes the error's message. */
async function run(tool: string, args: readonly string[]): Promise<void> {
  await execute(tool, args).catch((error: { stderr?: string }) => {
    throw new Error(error.stderr || `${tool} failed`);
  });
}
const library = join(import.meta.dirname, "../lib");
const scratch = mkdtempSync(join(tmpdir(), "paravane-system-"));
process.on("exit", () => rmSync(scratch, { recursive: true, force: true }));

/** What a Debian host needs for building, and for comparing with QEMU. */
export const INSTALL = "apt-get install gcc binutils qemu-system-x86";

/** Whether a program can be started. */
export function installed(program: string): boolean {
  return spawnSync(program, ["--version"], { stdio: "ignore" }).status === 0;
}

const FLAGS =
  "-c -O1 -g0 -std=gnu11 -Wall -Wextra -Werror -ffreestanding -fno-pic -fno-stack-protector -fno-asynchronous-unwind-tables -fno-omit-frame-pointer -fcf-protection=none -mgeneral-regs-only -fno-strict-aliasing".split(
    " ",
  );
const modeFlags = (mode: Mode) => [
  mode === "64" ? "-m64" : "-m32",
  ...(mode === "64" ? ["-mno-red-zone"] : ["-march=i686"]),
  `-DMODE_${mode.toUpperCase()}`,
];
const sources = (folder: string) => readdirSync(folder).filter((name) => /\.[cS]$/.test(name));

async function compile(folder: string, into: string, mode: Mode, defines: Readonly<Record<string, string>> = {}): Promise<string[]> {
  const macros = Object.entries(defines).map(([name, value]) => `-D${name}=${value}`);
  return Promise.all(
    sources(folder).map(async (name) => {
      const object = `${into}.${basename(name)}.o`;
      await run("gcc", [...FLAGS, ...modeFlags(mode), ...macros, "-I", library, join(folder, name), "-o", object]);
      return object;
    }),
  );
}

const libraries = new Map<Mode, Promise<string[]>>();
let images = 0;

/** Builds the case's image. @returns its bytes and where it lies. @throws with the compiler's words */
export async function buildImage({ folder, mode, settings }: Case): Promise<{ path: string; bytes: Uint8Array }> {
  if (!libraries.has(mode)) libraries.set(mode, compile(library, join(scratch, `lib-${mode}`), mode));
  const base = join(scratch, `${images++}-${basename(folder)}-${mode}`);
  const objects = await compile(folder, base, mode, settings.defines);
  const emulation = mode === "64" ? "elf_x86_64" : "elf_i386";
  const linked = `${base}.linked`;
  const path = `${base}.elf`;
  await run("ld", [
    "-m",
    emulation,
    "-z",
    "noexecstack",
    "--no-warn-rwx-segments",
    "-static",
    "-T",
    join(library, "image.ld"),
    "-o",
    linked,
    ...objects,
    ...(await libraries.get(mode)!),
  ]);
  // Multiboot 1 knows ELF32 only: a 64-bit image enters long mode by itself.
  await run("objcopy", ["-O", "elf32-i386", linked, path]);
  return { path, bytes: readFileSync(path) };
}
