import type { ByteStream } from "@paravane/paravirt-ops";
import { expect, test } from "vitest";
import { ProbeLine } from "../../test/fakes.js";
import { createPioBus } from "../bus/pio-bus.js";
import { attachIsaUart } from "./isa-uart.js";
import { Uart16550 } from "./uart16550.js";

/** A host with a queue to the guest, that can be told to ask for patience. */
class Host implements ByteStream {
  written = "";
  busy = false;
  queue: number[] = [];
  #drain = () => {};
  #data: (bytes: Uint8Array) => number = () => 0;
  write(bytes: Uint8Array): boolean {
    this.written += String.fromCharCode(...bytes);
    return !this.busy;
  }
  onDrain(listener: () => void): void {
    this.#drain = listener;
  }
  onData(listener: (bytes: Uint8Array) => number): void {
    this.#data = listener;
  }
  ready(): void {
    this.offer();
  }
  offer(text = ""): void {
    this.queue.push(...[...text].map((c) => c.charCodeAt(0)));
    this.queue.splice(0, this.#data(Uint8Array.from(this.queue)));
  }
  drain(): void {
    this.busy = false;
    this.#drain();
  }
}

function board() {
  const host = new Host();
  const irq = new ProbeLine();
  const uart = new Uart16550();
  const bus = createPioBus();
  attachIsaUart(bus, irq, 0x3f8, uart, host);
  bus.write(0x3fa, 1, 0x01);
  bus.write(0x3fc, 1, 0x08);
  const send = (text: string) => {
    for (const c of text) bus.write(0x3f8, 1, c.charCodeAt(0));
  };
  return { host, irq, uart, bus, send };
}

test("what the guest writes reaches the host at once", () => {
  const { host, bus, send } = board();
  send("hello");
  expect(host.written).toBe("hello");
  expect(bus.read(0x3fd, 1) & 0x60).toBe(0x60);
});

test("a host that asks for patience gets no more than it took, and the guest sees a full transmitter", () => {
  const { host, irq, bus, send } = board();
  bus.write(0x3f9, 1, 0x02);
  bus.read(0x3fa, 1);
  host.busy = true;
  send("a");
  expect(bus.read(0x3fa, 1) & 0x0f).toBe(0x02);
  send("bc");
  expect(host.written).toBe("a");
  expect(bus.read(0x3fd, 1) & 0x20).toBe(0);
  expect(irq.level).toBe(false);
  host.drain();
  expect(host.written).toBe("abc");
  expect(irq.level).toBe(true);
});

test("a long paste arrives whole, sixteen bytes at a time", () => {
  const { host, bus, irq } = board();
  bus.write(0x3f9, 1, 0x01);
  const text = "The quick brown fox jumps over the lazy dog. ".repeat(20);
  host.offer(text);
  let read = "";
  while (irq.level) read += String.fromCharCode(bus.read(0x3f8, 1));
  expect(read).toBe(text);
  expect(host.queue).toEqual([]);
});

test("no interrupt leaves the card unless OUT2 is on", () => {
  const { host, irq, bus } = board();
  bus.write(0x3f9, 1, 0x01);
  bus.write(0x3fc, 1, 0x00);
  host.offer("x");
  expect(irq.level).toBe(false);
  bus.write(0x3fc, 1, 0x08);
  expect(irq.level).toBe(true);
});

test("a guest that writes without looking cannot make anything grow", () => {
  const { host, uart, send } = board();
  host.busy = true;
  for (let i = 0; i < 1000; i++) send("0123456789");
  expect(uart.transmitPending).toBe(16);
  expect(host.written).toBe("0");
});
