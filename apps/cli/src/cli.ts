#!/usr/bin/env node
// The bin: runs the command line on this process and leaves only when the console's last byte is out.
import * as modules from "node:module";
import { boundHeap } from "./host/heap-bounds.js";
import { optimizeSooner } from "./host/wasm-tiers.js";

// Node since 22.8 keeps compiled scripts in its cache directory, so that a second start need not parse us again: 0.03 s of 0.23.
(modules as { enableCompileCache?: () => void }).enableCompileCache?.();
const { main } = await import("./main.js");

const status = await main(process.argv.slice(2), process, () => {
  boundHeap();
  optimizeSooner();
});
const flushed = (stream: NodeJS.WriteStream): Promise<void> => new Promise((resolve) => stream.write("", () => resolve()));
// A second interrupt does not wait for a reader that never reads.
process.on("SIGINT", () => process.exit(130));
if (!process.stdout.destroyed) await flushed(process.stdout);
if (!process.stderr.destroyed) await flushed(process.stderr);
process.exit(status);
