import { describe, expect, test } from "vitest";
import { stateTrio } from "../../test/state-trio.js";
import { Uart16550 } from "./uart16550.js";

/** A UART with FIFOs on, triggers at 8 bytes, interrupts as given. */
function uart(ier = 0, fcr = 0x87): Uart16550 {
  const part = new Uart16550();
  part.write(2, fcr);
  part.write(1, ier);
  return part;
}
const type = (part: Uart16550, text: string) => [...text].map((c) => part.receive(c.charCodeAt(0)));

describe("receiver", () => {
  test("bytes come out in order, and DR falls with the last", () => {
    const part = uart();
    type(part, "ab");
    expect(part.read(5) & 1).toBe(1);
    expect([part.read(0), part.read(0)]).toEqual([0x61, 0x62]);
    expect(part.read(5) & 1).toBe(0);
    expect(part.read(0)).toBe(0);
  });

  test("takes 16 bytes with FIFOs, one without, and refuses the next", () => {
    expect(type(uart(), "0123456789abcdefX").indexOf(false)).toBe(16);
    expect(type(new Uart16550(), "ab")).toEqual([true, false]);
  });

  test("data below the trigger level is a time-out, at the level it is data", () => {
    const part = uart(0x01);
    type(part, "1234567");
    expect(part.read(2)).toBe(0xcc);
    type(part, "8");
    expect(part.read(2)).toBe(0xc4);
    part.read(0);
    expect(part.interrupt).toBe(true);
    for (let i = 0; i < 7; i++) part.read(0);
    expect(part.interrupt).toBe(false);
    expect(part.read(2)).toBe(0xc1);
  });

  test("FCR clears it, and so does switching the FIFOs", () => {
    const part = uart();
    type(part, "abc");
    part.write(2, 0x03);
    expect(part.read(5) & 1).toBe(0);
    type(part, "abc");
    part.write(2, 0x00);
    expect(part.read(5) & 1).toBe(0);
    expect(part.read(2) & 0xc0).toBe(0);
  });
});

describe("transmitter", () => {
  test("reading IIR clears a pending THRE, not LSR.THRE", () => {
    const part = uart(0x02);
    expect(part.interrupt).toBe(true);
    expect(part.read(2)).toBe(0xc2);
    expect(part.interrupt).toBe(false);
    expect(part.read(5) & 0x60).toBe(0x60);
  });

  test("THRE is off while bytes wait and interrupts when they are gone", () => {
    const part = uart(0x02);
    part.read(2);
    part.write(0, 0x41);
    part.write(0, 0x42);
    expect(part.read(5) & 0x60).toBe(0);
    expect(part.interrupt).toBe(false);
    expect([...part.transmit()]).toEqual([0x41, 0x42]);
    expect(part.interrupt).toBe(true);
    expect(part.read(5) & 0x60).toBe(0x60);
  });

  test("a seventeenth byte is lost", () => {
    const part = uart();
    for (let i = 0; i < 20; i++) part.write(0, i);
    expect(part.transmit().length).toBe(16);
  });

  test("enabling the interrupt raises it only when THR is empty", () => {
    const part = uart();
    part.write(0, 1);
    part.write(1, 2);
    expect(part.interrupt).toBe(false);
    part.transmit();
    expect(part.interrupt).toBe(true);
    part.write(0, 2);
    expect(part.interrupt).toBe(false);
  });
});

describe("registers", () => {
  test("the divisor lies over data and IER while DLAB is on", () => {
    const part = uart(0x0f);
    part.write(3, 0x83);
    part.write(0, 0x0c);
    part.write(1, 0x01);
    expect([part.read(0), part.read(1)]).toEqual([0x0c, 0x01]);
    expect(part.transmitPending).toBe(0);
    part.write(3, 0x03);
    expect(part.read(1)).toBe(0x0f);
  });

  test("what a probing driver looks for: scratch, IER's and MCR's width, FIFO bits", () => {
    const part = uart();
    part.write(7, 0xa5);
    part.write(1, 0xff);
    part.write(4, 0xff);
    expect([part.read(7), part.read(1), part.read(4), part.read(2) & 0xc0]).toEqual([0xa5, 0x0f, 0x1f, 0xc0]);
  });

  test("loop mode joins outputs to modem inputs and transmitter to receiver", () => {
    const part = uart();
    part.write(4, 0x1a);
    expect(part.read(6) & 0xf0).toBe(0x90);
    part.write(0, 0x5a);
    expect(part.transmitPending).toBe(0);
    expect(part.read(0)).toBe(0x5a);
    expect(part.receive(1)).toBe(false);
  });

  test("loop mode overruns when the receiver is full", () => {
    const part = uart(0x04);
    part.write(4, 0x10);
    for (let i = 0; i < 17; i++) part.write(0, i);
    expect(part.read(2)).toBe(0xc6);
    expect(part.read(5) & 0x02).toBe(0x02);
    expect(part.read(5) & 0x02).toBe(0);
    expect(part.interrupt).toBe(false);
  });

  test("a change of a modem input interrupts until MSR is read; RI counts at its end", () => {
    const part = uart(0x08);
    part.setModemInputs(0xf0);
    expect(part.interrupt).toBe(false);
    part.setModemInputs(0x30);
    expect(part.read(2)).toBe(0xc0);
    expect(part.read(6)).toBe(0x3c);
    expect(part.read(6)).toBe(0x30);
    expect(part.interrupt).toBe(false);
  });

  test("a line error comes before data, data before THRE, THRE before modem", () => {
    const part = uart(0x0f);
    part.setModemInputs(0);
    type(part, "a");
    part.write(4, 0x10);
    part.write(3, 0x40);
    const ids: number[] = [];
    ids.push(part.read(2));
    part.read(5);
    ids.push(part.read(2));
    part.read(0);
    ids.push(part.read(2));
    ids.push(part.read(2));
    expect(ids).toEqual([0xc6, 0xcc, 0xc2, 0xc0]);
  });
});

stateTrio(
  () => new Uart16550(),
  (part) => {
    part.write(2, 0x87);
    part.write(1, 0x0f);
    part.write(0, 0x55);
    type(part, "xy");
    part.setModemInputs(0x30);
  },
  {
    "a byte received": (part) => void part.receive(1),
    "a byte read": (part) => void part.read(0),
    "a byte sent": (part) => part.write(0, 1),
    "bytes taken": (part) => void part.transmit(),
    IER: (part) => part.write(1, 0),
    "FIFO control": (part) => part.write(2, 0x47),
    LCR: (part) => part.write(3, 3),
    "the divisor": (part) => {
      part.write(3, 0x80);
      part.write(0, 0x0c);
      part.write(3, 0);
    },
    MCR: (part) => part.write(4, 3),
    scratch: (part) => part.write(7, 1),
    "modem inputs": (part) => part.setModemInputs(0xf0),
    "deltas read": (part) => void part.read(6),
  },
);
