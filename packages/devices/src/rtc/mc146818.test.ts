import { describe, expect, test } from "vitest";
import { stateTrio } from "../../test/state-trio.js";
import { Mc146818, RTC_HZ } from "./mc146818.js";

const date = (text: string) => Date.parse(text) / 1000;
const S = RTC_HZ;
const CLOCK = [0x32, 9, 8, 7, 4, 2, 0];

/** A part that shows `text` at tick 0. */
function part(text = "2026-11-21T23:59:58Z", regB = 0x02): Mc146818 {
  const rtc = new Mc146818();
  rtc.setDate(date(text), 0, 0);
  rtc.write(0x0b, regB, 0);
  return rtc;
}
const shown = (rtc: Mc146818, tick: number) => CLOCK.map((register) => rtc.read(register, tick).toString(16).padStart(2, "0")).join(" ");

describe("time", () => {
  test("is BCD and 24 hours, and goes over midnight", () => {
    const rtc = part();
    expect(shown(rtc, 0)).toBe("20 26 11 21 23 59 58");
    expect(shown(rtc, 2 * S - 1)).toBe("20 26 11 21 23 59 59");
    expect(shown(rtc, 2 * S)).toBe("20 26 11 22 00 00 00");
  });

  test("is binary when DM is set", () => {
    expect(shown(part("2026-11-21T23:59:58Z", 0x06), 0)).toBe("14 1a 0b 15 17 3b 3a");
  });

  test("has a p.m. bit in 12-hour form, and 12 for midnight and noon", () => {
    const hour = (text: string) => part(text, 0x00).read(4, 0);
    expect(["00", "01", "11", "12", "13", "23"].map((h) => hour(`2026-11-21T${h}:00:00Z`))).toEqual([0x12, 0x01, 0x11, 0x92, 0x81, 0x91]);
  });

  test("knows leap years and weekdays", () => {
    const rtc = part("2028-02-28T23:59:59Z");
    expect(rtc.read(6, 0)).toBe(2);
    expect(shown(rtc, S)).toBe("20 28 02 29 00 00 00");
    expect(rtc.read(6, S)).toBe(3);
  });

  for (const regB of [0x00, 0x02, 0x04, 0x06]) {
    test(`set by a guest as register B = ${regB} has it, it is shown again`, () => {
      const source = part("1999-12-31T12:34:56Z", regB);
      const rtc = part("2026-01-01T00:00:00Z", regB);
      rtc.write(0x0b, regB | 0x80, 100);
      for (const register of [...CLOCK, 6]) rtc.write(register, source.read(register, 0), 100);
      rtc.write(0x0b, regB, 200);
      expect(shown(rtc, 200)).toBe(shown(source, 0));
      expect(shown(rtc, S)).toBe(shown(source, S));
      expect(rtc.read(6, 200)).toBe(source.read(6, 0));
    });
  }

  test("stands while SET is on", () => {
    const rtc = part();
    rtc.write(0x0b, 0x82, S);
    expect(shown(rtc, 100 * S)).toBe("20 26 11 21 23 59 59");
    expect(rtc.read(0x0a, 101 * S - 1) & 0x80).toBe(0);
  });

  test("one register may be written while the clock runs", () => {
    const rtc = part();
    rtc.write(4, 0x05, 100);
    expect(shown(rtc, S)).toBe("20 26 11 21 05 59 59");
  });

  test("the first update comes half a second after the divider starts", () => {
    const rtc = part();
    rtc.write(0x0a, 0x76, 10);
    expect(shown(rtc, 50 * S)).toBe("20 26 11 21 23 59 58");
    rtc.write(0x0a, 0x26, 60 * S);
    expect(shown(rtc, 60 * S + S / 2 - 1)).toBe("20 26 11 21 23 59 58");
    expect(shown(rtc, 60 * S + S / 2)).toBe("20 26 11 21 23 59 59");
  });

  test("UIP is on for 244 µs before each update", () => {
    const rtc = part();
    expect([S - 9, S - 8, S - 1, S].map((tick) => rtc.read(0x0a, tick) & 0x80)).toEqual([0, 0x80, 0x80, 0]);
  });
});

