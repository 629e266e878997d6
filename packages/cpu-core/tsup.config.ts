// One output file per source file, so that dist reads like src and a bundler can drop what is unused; tsc -b writes the declarations.
// The engine is inside the JavaScript; it is copied as a file too, for those who want to load or inspect it by itself.
import { copyFile } from "node:fs/promises";
import { defineConfig } from "tsup";

export default defineConfig({
  entry: ["src/**/*.ts", "!src/**/*.test.ts", "!src/reference/**"],
  format: "esm",
  target: "es2022",
  platform: "neutral",
  bundle: false,
  sourcemap: false,
  silent: true,
  onSuccess: () => copyFile("src/generated/engine.wasm", "dist/generated/engine.wasm"),
});
