import { describe, expect, test } from "vitest";
import { stateTrio } from "../../test/state-trio.js";
import { I8259 } from "./i8259.js";

/** A chip as a PC's firmware leaves it: vectors from 0x20, alone, `icw4` as given. */
function chip(icw4 = 0x01): I8259 {
  const pic = new I8259();
  pic.write(0, 0x13);
  pic.write(1, 0x20);
  pic.write(1, icw4);
  return pic;
}

const eoi = (pic: I8259) => pic.write(0, 0x20);
function pulse(pic: I8259, n: number): void {
  pic.setLine(n, false);
  pic.setLine(n, true);
}

describe("requests", () => {
  test("a rise is latched once: after acknowledge and EOI a wire that stays high does not ask again", () => {
    const pic = chip();
    pic.setLine(3, true);
    expect(pic.interrupt).toBe(true);
    expect(pic.acknowledge()).toBe(0x23);
    eoi(pic);
    expect(pic.interrupt).toBe(false);
    pulse(pic, 3);
    expect(pic.interrupt).toBe(true);
  });

  test("a level-triggered wire asks for as long as it is high", () => {
    const pic = chip();
    pic.levelTriggered = 1 << 5;
    pic.setLine(5, true);
    expect(pic.acknowledge()).toBe(0x25);
    expect(pic.interrupt).toBe(false);
    eoi(pic);
    expect(pic.interrupt).toBe(true);
    pic.setLine(5, false);
    expect(pic.interrupt).toBe(false);
  });

  test("an edge whose wire falls before the acknowledge gives IR7's vector and serves nothing", () => {
    const pic = chip();
    pic.setLine(2, true);
    pic.setLine(2, false);
    expect(pic.interrupt).toBe(false);
    expect(pic.acknowledge()).toBe(0x27);
    pic.write(0, 0x0b);
    expect(pic.read(0)).toBe(0);
  });

  test("masked requests stay in IRR and ask when unmasked", () => {
    const pic = chip();
    pic.write(1, 0xff);
    pic.setLine(1, true);
    expect(pic.interrupt).toBe(false);
    expect(pic.read(0)).toBe(0x02);
    expect(pic.read(1)).toBe(0xff);
    pic.write(1, 0xfd);
    expect(pic.interrupt).toBe(true);
  });

  test("initialisation forgets latched edges: the wire must rise again", () => {
    const pic = chip();
    pic.setLine(0, true);
    pic.write(0, 0x13);
    pic.write(1, 0x30);
    pic.write(1, 0x01);
    expect(pic.interrupt).toBe(false);
    pulse(pic, 0);
    expect(pic.acknowledge()).toBe(0x30);
  });
});

describe("priorities", () => {
  test("fully nested: a more urgent request interrupts, a less urgent one waits for EOI", () => {
    const pic = chip();
    pic.setLine(4, true);
    pic.acknowledge();
    pic.setLine(6, true);
    expect(pic.interrupt).toBe(false);
    pic.setLine(1, true);
    expect(pic.acknowledge()).toBe(0x21);
    eoi(pic);
    eoi(pic);
    expect(pic.acknowledge()).toBe(0x26);
  });

  test("a specific EOI ends the level it names", () => {
    const pic = chip();
    pic.setLine(4, true);
    pic.acknowledge();
    pic.setLine(1, true);
    pic.acknowledge();
    pic.write(0, 0x60 | 4);
    pic.write(0, 0x0b);
    expect(pic.read(0)).toBe(1 << 1);
  });

  test("rotate on non-specific EOI puts the level just served last", () => {
    const pic = chip();
    pic.setLine(0, true);
    pic.acknowledge();
    pic.write(0, 0xa0);
    pulse(pic, 0);
    pic.setLine(1, true);
    expect(pic.acknowledge()).toBe(0x21);
  });

  test("rotate on specific EOI and set priority name the lowest level", () => {
    const pic = chip();
    for (const n of [0, 3, 5]) pic.setLine(n, true);
    pic.write(0, 0xc0 | 3); // set priority: 4 is now the highest
    expect(pic.acknowledge()).toBe(0x25);
    pic.write(0, 0xe0 | 5); // ends 5 and puts it last: 6, 7, 0, …
    expect(pic.acknowledge()).toBe(0x20);
  });

  test("special mask mode lets lower levels in while a masked one is in service", () => {
    const pic = chip();
    pic.setLine(2, true);
    pic.acknowledge();
    pic.setLine(5, true);
    pic.write(1, 1 << 2);
    expect(pic.interrupt).toBe(false);
    pic.write(0, 0x68);
    expect(pic.acknowledge()).toBe(0x25);
    eoi(pic);
    pic.write(0, 0x0b);
    expect(pic.read(0)).toBe(1 << 2); // the non-specific EOI did not see the masked level
    pic.write(0, 0x48);
    pulse(pic, 5);
    expect(pic.interrupt).toBe(false);
  });
});

