// From the C sources in guests/bench to what boots: one static executable for each word size, made by the host's gcc without any C library,
// and the initramfs of a named guest with that executable added. Results are kept in the cache under a hash of what they were made of.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { imageError } from "../../errors.js";
import { cacheDirectory } from "../../img/cache.js";
import { readCpioFile, writeCpio } from "../../img/cpio.js";
import { decompress } from "../../img/decompress.js";
import { packageFile } from "../../package-root.js";

/** Word sizes of guests. */
export type Bits = 32 | 64;

const sources = packageFile("guests/bench");

const COMMON = [
  "-O2 -std=gnu11 -ffreestanding -nostdlib -static -no-pie -fno-pie -fno-stack-protector -fcf-protection=none -fno-asynchronous-unwind-tables",
  // Loops stay what the source says, not calls of memset, and not vectors.
  "-fno-tree-loop-distribute-patterns -fno-tree-vectorize -fno-strict-aliasing",
]
  .join(" ")
  .split(" ");
const MACHINE: Readonly<Record<Bits, readonly string[]>> = { 32: ["-m32", "-march=i686"], 64: ["-m64", "-march=x86-64"] };
/** Flags of single files; all others are compiled without SSE where the ABI allows that. */
const OWN: Readonly<Record<string, readonly string[]>> = { "x87.c": ["-mfpmath=387"], "sse.c": ["-msse2", "-mfpmath=sse"] };

/** The path in the initramfs, for `rdinit=`. */
export const GUEST_PROGRAM = "/bench";

/** The executable's path; compiles it when the cache does not have it. */
export function buildPrograms(bits: Bits): string {
  const compiler = process.env["CC"] ?? "gcc";
  const names = readdirSync(sources).filter((name) => /\.[ch]$/.test(name));
  const hash = createHash("sha256").update(JSON.stringify([compiler, COMMON, MACHINE, OWN]));
  for (const name of names.sort()) hash.update(readFileSync(join(sources, name)));
  const dir = join(cacheDirectory(), "bench", `programs-${hash.digest("hex").slice(0, 16)}`);
  const executable = join(dir, `bench${bits}`);
  if (existsSync(executable)) return executable;
  const work = join(dir, `building-${process.pid}-${bits}`);
  mkdirSync(work, { recursive: true });
  try {
    const objects = names
      .filter((name) => name.endsWith(".c"))
      .map((name) => {
        const object = join(work, `${name}.o`);
        const withoutSse = bits === 32 && name !== "sse.c" ? ["-mno-sse"] : [];
        gcc(compiler, bits, [...withoutSse, ...(OWN[name] ?? []), "-c", join(sources, name), "-o", object]);
        return object;
      });
    gcc(compiler, bits, ["-o", join(work, "bench"), ...objects]);
    renameSync(join(work, "bench"), executable);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
  return executable;
}

function gcc(compiler: string, bits: Bits, args: readonly string[]): void {
  const { status, error, stderr } = spawnSync(compiler, [...COMMON, ...MACHINE[bits], ...args], { encoding: "utf8" });
  if (error) {
    throw imageError(
      `the programs are compiled by gcc, and this host has no ${compiler}: apt-get install gcc (or set CC; elsewhere gcc-x86-64-linux-gnu)`,
    );
  }
  if (status !== 0) throw imageError(`${compiler} could not compile the programs for ${bits} bits:\n${stderr.trim()}`);
}

/** A guest's initramfs with the programs in it: the kernel unpacks archives one after the other. */
export async function initrdWithPrograms(initrd: string, bits: Bits): Promise<string> {
  const executable = readFileSync(buildPrograms(bits));
  const base = readFileSync(initrd);
  const key = createHash("sha256").update(executable).update(base).digest("hex").slice(0, 16);
  const path = join(cacheDirectory(), "bench", `initrd-${key}.img`);
  if (existsSync(path)) return path;
  const more = writeCpio([{ name: GUEST_PROGRAM.slice(1), kind: "file", mode: 0o755, data: executable }]);
  const part = `${path}.part-${process.pid}`;
  writeFileSync(part, Buffer.concat([base, more]));
  renameSync(part, path);
  return path;
}

/** A directory in which the executable finds on this host what it finds in the guest: busybox and room for files. */
export async function hostDirectory(initrd: string, bits: Bits): Promise<string> {
  const busybox = readCpioFile(await decompress(readFileSync(initrd)), "bin/busybox");
  if (busybox === undefined) throw imageError(`${initrd} contains no bin/busybox`);
  const key = createHash("sha256").update(busybox).digest("hex").slice(0, 16);
  const dir = join(cacheDirectory(), "bench", `host-${bits}-${key}`);
  mkdirSync(join(dir, "bin"), { recursive: true });
  mkdirSync(join(dir, "tmp"), { recursive: true });
  const file = join(dir, "bin", "busybox");
  if (!existsSync(file)) {
    const part = `${file}.part-${process.pid}`;
    writeFileSync(part, busybox);
    chmodSync(part, 0o755);
    renameSync(part, file);
  }
  return dir;
}
