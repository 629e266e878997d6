import { spawnSync } from "node:child_process";
import { expect, it } from "vitest";

/** Runs a loop until V8 has optimised it, in a process of its own: V8's flags are a process's. Tells after how many turns. */
const program = (prelude: string): string => `
  import { setTimeout } from "node:timers/promises";
  import { optimizeSooner } from ${JSON.stringify(new URL("wasm-tiers.ts", import.meta.url).href)};
  ${prelude}
  // (func (export "f") (param i32) (loop (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1))))))
  const body = [0, 0x03, 0x40, 0x20, 0, 0x41, 1, 0x6b, 0x22, 0, 0x0d, 0, 0x0b, 0x0b];
  const types = [1, 5, 1, 0x60, 1, 0x7f, 0], functions = [3, 2, 1, 0], exported = [7, 5, 1, 1, 0x66, 0, 0];
  const module = [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, ...types, ...functions, ...exported, 10, body.length + 2, 1, body.length, ...body];
  const { f } = new WebAssembly.Instance(new WebAssembly.Module(new Uint8Array(module))).exports;
  const optimized = new Function("f", "return %IsTurboFanFunction(f)");
  let turns = 0;
  for (; !optimized(f) && turns < 1e8; turns += 5000) {
    f(5000);
    await setTimeout(2); // It is compiled in the background.
  }
  console.log(turns);
`;

function turnsUntilOptimized(prelude: string): number {
  const args = ["--allow-natives-syntax", "--import", import.meta.resolve("tsx"), "--input-type=module", "--eval", program(prelude)];
  const { stdout, stderr } = spawnSync(process.execPath, args, { encoding: "utf8" });
  expect(stderr).toBe("");
  return Number(stdout);
}

it("has V8 optimise WebAssembly after less than three quarters of what it runs otherwise", () => {
  expect(turnsUntilOptimized("optimizeSooner();")).toBeLessThan((turnsUntilOptimized("") * 3) / 4);
});