describe("interrupts", () => {
  test("the periodic rates are the datasheet's", () => {
    const rtc = part();
    const rate = (select: number) => {
      rtc.write(0x0b, 0x42, 0);
      rtc.write(0x0a, 0x20 | select, 0);
      const next = rtc.nextInterrupt(0);
      return next < 0 ? 0 : S / next;
    };
    expect([...Array(16).keys()].map(rate)).toEqual([0, 256, 128, 8192, 4096, 2048, 1024, 512, 256, 128, 64, 32, 16, 8, 4, 2]);
  });

  test("a periodic interrupt is signalled until register C is read", () => {
    const rtc = part();
    rtc.write(0x0b, 0x42, 0);
    expect(rtc.nextInterrupt(5)).toBe(32);
    expect(rtc.nextInterrupt(32)).toBe(-1);
    expect(rtc.interrupt).toBe(true);
    expect(rtc.read(0x0c, 32)).toBe(0xc0);
    expect(rtc.interrupt).toBe(false);
    expect(rtc.nextInterrupt(32)).toBe(64);
  });

  test("flags are set without their enables, for those who poll", () => {
    const rtc = part();
    expect(rtc.read(0x0c, 10)).toBe(0);
    expect(rtc.read(0x0c, 2 * S)).toBe(0x50 | 0x20); // the alarm registers read 00:00:00
    expect(rtc.interrupt).toBe(false);
  });

  test("the update interrupt comes once a second", () => {
    const rtc = part();
    rtc.write(0x0b, 0x12, 0);
    expect(rtc.nextInterrupt(100)).toBe(S);
    rtc.nextInterrupt(S);
    expect(rtc.read(0x0c, S) & 0x90).toBe(0x90);
    expect(rtc.nextInterrupt(S)).toBe(2 * S);
  });

  test("the alarm matches hours, minutes and seconds, each of which may be a don't-care", () => {
    const rtc = part("2026-11-21T10:00:00Z");
    rtc.write(0x0b, 0x22, 0);
    const set = (h: number, m: number, s: number) => {
      rtc.write(5, h, 0);
      rtc.write(3, m, 0);
      rtc.write(1, s, 0);
      const next = rtc.nextInterrupt(0);
      return next < 0 ? -1 : next / S;
    };
    expect(set(0x10, 0x00, 0x05)).toBe(5);
    expect(set(0x09, 0x30, 0x00)).toBe(23.5 * 3600);
    expect(set(0xff, 0x15, 0x00)).toBe(900);
    expect(set(0xff, 0xff, 0x30)).toBe(30);
    expect(set(0xc0, 0xc0, 0xc0)).toBe(1);
    expect(set(0x10, 0x00, 0x00)).toBe(86_400);
    expect(set(0x77, 0x00, 0x00)).toBe(-1);
  });

  test("RESET disables interrupts and keeps the time", () => {
    const rtc = part();
    rtc.write(0x0b, 0x72, 0);
    rtc.nextInterrupt(S);
    rtc.reset();
    expect(rtc.interrupt).toBe(false);
    expect(rtc.read(0x0b, S)).toBe(0x02);
    expect(shown(rtc, S)).toBe("20 26 11 21 23 59 59");
  });
});

test("CMOS memory keeps what is written; registers C and D do not", () => {
  const rtc = part();
  rtc.write(0x7f, 0x5a, 0);
  rtc.write(0x0d, 0x00, 0);
  expect(rtc.read(0x7f, 0)).toBe(0x5a);
  expect(rtc.read(0x0d, 0)).toBe(0x80);
});

stateTrio(
  () => new Mc146818(),
  (rtc) => {
    rtc.setDate(date("2026-11-21T10:00:00Z"), 100, 1000);
    rtc.write(0x0b, 0x42, 2000);
    rtc.write(5, 0x11, 2000);
    rtc.nextInterrupt(3000);
  },
  {
    "a CMOS byte": (rtc) => rtc.write(0x40, 1, 3000),
    "an alarm byte": (rtc) => rtc.write(1, 1, 3000),
    "the rate": (rtc) => rtc.write(0x0a, 0x27, 3000),
    "an enable": (rtc) => rtc.write(0x0b, 0x12, 3000),
    "flags read": (rtc) => void rtc.read(0x0c, 3000),
    "the time set": (rtc) => rtc.write(9, 0x30, 3000),
    "the weekday set": (rtc) => rtc.write(6, 3, 3000),
  },
);
