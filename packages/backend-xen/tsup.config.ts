// One output file per source file, so that dist reads like src and a bundler can drop what is unused; tsc -b writes the declarations.
import { defineConfig } from "tsup";

export default defineConfig({
  entry: ["src/**/*.ts", "!src/**/*.test.ts"],
  format: "esm",
  target: "es2022",
  platform: "neutral",
  bundle: false,
  sourcemap: false,
  silent: true,
});
