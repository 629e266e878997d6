import { describe, expect, it } from "vitest";
import { ManualClock } from "../../test/fakes.js";
import { stateTrio } from "../../test/state-trio.js";
import { createMmioBus, createPioBus } from "../bus/index.js";
import { cp437 } from "./cp437.js";
import { Vga, attachVga } from "./index.js";

function build() {
  const clock = new ManualClock();
  const vga = new Vga(clock);
  const pio = createPioBus();
  const mmio = createMmioBus();
  attachVga(pio, mmio, vga);
  const print = (row: number, column: number, text: string) => {
    for (let i = 0; i < text.length; i++) mmio.write(0xb8000 + 2 * (80 * row + column + i), 2, 0x1f00 | text.charCodeAt(i));
  };
  const crtc = (index: number, value: number) => pio.write(0x3d4, 2, index | (value << 8));
  return { clock, vga, pio, mmio, print, crtc };
}

describe("a VGA in text mode", () => {
  it("comes up blank, 80 by 25, with the cursor in the corner", () => {
    const { vga } = build();
    expect([vga.columns, vga.rows, vga.cursor]).toEqual([80, 25, { row: 0, column: 0 }]);
    expect(vga.text()).toEqual(new Array(25).fill(""));
  });
  it("shows what is stored at 0xb8000, by any width", () => {
    const { vga, mmio, print } = build();
    print(3, 10, "PARAVANE");
    mmio.write(0xb8000, 4, 0x07420741);
    mmio.write(0xb8000 + 2 * (24 * 80 + 79), 1, 0xdb);
    expect(vga.text()[3]).toBe(`${" ".repeat(10)}PARAVANE`);
    expect(vga.text()[0]).toBe("AB");
    expect(vga.cell(24, 79)).toEqual({ character: "█", attribute: 7 });
    expect(vga.cell(3, 10)).toEqual({ character: "P", attribute: 0x1f });
    expect(mmio.read(0xb8000, 4)).toBe(0x07420741);
  });
  it("scrolls by its start address, moving the cursor along, and wraps in its 32 KiB", () => {
    const { vga, print, crtc } = build();
    print(1, 0, "second");
    crtc(0x0e, 0);
    crtc(0x0f, 85);
    crtc(0x0c, 0);
    crtc(0x0d, 80);
    expect([vga.text()[0], vga.cursor]).toEqual(["second", { row: 0, column: 5 }]);
    crtc(0x0c, 0x40);
    crtc(0x0d, 80);
    expect([vga.text()[0], vga.cursor]).toEqual(["second", undefined]);
  });
  it("hides the cursor when told to", () => {
    const { vga, crtc } = build();
    crtc(0x0a, 0x2d);
    expect(vga.cursor).toBeUndefined();
    crtc(0x0a, 0x0f);
    crtc(0x0b, 0x0e);
    expect(vga.cursor).toBeUndefined();
  });
  it("has memory at 0xa0000 and 0xb0000 too, as probes for other adapters find", () => {
    const { mmio } = build();
    mmio.write(0xa0000, 1, 0xaa);
    mmio.write(0xb0000, 2, 0x1234);
    expect([mmio.read(0xa0000, 1), mmio.read(0xb0000, 2), mmio.read(0xb8000, 1)]).toEqual([0xaa, 0x1234, 0x20]);
  });
  it("tells viewers that something changed", () => {
    const { vga, print, crtc } = build();
    const before = vga.revision;
    print(0, 0, "x");
    const after = vga.revision;
    crtc(0x0f, 1);
    expect([after > before, vga.revision > after]).toEqual([true, true]);
  });
});

