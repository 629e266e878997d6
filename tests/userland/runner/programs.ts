// From the C sources in this folder to static executables for both word sizes, by the host's gcc and C library.
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Word sizes of programs. */
export type Bits = 32 | 64;

/** One executable. */
export interface Program {
  readonly name: string;
  readonly bits: Bits;
  readonly path: string;
}

const sources = join(import.meta.dirname, "..");
/** What a Debian host needs for building. */
export const INSTALL = "apt-get install gcc gcc-multilib libc6-dev-i386";
const FLAGS = "-O1 -std=gnu11 -Wall -Wextra -Werror -static -no-pie -fno-pie -fcf-protection=none -pthread -msse2".split(" ");

/** Why programs cannot be built here, if so: no gcc, or none that makes 32-bit programs. */
export function cannotBuild(): string | undefined {
  const made = spawnSync("gcc", ["-m32", "-static", "-x", "c", "-o", "/dev/null", "-"], {
    input: '#include <stdio.h>\nint main(void) { return puts(""); }',
  });
  return made.status === 0 ? undefined : `no gcc for 64 and 32 bits with a static C library: ${INSTALL}`;
}

const scratch = mkdtempSync(join(tmpdir(), "paravane-userland-"));
process.on("exit", () => rmSync(scratch, { recursive: true, force: true }));

/** The programs' names; a source that says `BITS: 64` or `BITS: 32` in its first lines is for that size only. */
export function programNames(bits: Bits): string[] {
  return readdirSync(sources)
    .filter((file) => file.endsWith(".c"))
    .filter((file) => {
      const only = /BITS: (\d+)/.exec(readFileSync(join(sources, file), "latin1").slice(0, 600))?.[1];
      return only === undefined || Number(only) === bits;
    })
    .map((file) => file.slice(0, -2));
}

/** Builds one. @throws with the compiler's words */
export function buildProgram(name: string, bits: Bits): Program {
  const path = join(scratch, `${name}${bits}`);
  const source = join(sources, `${name}.c`);
  const library = /^int main\(/m.test(readFileSync(source, "latin1")) ? [] : [join(sources, "lib/userland.c")];
  const made = spawnSync("gcc", [...FLAGS, `-m${bits}`, "-o", path, source, ...library], { encoding: "utf8" });
  if (made.status !== 0) throw new Error(made.stderr || `gcc cannot build ${name}: ${INSTALL}`);
  return { name, bits, path };
}
