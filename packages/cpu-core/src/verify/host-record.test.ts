import { expect, test } from "vitest";
import type { EngineImports } from "../engine.js";
import * as L from "../layout.js";
import { HostRecord } from "./host-record.js";

const CPU = 0;
const view = new DataView(new ArrayBuffer(0x40000));
const asked: string[] = [];
const none = (): number => 0;
const host: EngineImports = {
  pioRead: (_cpu, port, size) => {
    asked.push(`read ${port} ${size}`);
    return asked.length;
  },
  pioWrite: (_cpu, port, _size, value) => void asked.push(`write ${port} ${value}`),
  readTsc: (cpu) => view.setBigUint64(cpu + L.EXIT_ARG, BigInt(asked.push("tsc")), true),
  mmioRead: none,
  mmioWrite: none,
  msrRead: none,
  msrWrite: none,
  readTaskPriority: none,
  writeTaskPriority: none,
  acknowledge: none,
  random: none,
  decode: none,
  hypercall: none,
  intercept: none,
  deliver: none,
  store: none,
  interruptWindow: none,
  hot: none,
  apart: none,
  grow: none,
  dropped: (header) => void asked.push(`dropped ${header}`),
};

/** What assembly/verify.ts says before the unit and before the interpreter. */
function begin(): void {
  view.setUint32(L.VERIFY_COMPARED_PTR, view.getUint32(L.VERIFY_COMPARED_PTR, true) + 1, true);
  view.setUint32(L.VERIFY_CALLS_PTR, 0, true);
  view.setUint32(L.VERIFY_PHASE_PTR, L.VERIFY_UNIT, true);
}
const replay = (): void => view.setUint32(L.VERIFY_PHASE_PTR, L.VERIFY_INTERPRETER, true);

test("what a unit asked is asked once, and the interpreter is told the same", () => {
  const record = new HostRecord(view, host);
  const calls = record.imports();
  asked.length = 0;
  begin();
  const first = [calls.pioRead(CPU, 0x60, 1), calls.pioRead(CPU, 0x60, 1)];
  calls.readTsc(CPU);
  expect(record.length).toBe(3);
  view.setBigUint64(CPU + L.EXIT_ARG, 0n, true);
  replay();
  expect([calls.pioRead(CPU, 0x60, 1), calls.pioRead(CPU, 0x60, 1)]).toEqual(first);
  expect(record.difference).toMatch(/^only the translation called readTsc/);
  calls.readTsc(CPU);
  expect(view.getBigUint64(CPU + L.EXIT_ARG, true)).toBe(3n);
  expect(record.difference).toBeUndefined();
  expect(asked).toEqual(["read 96 1", "read 96 1", "tsc"]);
});

test("another call, or one more, is a difference", () => {
  const record = new HostRecord(view, host);
  const calls = record.imports();
  begin();
  calls.pioWrite(CPU, 0x80, 1, 5);
  replay();
  calls.pioWrite(CPU, 0x80, 1, 6);
  expect(record.difference).toBe("the interpreter called pioWrite(0x80, 0x1, 0x6), the translation pioWrite(0x80, 0x1, 0x5)");
  begin();
  replay();
  expect(record.difference).toBeUndefined();
  calls.pioRead(CPU, 0x60, 1);
  expect(record.difference).toBe("the interpreter called pioRead(0x60, 0x1), the translation nothing");
});

test("what a call has changed of the vCPU is changed again where the interpreter makes it, and an answer given late is a difference", () => {
  const record = new HostRecord(view, { ...host, pioWrite: (cpu) => view.setUint32(cpu + L.INTR, 1, true) });
  const calls = record.imports();
  begin();
  calls.pioWrite(CPU, 0x20, 1, 5);
  expect(view.getUint32(CPU + L.INTR, true)).toBe(1);
  view.setUint32(CPU + L.INTR, 0, true);
  replay();
  calls.pioWrite(CPU, 0x20, 1, 5);
  expect([view.getUint32(CPU + L.INTR, true), record.difference]).toEqual([1, undefined]);
  begin();
  calls.pioRead(CPU, 0x60, 1);
  replay();
  view.setBigUint64(CPU + L.RETIRED, 1n, true);
  calls.pioRead(CPU, 0x60, 1);
  view.setBigUint64(CPU + L.RETIRED, 0n, true);
  expect(record.difference).toBe("the interpreter called pioRead(0x60, 0x1) after 1 instructions, the translation after 0");
  expect(view.getInt32(L.VERIFY_CALLS_PTR, true)).toBe(L.VERIFY_OTHER_CALL);
});

test("a unit's drops are forgotten, the interpreter's count; what cannot be repeated is refused in a unit", () => {
  const record = new HostRecord(view, host);
  const calls = record.imports();
  asked.length = 0;
  begin();
  calls.dropped(7);
  expect(() => calls.decode(CPU, 0, 0)).toThrow(/a unit called the host's decode/);
  replay();
  calls.dropped(7);
  expect(asked).toEqual(["dropped 7"]);
});
