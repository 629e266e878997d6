import { describe, expect, test } from "vitest";
import { pcRig } from "../../test/pc-rig.js";

const PM1_STATUS = 0x400;
const PM1_ENABLE = 0x402;
const PM1_CONTROL = 0x404;
const RTC_EVENT = 1 << 10;
const SLEEP_S3 = 0x2000 | (1 << 10);
const WAK = 1 << 15;

/** A board with its tables, whose real-time clock wakes at each second; `vector` is the FACS's waking vector. */
function sleeper(vector: number) {
  const rig = pcRig();
  const { pio, memory, board } = rig;
  board.installTables();
  const facs = [...Array(0x800).keys()].map((n) => 0xe0000 + 64 * n).find((at) => memory.readU32(at) === 0x53434146)!;
  memory.writeU32(facs + 12, vector);
  const cmos = (register: number, value: number) => {
    pio.write(0x70, 1, register);
    pio.write(0x71, 1, value);
  };
  for (const register of [1, 3, 5]) cmos(register, 0xc0);
  cmos(0x0b, 0x22);
  return rig;
}

describe("suspend to RAM", () => {
  test("stops the vCPUs until the alarm of the clock, then starts at the waking vector with devices reset", () => {
    const { pio, clock, power, mmio } = sleeper(0x12345);
    mmio.write(0xfee000f0, 4, 0x1f0);
    pio.write(PM1_ENABLE, 2, RTC_EVENT);
    pio.write(PM1_CONTROL, 2, SLEEP_S3);
    expect(power).toEqual([{ kind: "suspend" }]);
    clock.advance(900e6);
    expect(power).toHaveLength(1);
    clock.advance(200e6);
    expect(power.slice(1)).toEqual([{ kind: "resume", entry: 0x12345 }]);
    expect([pio.read(PM1_STATUS, 2) & (WAK | RTC_EVENT), mmio.read(0xfee000f0, 4)]).toEqual([WAK | RTC_EVENT, 0x1ff]);
    clock.advance(5e9);
    expect(power).toHaveLength(2);
  });

  test("an event that is not enabled does not wake; the power button does when it is", () => {
    const { pio, clock, power, board } = sleeper(0x1000);
    pio.write(PM1_ENABLE, 2, 1 << 8);
    pio.write(PM1_CONTROL, 2, SLEEP_S3);
    clock.advance(3e9);
    expect(power).toHaveLength(1);
    board.pressPowerButton();
    clock.advance(2e6);
    expect(power).toEqual([{ kind: "suspend" }, { kind: "resume", entry: 0x1000 }]);
  });

  test("an event that waits already ends the sleep at once, but after the access that began it", () => {
    const { pio, clock, power } = sleeper(0x1000);
    pio.write(PM1_ENABLE, 2, RTC_EVENT);
    clock.advance(2e9);
    pio.write(PM1_CONTROL, 2, SLEEP_S3);
    expect(power).toEqual([{ kind: "suspend" }]);
    clock.advance(2e6);
    expect(power).toHaveLength(2);
  });

  test("without a waking vector the machine boots afresh", () => {
    const { pio, clock, power } = sleeper(0);
    pio.write(PM1_ENABLE, 2, RTC_EVENT);
    pio.write(PM1_CONTROL, 2, SLEEP_S3);
    clock.advance(2e9);
    expect(power).toEqual([{ kind: "suspend" }, { kind: "reset" }]);
  });

  test("RESET ends a sleep", () => {
    const { pio, clock, power, board } = sleeper(0x1000);
    pio.write(PM1_ENABLE, 2, RTC_EVENT);
    pio.write(PM1_CONTROL, 2, SLEEP_S3);
    board.reset();
    clock.advance(3e9);
    expect(power).toEqual([{ kind: "suspend" }]);
  });
});
