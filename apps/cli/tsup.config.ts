// One file per entry point, what they share in chunks, and each verb in one of its own: a start loads what its verb needs. tsc -b writes the
// declarations.
import { defineConfig } from "tsup";

export default defineConfig({
  entry: ["src/cli.ts", "src/index.ts", "src/bench/v86-console.ts"],
  format: "esm",
  target: "es2022",
  platform: "node",
  external: ["v86"],
  sourcemap: false,
  silent: true,
});
