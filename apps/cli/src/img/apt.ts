// Taking Debian packages through the host's apt, without root and without touching the host's package state: apt-get(8), apt.conf(5).
// Packages of the host's own architecture use the host's lists; others, or a host without lists, get a private state in the cache.
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { imageError } from "../errors.js";

/** Debian's name of an architecture. */
export type DebianArch = "amd64" | "i386";

/** Where progress is told; one line a call. */
export type Progress = (line: string) => void;

/** Says how to go on where apt cannot be used. */
export const WITHOUT_APT = "give a kernel instead: paravane run --kernel BZIMAGE --initrd INITRD --append 'console=ttyS0'";

interface Outcome {
  readonly status: number;
  readonly out: string;
  readonly err: string;
}

function tool(command: string, args: readonly string[], cwd?: string): Outcome {
  const result = spawnSync(command, args, {
    ...(cwd ? { cwd } : {}),
    encoding: "utf8",
    maxBuffer: 1 << 26,
    env: { ...process.env, LC_ALL: "C", DEBIAN_FRONTEND: "noninteractive" },
  });
  if (result.error) throw imageError(`this host has no usable ${command}; ${WITHOUT_APT}`);
  return { status: result.status ?? 1, out: result.stdout, err: result.stderr };
}

/** True when the host has apt. */
export function hasApt(): boolean {
  return spawnSync("apt-get", ["--version"], { stdio: "ignore" }).status === 0;
}

/** Reads one field of a Debian control stanza, continuation lines included. */
export function controlField(stanza: string, key: string): string | undefined {
  return new RegExp(`^${key}:[ \\t]*(.*(?:\\n[ \\t].*)*)`, "m").exec(stanza)?.[1]?.trim();
}

/** The real package behind a metapackage: the first dependency whose name is longer but of the same family, e.g. linux-image-6.1.0-50-686. */
export function realPackage(name: string, stanza: string): string {
  const family = /^linux-image-/.exec(name)?.[0];
  if (!family || /^linux-image-\d+\.\d/.test(name)) return name;
  const depends = (controlField(stanza, "Depends") ?? "").split(/[,|]/).map((part) => part.trim().split(/[ (:]/)[0] ?? "");
  return depends.find((dependency) => /^linux-image-\d+\.\d/.test(dependency)) ?? name;
}

/** One architecture's view of the archive. */
export class Apt {
  #options: string[];
  #private: boolean;

  constructor(
    readonly arch: DebianArch,
    private readonly cacheDir: string,
    private readonly progress: Progress,
  ) {
    const host = tool("dpkg", ["--print-architecture"]).out.trim();
    this.#private = host !== arch;
    this.#options = this.#private ? this.#privateState() : [];
  }

  /** Downloads a package (the real one behind a metapackage) into the cache and returns its file. */
  download(name: string): { file: string; package: string } {
    try {
      return this.#download(name);
    } catch (error) {
      if (this.#private) throw error;
      // The host's lists may be absent or older than what the mirror still carries.
      this.progress(`the host's package lists do not give ${name}; using lists of our own`);
      this.#private = true;
      this.#options = this.#privateState();
      return this.#download(name);
    }
  }

  #download(name: string): { file: string; package: string } {
    const real = realPackage(name, this.#show(name));
    const stanza = this.#show(real);
    const debs = join(this.cacheDir, "debs");
    const file = join(debs, `${real}_${(controlField(stanza, "Version") ?? "").replaceAll(":", "%3a")}_${this.arch}.deb`);
    if (!existsSync(file)) {
      mkdirSync(debs, { recursive: true });
      const part = join(debs, `.part-${process.pid}-${real}`);
      mkdirSync(part, { recursive: true });
      const megabytes = (Number(controlField(stanza, "Size") ?? 0) / 1e6).toFixed(1);
      this.progress(`downloading ${real} (${this.arch}, ${megabytes} MB)`);
      try {
        const { status, err } = tool("apt-get", [...this.#options, "-q", ...this.#asSelf(), "download", real], part);
        const got = readdirSync(part).find((entry) => entry.endsWith(".deb"));
        if (status !== 0 || !got) throw imageError(`apt could not download ${real}: ${firstError(err)}`);
        renameSync(join(part, got), file);
      } finally {
        rmSync(part, { recursive: true, force: true });
      }
    }
    return { file, package: real };
  }

  #show(name: string): string {
    const { status, out } = tool("apt-cache", [...this.#options, "show", "--no-all-versions", name]);
    if (status !== 0 || out.trim() === "") {
      throw imageError(`this host's apt sources have no package ${name} for ${this.arch}; ${WITHOUT_APT}`);
    }
    return out.split(/\n\n/)[0] ?? "";
  }

  /** As root apt would drop to a user that may not enter the cache. */
  #asSelf(): string[] {
    return process.getuid?.() === 0 ? ["-o", "APT::Sandbox::User=root"] : [];
  }

  #privateState(): string[] {
    const state = join(this.cacheDir, "apt", this.arch);
    for (const dir of ["lists/partial", "cache/archives/partial"]) mkdirSync(join(state, dir), { recursive: true });
    const status = join(state, "status");
    if (!existsSync(status)) writeFileSync(status, "");
    const settings = {
      "Dir::State": state,
      "Dir::State::lists": join(state, "lists"),
      "Dir::State::status": status,
      "Dir::Cache": join(state, "cache"),
      "APT::Architecture": this.arch,
      "APT::Architectures": this.arch,
      "Acquire::Languages": "none",
    };
    const options = Object.entries(settings).flatMap(([key, value]) => ["-o", `${key}=${value}`]);
    this.progress(`fetching the package lists for ${this.arch}`);
    // A list that cannot be fetched is not an error yet: the package may be in another one.
    tool("apt-get", [...options, "-q", ...this.#asSelf(), "update"]);
    return options;
  }
}

const firstError = (text: string): string =>
  text
    .split("\n")
    .find((line) => line.startsWith("E:"))
    ?.slice(2)
    .trim() ?? "no reason given";
