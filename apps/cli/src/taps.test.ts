import type { BoardDefinition, CoreDefinition } from "@paravane/paravirt-ops";
import { recordingBoard, recordingCore } from "@paravane/paravirt-ops/conformance";
import { expect, test } from "vitest";
import { parseTaps, tapped } from "./taps.js";

test("taps are read with their ranges", () => {
  expect(parseTaps(undefined)).toBeUndefined();
  expect(parseTaps("irq,pio:3f8,pio:0x60-64,mmio")).toEqual({
    insn: false,
    irq: true,
    pio: [
      { first: 0x3f8, last: 0x3f8 },
      { first: 0x60, last: 0x64 },
    ],
    mmio: [{ first: 0, last: Number.MAX_SAFE_INTEGER }],
  });
});

test("hypercalls and operations are chosen by how their names begin, or all of them", () => {
  expect(parseTaps("hypercall:event_channel_op,hypercall:vcpu_op.is,op")).toMatchObject({
    hypercall: ["event_channel_op", "vcpu_op.is"],
    op: [],
  });
});

test("unknown taps and bad ranges are named", () => {
  expect(() => parseTaps("insn,everything")).toThrow(/--trace everything: unknown tap/);
  expect(() => parseTaps("pio:uart")).toThrow(/--trace pio:uart: not a range/);
});

const silentCore: CoreDefinition = {
  ...recordingCore(),
  create: () => Promise.reject(new Error("not used")),
};

/** A board whose ports remember the last write. */
function board(): BoardDefinition {
  let last = 0;
  const bus = {
    attach: () => {},
    detach: () => {},
    read: () => last,
    write: (_address: number, _size: number, value: number) => {
      last = value;
    },
  };
  return {
    ...recordingBoard(),
    createBuses: () => ({ pio: bus, mmio: bus }) as never,
    create: () => {
      throw new Error("not used");
    },
  };
}

test("without taps the parts are the very same", () => {
  const parts = { core: silentCore, board: board(), backends: [] };
  expect(tapped(parts, undefined, () => {})).toBe(parts);
});

test("accesses in range are shown and go through, others only go through", () => {
  const lines: string[] = [];
  const { pio } = tapped({ core: silentCore, board: board(), backends: [] }, parseTaps("pio:3f8"), (line) =>
    lines.push(line),
  ).board.createBuses();
  pio.write(0x3f8 as never, 1, 0x41);
  expect(pio.read(0x3f8 as never, 1)).toBe(0x41);
  pio.write(0x80 as never, 4, 7);
  expect(pio.read(0x80 as never, 4)).toBe(7);
  expect(lines).toEqual(["pio write 03f8 1 <- 41", "pio read  03f8 1 -> 41"]);
});
