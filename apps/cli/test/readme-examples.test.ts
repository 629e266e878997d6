// The first example of each package's README is run, on a kernel that prints one letter and then faults.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import * as native from "@paravane/backend-native";
import * as vmi from "@paravane/backend-vmi";
import * as core from "@paravane/cpu-core";
import * as board from "@paravane/devices/board";
import * as contract from "@paravane/paravirt-ops";
import * as conformance from "@paravane/paravirt-ops/conformance";
import * as vmm from "@paravane/vmm";
import { transform } from "esbuild";
import { expect, test } from "vitest";

const modules: Record<string, unknown> = {
  "@paravane/backend-native": native,
  "@paravane/backend-vmi": vmi,
  "@paravane/cpu-core": core,
  "@paravane/devices/board": board,
  "@paravane/paravirt-ops": contract,
  "@paravane/paravirt-ops/conformance": conformance,
  "@paravane/vmm": vmm,
};

/** A multiboot 1 image that is not ELF, at 1 MiB: mov dx, 0x3f8; mov al, 'h'; out dx, al; ud2. */
function kernel(): Uint8Array {
  const flags = 1 << 16;
  const header = [0x1badb002, flags, -(0x1badb002 + flags), 0x100000, 0x100000, 0, 0, 0x100020];
  const file = new Uint8Array(0x40);
  const view = new DataView(file.buffer);
  for (const [index, word] of header.entries()) view.setUint32(index * 4, word >>> 0, true);
  file.set([0x66, 0xba, 0xf8, 0x03, 0xb0, 0x68, 0xee, 0x0f, 0x0b], 0x20);
  return file;
}

/** Runs an example; its imports come from `modules`, and what it prints is returned. */
async function runExample(text: string): Promise<unknown[][]> {
  const { code } = await transform(text, { loader: "ts", format: "esm", target: "es2022" });
  const body = code.replace(/^import \{([^}]*)\} from "([^"]+)";$/gm, (_all, names: string, from: string) => {
    expect(modules, `module ${from}`).toHaveProperty([from]);
    return `const {${names.replaceAll(" as ", ": ")}} = modules[${JSON.stringify(from)}];`;
  });
  const printed: unknown[][] = [];
  const console = { log: (...values: unknown[]) => void printed.push(values) };
  const AsyncFunction = (async () => {}).constructor as new (...text: string[]) => (...values: unknown[]) => Promise<void>;
  await new AsyncFunction("modules", "console", "kernel", "initrd", body)(modules, console, kernel(), new Uint8Array(16));
  return printed;
}

test.each(["paravirt-ops", "backend-native", "backend-vmi", "vmm"])("the example in the README of %s runs", async (name) => {
  const readme = readFileSync(join(import.meta.dirname, "../../../packages", name, "README.md"), "utf8");
  const example = /```ts\n([\s\S]*?)```/.exec(readme)![1]!;
  expect(example.trimEnd().split("\n").length).toBeLessThanOrEqual(17);
  const printed = await runExample(example);
  const last = printed.at(-1)!;
  if (name === "paravirt-ops") expect(last[1]).toBe("nop");
  if (name === "backend-native") expect(last).toEqual(["h", "shutdown"]);
  if (name === "backend-vmi") expect(last).toEqual(["vmi", "shutdown"]);
  if (name === "vmm") expect(last).toMatchObject(["multiboot kernel", "shutdown", expect.any(Number)]);
});
