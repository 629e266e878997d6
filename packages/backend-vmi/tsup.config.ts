// One file per entry point, what they share in chunks: a program that starts loads a handful of files; tsc -b writes the declarations.
import { defineConfig } from "tsup";

export default defineConfig({
  entry: ["src/index.ts"],
  format: "esm",
  target: "es2022",
  platform: "neutral",
  sourcemap: false,
  silent: true,
});
