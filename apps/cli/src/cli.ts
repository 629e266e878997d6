#!/usr/bin/env node
// The bin: runs the command line on this process and leaves only when the console's last byte is out.
import { main } from "./main.js";

const status = await main(process.argv.slice(2));
const flushed = (stream: NodeJS.WriteStream): Promise<void> => new Promise((resolve) => stream.write("", () => resolve()));
// A second interrupt does not wait for a reader that never reads.
process.on("SIGINT", () => process.exit(130));
if (!process.stdout.destroyed) await flushed(process.stdout);
if (!process.stderr.destroyed) await flushed(process.stderr);
process.exit(status);
