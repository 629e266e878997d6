import { expect, test } from "vitest";
import { createPioBus } from "../bus/pio-bus.js";
import { attachDebugExit } from "./debug-exit.js";

test("the value written ends the run with status value * 2 + 1, whatever its width", () => {
  const statuses: number[] = [];
  const bus = createPioBus();
  attachDebugExit(bus, 0xf4, (status) => statuses.push(status));
  bus.write(0xf4, 1, 0);
  bus.write(0xf4, 2, 0x10);
  bus.write(0xf4, 4, 0x80000000);
  expect(statuses).toEqual([1, 0x21, 1]);
  expect(bus.read(0xf4, 1)).toBe(0);
});
