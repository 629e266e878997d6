// One file per entry point, what they share in chunks: a program that starts loads a handful of files; tsc -b writes the declarations.
// The engine is inside the JavaScript; it is copied as a file too, for those who want to load or inspect it by itself.
import { copyFile, mkdir } from "node:fs/promises";
import { defineConfig } from "tsup";

export default defineConfig({
  entry: ["src/index.ts", "src/disasm.ts"],
  format: "esm",
  target: "es2022",
  platform: "neutral",
  sourcemap: false,
  silent: true,
  onSuccess: async () => {
    await mkdir("dist/generated", { recursive: true });
    await copyFile("src/generated/engine.wasm", "dist/generated/engine.wasm");
  },
});
