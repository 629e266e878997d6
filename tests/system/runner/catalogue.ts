// What there is to run: each folder with a test.json is a test; its variants and modes are the images and machines.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

const root = join(import.meta.dirname, "..");

/** `32` has paging off, `32p` 32-bit paging, `pae` PAE paging, `64` is long mode with four levels. */
export type Mode = "32" | "32p" | "pae" | "64";

/** A verdict line on which QEMU departs from the manual. A line that is listed and passes fails the run, so that the list stays true. */
export interface WrongLine {
  /** The line's name; `*` stands for any text. */
  readonly line: string;
  /** Default: all. */
  readonly modes?: readonly Mode[];
  /** The section of the manual that shows it. */
  readonly reason: string;
}

/** One machine for a test; unset members come from the folder's own. */
export interface Settings {
  readonly modes?: readonly Mode[];
  /** Number of vCPUs. Default 1. */
  readonly vcpus?: number;
  /** Our CPU model. Default `paravane`. */
  readonly cpu?: string;
  /** RAM. Default `32M`. */
  readonly memory?: string;
  /** Preprocessor definitions for the sources. */
  readonly defines?: Readonly<Record<string, string>>;
  /** How the run has to end: by the debug exit, or by a triple fault. Default `exit`. */
  readonly ends?: "exit" | "shutdown";
  /** Seconds of host time for one run. Default 20. */
  readonly limitSeconds?: number;
  /** What QEMU is to be, or why it is not asked. */
  readonly qemu?: {
    readonly cpu?: string;
    readonly args?: readonly string[];
    readonly skip?: string;
    readonly wrong?: readonly WrongLine[];
  };
}

/** The contents of test.json. */
export interface TestFile extends Settings {
  /** One sentence: what is shown, by which sections. */
  readonly about: string;
  /** `guests` when it takes longer than a second. Default `quick`. */
  readonly suite?: "quick" | "guests";
  readonly variants?: readonly ({ readonly name: string } & Settings)[];
}

/** One image on one machine. */
export interface Case {
  /** `folder/variant (mode)`. */
  readonly title: string;
  readonly folder: string;
  readonly mode: Mode;
  readonly suite: "quick" | "guests";
  readonly settings: Settings;
}

/** Every case of every folder, in the order of names. */
export function allCases(): Case[] {
  return readdirSync(root, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && entry.name !== "lib" && entry.name !== "runner")
    .map((entry) => entry.name)
    .sort()
    .flatMap(casesOf);
}

/** The cases of one folder. @throws when it has no readable test.json */
export function casesOf(name: string): Case[] {
  const folder = join(root, name);
  const { suite = "quick", variants, ...base } = JSON.parse(readFileSync(join(folder, "test.json"), "utf8")) as TestFile;
  return (variants ?? [{ name: "" }]).flatMap(({ name: variant, ...own }) => {
    const settings: Settings = { ...base, ...own, qemu: { ...base.qemu, ...own.qemu } };
    const label = variant === "" ? name : `${name}/${variant}`;
    return (settings.modes ?? (["32", "32p", "pae", "64"] as const)).map((mode) => ({
      title: `${label} (${mode})`,
      folder,
      mode,
      suite,
      settings,
    }));
  });
}