describe("VGA registers", () => {
  it("are reached by index and read back; registers that are not there take nothing", () => {
    const { pio } = build();
    for (const [index, data, register] of [
      [0x3c4, 0x3c5, 2],
      [0x3ce, 0x3cf, 8],
      [0x3d4, 0x3d5, 0x0f],
    ] as const) {
      pio.write(index, 1, register);
      pio.write(data, 1, 0x5a);
      expect([pio.read(index, 1), pio.read(data, 1)]).toEqual([register, 0x5a]);
    }
    pio.write(0x3d4, 2, 0x5a3f);
    expect(pio.read(0x3d5, 1)).toBe(0);
  });
  it("keeps CRTC timing write-protected until that is lifted", () => {
    const { crtc, pio, vga } = build();
    const read = (index: number) => {
      pio.write(0x3d4, 1, index);
      return pio.read(0x3d5, 1);
    };
    crtc(1, 39);
    crtc(7, 0);
    expect([vga.columns, read(7)]).toEqual([80, 0x0f]);
    crtc(0x11, 0x0e);
    crtc(1, 39);
    expect(vga.columns).toBe(40);
  });
  it("alternates index and data at the attribute port; reading the status starts over", () => {
    const { pio } = build();
    pio.read(0x3da, 1);
    pio.write(0x3c0, 1, 0x11);
    pio.read(0x3da, 1);
    pio.write(0x3c0, 1, 0x11);
    pio.write(0x3c0, 1, 0x2a);
    pio.write(0x3c0, 1, 0x31);
    expect([pio.read(0x3c0, 1), pio.read(0x3c1, 1)]).toEqual([0x31, 0x2a]);
  });
  it("moves its CRTC to 0x3bx in monochrome", () => {
    const { pio } = build();
    expect([pio.read(0x3b4, 1), pio.read(0x3d4, 1), pio.read(0x3cc, 1)]).toEqual([0xff, 0, 0x67]);
    pio.write(0x3c2, 1, 0x66);
    pio.write(0x3b4, 2, 0x120f);
    expect([pio.read(0x3b5, 1), pio.read(0x3d5, 1), pio.read(0x3da, 1)]).toEqual([0x12, 0xff, 0xff]);
  });
  it("writes and reads the palette, three components a colour", () => {
    const { pio } = build();
    pio.write(0x3c8, 1, 0xff);
    for (const value of [1, 2, 0xff, 7, 8, 9]) pio.write(0x3c9, 1, value);
    pio.write(0x3c7, 1, 0xff);
    expect(pio.read(0x3c7, 1)).toBe(3);
    expect(Array.from({ length: 6 }, () => pio.read(0x3c9, 1))).toEqual([1, 2, 0x3f, 7, 8, 9]);
    pio.write(0x3c7, 1, 0x3e);
    expect(Array.from({ length: 3 }, () => pio.read(0x3c9, 1))).toEqual([0x3f, 0x3f, 0x15]);
  });
  it("shows retrace 70 times a second of guest time, and blanking in each line", () => {
    const { clock, pio } = build();
    let frames = 0;
    let lines = 0;
    let last = 0;
    for (let us = 0; us < 200_000; us += 5) {
      const status = pio.read(0x3da, 1);
      if ((status & ~last & 8) !== 0) frames++;
      if ((status & ~last & 1) !== 0) lines++;
      last = status;
      clock.advance(5000);
    }
    expect(frames).toBe(14);
    expect(lines).toBeGreaterThan(5_580);
    expect(lines).toBeLessThan(5_640);
  });
});

describe("the font", () => {
  it("has 256 characters at their places", () => {
    expect(cp437).toHaveLength(256);
    expect([
      cp437[0],
      cp437[1],
      cp437[0x1f],
      cp437[0x41],
      cp437[0x7f],
      cp437[0x80],
      cp437[0xb3],
      cp437[0xc4],
      cp437[0xdb],
      cp437[0xe1],
      cp437[0xfe],
    ]).toEqual([" ", "☺", "▼", "A", "⌂", "Ç", "│", "─", "█", "ß", "■"]);
  });
});

describe("VGA", () => {
  stateTrio(
    () => new Vga(new ManualClock()),
    (vga) => {
      for (let port = 0x3c0; port < 0x3db; port++) vga.writePort(port, port & 0x3f);
      vga.writePort(0x3c2, 0x65);
      vga.writePort(0x3c0, 5);
      vga.writePort(0x3c0, 6);
      vga.writeMemory(0x1_8000, 0x41);
    },
    {
      "a byte in memory": (vga) => vga.writeMemory(0, 1),
      "the attribute flip-flop": (vga) => vga.readPort(0x3da),
      "a palette component": (vga) => vga.writePort(0x3c9, 5),
      "a palette read": (vga) => vga.readPort(0x3c9),
      "the mask": (vga) => vga.writePort(0x3c6, 0),
      "the misc register": (vga) => vga.writePort(0x3c2, 0),
      "the cursor": (vga) => {
        vga.writePort(0x3d4, 0x0f);
        vga.writePort(0x3d5, 0x77);
      },
    },
  );
});
