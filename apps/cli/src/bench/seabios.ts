// SeaBIOS for v86, which starts kernels through a BIOS as real machines do: Debian's package, taken as the guests are.
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { imageError } from "../errors.js";
import { Apt, hasApt } from "../img/apt.js";
import { cacheDirectory } from "../img/cache.js";
import { openDeb } from "../img/deb.js";

const FILES = { system: "usr/share/seabios/bios.bin", vga: "usr/share/seabios/vgabios-stdvga.bin" } as const;

/** The BIOS images' paths in the cache. */
export async function takeSeabios(progress: (line: string) => void): Promise<{ system: string; vga: string }> {
  const dir = join(cacheDirectory(), "bench", "seabios");
  const paths = { system: join(dir, basename(FILES.system)), vga: join(dir, basename(FILES.vga)) };
  if (existsSync(paths.system) && existsSync(paths.vga)) return paths;
  if (!hasApt())
    throw imageError(
      `v86 needs a BIOS, which comes in Debian's package seabios, and this host has no apt; bios.bin and vgabios-stdvga.bin may also be put into ${dir}`,
    );
  const deb = await openDeb(new Apt("amd64", cacheDirectory(), progress).download("seabios").file);
  try {
    mkdirSync(dir, { recursive: true });
    for (const key of ["system", "vga"] as const) writeFileSync(paths[key], deb.read(FILES[key]));
  } finally {
    deb.close();
  }
  return paths;
}