describe("modes", () => {
  test("automatic EOI leaves nothing in service, and rotates when told to", () => {
    const pic = chip(0x03);
    pic.write(0, 0x80);
    pic.setLine(0, true);
    pic.setLine(1, true);
    expect(pic.acknowledge()).toBe(0x20);
    pic.write(0, 0x0b);
    expect(pic.read(0)).toBe(0);
    pulse(pic, 0);
    expect(pic.acknowledge()).toBe(0x21);
    expect(pic.acknowledge()).toBe(0x20);
    pic.write(0, 0x00);
    pulse(pic, 0);
    pulse(pic, 1);
    pic.write(0, 0xc7);
    expect(pic.acknowledge()).toBe(0x20);
    pulse(pic, 0);
    expect(pic.acknowledge()).toBe(0x20);
  });

  test("the poll command makes the next read an acknowledge", () => {
    const pic = chip();
    pic.setLine(6, true);
    pic.write(0, 0x0c);
    expect(pic.read(0)).toBe(0x86);
    pic.write(0, 0x0b);
    expect(pic.read(0)).toBe(1 << 6);
    pic.write(0, 0x0c);
    expect(pic.read(0) & 0x80).toBe(0);
  });

  test("special fully nested mode lets a slave interrupt itself, not a lower level", () => {
    const pic = new I8259();
    pic.write(0, 0x11);
    pic.write(1, 0x20);
    pic.write(1, 0x04);
    pic.write(1, 0x11);
    pic.setLine(2, true);
    expect(pic.acknowledge()).toBe(0x22);
    pic.setLine(3, true);
    expect(pic.interrupt).toBe(false);
    pulse(pic, 2);
    expect(pic.acknowledge()).toBe(0x22);
  });

  test("without ICW4 the chip takes two initialisation words and keeps normal EOI", () => {
    const pic = new I8259();
    pic.write(0, 0x12);
    pic.write(1, 0x40);
    pic.write(1, 0xa5);
    expect(pic.read(1)).toBe(0xa5);
  });
});

stateTrio(
  () => new I8259(),
  (pic) => {
    pic.levelTriggered = 0x20;
    pic.write(0, 0x11);
    pic.write(1, 0x20);
    pic.write(1, 0x04);
    pic.write(1, 0x01);
    pic.setLine(3, true);
    pic.acknowledge();
    pic.setLine(1, true);
  },
  {
    "a wire": (pic) => pic.setLine(7, true),
    "a mask": (pic) => pic.write(1, 0x55),
    "an acknowledge": (pic) => pic.acknowledge(),
    "an EOI": eoi,
    "a rotation": (pic) => pic.write(0, 0xc4),
    "special mask mode": (pic) => pic.write(0, 0x68),
    "the register chosen for reading": (pic) => pic.write(0, 0x0b),
    "a poll command": (pic) => pic.write(0, 0x0c),
    "an initialisation begun": (pic) => pic.write(0, 0x11),
    "trigger modes": (pic) => {
      pic.levelTriggered = 0;
    },
    "rotation on automatic EOI": (pic) => pic.write(0, 0x80),
  },
);
