/** The README's example runs and prints what it says; its table of CPU features is the one that the code has. */
import { readFileSync } from "node:fs";
import { expect, it, vi } from "vitest";
import * as core from "../src/index.js";
import { FEATURES, NOT_IMPLEMENTED } from "../src/vcpu/features.js";
import { CPU_MODELS, parseCpuModel } from "../src/vcpu/models.js";

const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8");

it("the example needs createCore alone, and prints 42", async () => {
  const [, code = ""] = /```js\n([\s\S]*?)```/.exec(readme) ?? [];
  const [statement = "", names = ""] = /^import \{ (.*) \} from "@paravane\/cpu-core";$/m.exec(code) ?? [];
  expect(code.match(/^import/gm)).toHaveLength(1);
  const print = vi.spyOn(console, "log").mockImplementation(() => {});
  const run = new Function("exported", `return (async () => { const { ${names} } = exported; ${code.replace(statement, "")} })();`);
  await run(core);
  const printed = print.mock.calls.map((words) => words.join(" "));
  print.mockRestore();
  expect(printed).toEqual(["port 233: 42", "halted 5"]);
});

it("the table says of each feature whether the default model advertises it", () => {
  const lines = readme.split("\n");
  const from = lines.findIndex((line) => line.includes("advertised by `paravane`"));
  const rows = lines.slice(from + 2, lines.indexOf("", from));
  const columns = [1, 2, 3].map((n) =>
    rows
      .flatMap((row) => row.split("|")[n + 1]!.trim().split(/\s+/))
      .filter((name) => name !== "")
      .sort(),
  );
  const advertised = parseCpuModel().features;
  expect(columns[0]).toEqual([...advertised].sort());
  expect(columns[1]).toEqual(
    Object.keys(FEATURES)
      .filter((name) => !parseCpuModel().has(name))
      .sort(),
  );
  expect(columns[2]).toEqual([...NOT_IMPLEMENTED].sort());
  for (const model of CPU_MODELS) expect(readme).toContain(`\`${model}\``);
});
