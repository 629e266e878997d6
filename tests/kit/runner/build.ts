// The guest kit from its sources, by the host's gcc: one ELF image a mode, the same for every platform that has the mode.
import { execFile, spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

const execute = promisify(execFile);
const source = join(import.meta.dirname, "../src");
const scratch = mkdtempSync(join(tmpdir(), "paravane-kit-"));
process.on("exit", () => rmSync(scratch, { recursive: true, force: true }));

/** `32` has 32-bit paging, `32-pae` PAE, `64` is long mode. */
export type KitMode = "32" | "32-pae" | "64";

/** What a Debian host needs. */
export const INSTALL = "apt-get install gcc gcc-multilib binutils";

const FLAGS =
  "-c -O1 -g0 -std=gnu11 -Wall -Wextra -Werror -ffreestanding -fno-pic -fno-stack-protector -fno-asynchronous-unwind-tables -fcf-protection=none -mgeneral-regs-only -fno-strict-aliasing -fno-tree-loop-distribute-patterns".split(
    " ",
  );
const MODE: Readonly<Record<KitMode, { readonly flags: readonly string[]; readonly emulation: string }>> = {
  "32": { flags: ["-m32", "-march=i686"], emulation: "elf_i386" },
  "32-pae": { flags: ["-m32", "-march=i686", "-DPAE", "-DXEN"], emulation: "elf_i386" },
  "64": { flags: ["-m64", "-mno-red-zone", "-DXEN"], emulation: "elf_x86_64" },
};

/** Whether this host compiles for that mode. */
export function canBuild(mode: KitMode): boolean {
  const compiled = spawnSync("gcc", [MODE[mode].flags[0]!, "-x", "c", "-c", "-o", "/dev/null", "-"], { input: "int x;" });
  return compiled.status === 0 && spawnSync("ld", ["--version"], { stdio: "ignore" }).status === 0;
}

async function run(tool: string, args: readonly string[]): Promise<void> {
  await execute(tool, args).catch((error: { stderr?: string }) => {
    throw new Error(error.stderr || `${tool} failed`);
  });
}

const only: Readonly<Record<string, readonly KitMode[]>> = {
  "vmi.c": ["32", "32-pae"],
  "test-vmi.c": ["32", "32-pae"],
  "xen.c": ["32-pae", "64"],
};
const images = new Map<KitMode, Promise<Uint8Array>>();

/** The image of a mode, built once in a process. @throws with the compiler's words */
export function buildKit(mode: KitMode): Promise<Uint8Array> {
  const known = images.get(mode);
  if (known !== undefined) return known;
  const image = compile(mode);
  images.set(mode, image);
  return image;
}

async function compile(mode: KitMode): Promise<Uint8Array> {
  const files = readdirSync(source).filter((name) => /\.[cS]$/.test(name) && (only[name]?.includes(mode) ?? true));
  const { flags, emulation } = MODE[mode];
  const base = join(scratch, mode);
  const objects = await Promise.all(
    files.sort().map(async (name) => {
      const object = `${base}.${name}.o`;
      await run("gcc", [...FLAGS, ...flags, join(source, name), "-o", object]);
      return object;
    }),
  );
  const layout = ["-z", "noexecstack", "--no-warn-rwx-segments", "--build-id=none", "-static", "-T", join(source, "image.ld")];
  await run("ld", ["-m", emulation, ...layout, "-o", `${base}.elf`, ...objects]);
  return readFileSync(`${base}.elf`);
}
