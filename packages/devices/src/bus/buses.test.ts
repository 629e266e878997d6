import type { AccessSize, MmioDevice, PioDevice } from "@paravane/paravirt-ops";
import { describe, expect, test } from "vitest";
import { createMmioBus } from "./mmio-bus.js";
import { createPioBus } from "./pio-bus.js";

/** A device that answers with its offset in each byte and writes down what it is asked. */
function recorder(name: string): PioDevice & MmioDevice & { log: string[] } {
  const log: string[] = [];
  const read = (offset: number, size: AccessSize) => {
    log.push(`r${size}@${offset}`);
    return size === 1 ? offset : 0xaabbccdd;
  };
  const write = (offset: number, size: AccessSize, value: number) => void log.push(`w${size}@${offset}=${value.toString(16)}`);
  return { name, log, pioRead: read, pioWrite: write, mmioRead: read, mmioWrite: write };
}

describe("port-I/O bus", () => {
  test("an access reaches its device with an offset, and the answer is cut to its width", () => {
    const bus = createPioBus();
    const device = recorder("a");
    bus.attach(0x3f8, 8, device);
    expect(bus.read(0x3fa, 1)).toBe(2);
    expect(bus.read(0x3fa, 2)).toBe(0xccdd);
    expect(bus.read(0x3f8, 4)).toBe(0xaabbccdd);
    bus.write(0x3f8, 1, 0x1ff);
    expect(device.log).toEqual(["r1@2", "r2@2", "r4@0", "w1@0=ff"]);
  });

  test("ports nobody attached float, and the tap hears of it", () => {
    const heard: string[] = [];
    const bus = createPioBus({
      unclaimedRead: (port, size) => heard.push(`r${size}@${port}`),
      unclaimedWrite: (port, size, value) => heard.push(`w${size}@${port}=${value}`),
    });
    expect([bus.read(0x80, 1), bus.read(0x80, 2), bus.read(0x80, 4)]).toEqual([0xff, 0xffff, 0xffffffff]);
    bus.write(0x80, 2, 0x12345);
    expect(heard).toEqual(["r1@128", "r2@128", "r4@128", `w2@128=${0x2345}`]);
  });

  test("an access wider than its device's range is split, and the bytes outside float", () => {
    const bus = createPioBus();
    const device = recorder("a");
    bus.attach(0x60, 1, device);
    expect(bus.read(0x60, 4)).toBe(0xffffff00);
    expect(bus.read(0x5f, 2)).toBe(0x00ff);
    bus.write(0x5f, 2, 0x1234);
    expect(device.log).toEqual(["r1@0", "r1@0", "w1@0=12"]);
  });

  test("a wide access at the last port wraps to the first", () => {
    const bus = createPioBus();
    bus.attach(0, 1, recorder("zero"));
    expect(bus.read(0xffff, 2)).toBe(0x00ff);
  });

  test("two devices cannot have one port; a detached range is free again", () => {
    const bus = createPioBus();
    bus.attach(0x20, 2, recorder("a"));
    expect(() => bus.attach(0x21, 1, recorder("b"))).toThrowError(expect.objectContaining({ code: "bus/overlap" }));
    bus.detach(0x20);
    bus.attach(0x21, 1, recorder("b"));
    expect(bus.read(0x20, 1)).toBe(0xff);
    expect(() => bus.attach(0xffff, 2, recorder("c"))).toThrowError(expect.objectContaining({ code: "bus/bad-range" }));
  });

  test("attaching and detaching for ever takes no room", () => {
    const bus = createPioBus();
    for (let round = 0; round < 70_000; round++) {
      bus.attach(0x20, 1, recorder("a"));
      bus.detach(0x20);
    }
    bus.attach(0x20, 1, recorder("a"));
    expect(bus.read(0x20, 1)).toBe(0);
  });
});

describe("memory-mapped I/O bus", () => {
  test("each window is found, the last one hit too, and gaps float", () => {
    const bus = createMmioBus();
    const [a, b, c] = [recorder("a"), recorder("b"), recorder("c")];
    bus.attach(0xfee00000, 0x1000, c);
    bus.attach(0xa0000, 0x20000, a);
    bus.attach(0xfec00000, 0x1000, b);
    expect(bus.read(0xfec00010, 1)).toBe(0x10);
    expect(bus.read(0xfec00020, 4)).toBe(0xaabbccdd);
    expect(bus.read(0xbffff, 1)).toBe(0xff);
    expect(bus.read(0xfee00ffe, 1)).toBe(0xfe);
    expect(bus.read(0xc0000, 4)).toBe(0xffffffff);
    expect(bus.read(0xfee01000, 2)).toBe(0xffff);
    expect(a.log.length + b.log.length + c.log.length).toBe(4);
  });

  test("an access across the end of a window is split into bytes", () => {
    const bus = createMmioBus();
    const [a, b] = [recorder("a"), recorder("b")];
    bus.attach(0x1000, 4, a);
    bus.attach(0x1004, 4, b);
    expect(bus.read(0x1002, 4)).toBe(0x01000302);
    bus.write(0x1006, 4, 0x44332211);
    expect(b.log).toEqual(["r1@0", "r1@1", "w1@2=11", "w1@3=22"]);
  });

  test("windows cannot overlap; a detached one floats", () => {
    const bus = createMmioBus();
    bus.attach(0x1000, 0x1000, recorder("a"));
    expect(bus.read(0x1000, 1)).toBe(0);
    expect(() => bus.attach(0x1fff, 2, recorder("b"))).toThrowError(expect.objectContaining({ code: "bus/overlap" }));
    bus.detach(0x1000);
    expect(bus.read(0x1000, 1)).toBe(0xff);
  });
});
