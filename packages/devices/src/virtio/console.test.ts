import type { ByteStream } from "@paravane/paravirt-ops";
import { describe, expect, it } from "vitest";
import { virtioMachine } from "../../test/virtio-machine.js";
import { VirtioConsole, VirtioEntropy } from "./index.js";

const BUFFER = 0x20_0000;

function createTerminal() {
  let drain = () => {};
  let data: (bytes: Uint8Array) => number = () => 0;
  const terminal = {
    output: [] as Uint8Array[],
    accepting: true,
    asked: 0,
    write(bytes: Uint8Array) {
      terminal.output.push(bytes);
      return terminal.accepting;
    },
    onDrain(listener: () => void) {
      drain = listener;
    },
    onData(listener: (bytes: Uint8Array) => number) {
      data = listener;
    },
    ready() {
      terminal.asked++;
    },
    drain: () => {
      terminal.accepting = true;
      drain();
    },
    type: (text: string) => data(new TextEncoder().encode(text)),
    text: () => terminal.output.map((bytes) => new TextDecoder().decode(bytes)).join(""),
    length: () => terminal.output.reduce((sum, bytes) => sum + bytes.length, 0),
  };
  return terminal satisfies ByteStream;
}
function build(terminal = createTerminal(), memory?: ReturnType<typeof virtioMachine>["memory"]) {
  const console = new VirtioConsole(terminal, { columns: 132, rows: 43 });
  return { terminal, console, ...virtioMachine(console, memory) };
}

describe("virtio console", () => {
  it("tells its size and of changes to it", () => {
    const { driver, console, intx } = build();
    driver.start(1, [16, 16]);
    expect([driver.readConfig(0, 2), driver.readConfig(2, 2)]).toEqual([132, 43]);
    console.resize(100, 30);
    expect([driver.readConfig(0, 2), driver.readConfig(2, 2), driver.takeIsr(), intx.level]).toEqual([100, 30, 2, false]);
  });
  it("writes what the guest sends, across segments, in buffers the host may keep", () => {
    const { driver, memory, terminal } = build();
    driver.start(0, [16, 16]);
    memory.write(BUFFER, new TextEncoder().encode("hello, world"));
    driver.post(1, [
      { address: BUFFER, length: 5 },
      { address: BUFFER + 5, length: 7 },
    ]);
    driver.ring(1);
    memory.fill(BUFFER, 12, 0);
    expect([terminal.text(), driver.completed(1).length, driver.takeIsr()]).toEqual(["hello, world", 1, 1]);
  });
  it("waits in the middle of a buffer while the host is behind", () => {
    const { driver, terminal } = build();
    driver.start(0, [16, 16]);
    terminal.accepting = false;
    driver.post(1, [{ address: BUFFER, length: 10_000 }]);
    driver.post(1, [{ address: BUFFER, length: 10 }]);
    driver.ring(1);
    driver.ring(1);
    expect([terminal.length(), driver.completed(1).length]).toEqual([4096, 0]);
    terminal.drain();
    expect([terminal.length(), driver.completed(1).length]).toEqual([10_010, 2]);
  });
  it("cuts an absurdly long buffer", () => {
    const { driver, terminal } = build();
    driver.start(0, [16, 16]);
    driver.post(
      1,
      Array.from({ length: 16 }, () => ({ address: BUFFER, length: 1 << 20 })),
    );
    driver.ring(1);
    expect([terminal.length(), driver.completed(1).length]).toEqual([1 << 20, 1]);
  });
  it("fills the guest's buffers with input, and asks for the rest when there are new ones", () => {
    const { driver, memory, terminal } = build();
    expect(terminal.type("early")).toBe(0);
    driver.start(0, [16, 16]);
    driver.post(0, [{ address: BUFFER, length: 4, write: true }]);
    driver.post(0, [{ address: BUFFER + 4, length: 4, write: true }]);
    driver.ring(0);
    expect(terminal.asked).toBe(1);
    expect(terminal.type("0123456789")).toBe(8);
    expect(new TextDecoder().decode(memory.view(BUFFER, 8))).toBe("01234567");
    expect([driver.completed(0).map((done) => done.length), terminal.type("89"), driver.takeIsr()]).toEqual([[4, 4], 0, 1]);
  });
  it("survives input buffers without room", () => {
    const { driver, terminal } = build();
    driver.start(0, [16, 16]);
    driver.post(0, [{ address: BUFFER, length: 4 }]);
    expect(terminal.type("x")).toBe(0);
    expect(driver.completed(0)).toEqual([{ head: 0, length: 0 }]);
  });
  it("goes on in the middle of a buffer after a snapshot", () => {
    const a = build();
    a.driver.start(0, [16, 16]);
    a.terminal.accepting = false;
    a.memory.write(BUFFER, new TextEncoder().encode(`${"x".repeat(4096)}the rest`));
    a.driver.post(1, [{ address: BUFFER, length: 4096 + 8 }]);
    a.driver.ring(1);
    const saved = a.pci.save();
    const waiting = createTerminal();
    waiting.accepting = false;
    const b = build(waiting, a.memory);
    b.pci.load(saved);
    expect([waiting.text(), a.driver.completed(1).length]).toEqual(["the rest", 1]);
    const idle = build();
    const before = idle.pci.save();
    idle.console.resize(1, 2);
    expect(idle.pci.save()).not.toEqual(before);
    idle.pci.load(before);
    expect(idle.pci.save()).toEqual(before);
    expect(() => idle.console.load({ schema: "virtio-console@9" as never, columns: 1, rows: 1, sent: 0 }, undefined, [])).toThrow(
      /virtio-console@9/,
    );
  });
  it("drops the buffer in hand at reset", () => {
    const { driver, terminal, memory } = build();
    driver.start(0, [16, 16]);
    terminal.accepting = false;
    driver.post(1, [{ address: BUFFER, length: 10_000 }]);
    driver.ring(1);
    driver.status = 0;
    terminal.drain();
    expect(terminal.length()).toBe(4096);
    memory.fill(0x10_0000, 0x2_0000, 0);
    driver.start(0, [16, 16]);
    driver.post(1, [{ address: BUFFER, length: 4 }]);
    driver.ring(1);
    expect([terminal.length(), driver.completed(1).length]).toEqual([4100, 1]);
  });
});

describe("virtio entropy", () => {
  const make = () => {
    let next = 0;
    const entropy = new VirtioEntropy({ fill: (bytes) => bytes.set(bytes.map(() => ++next)) });
    return { entropy, ...virtioMachine(entropy) };
  };
  it("fills each buffer, at most 4096 bytes of it", () => {
    const { driver, memory, intx } = make();
    driver.start(0, [8]);
    driver.post(0, [
      { address: BUFFER, length: 3, write: true },
      { address: BUFFER + 16, length: 2, write: true },
    ]);
    driver.post(0, [{ address: BUFFER + 32, length: 100_000, write: true }]);
    driver.ring(0);
    expect(driver.completed(0).map((done) => done.length)).toEqual([5, 4096]);
    expect([...memory.view(BUFFER, 3), ...memory.view(BUFFER + 16, 2)]).toEqual([1, 2, 3, 4, 5]);
    expect(intx.level).toBe(true);
  });
  it("gives back a buffer it may not write to", () => {
    const { driver } = make();
    driver.start(0, [8]);
    driver.post(0, [{ address: BUFFER, length: 3 }]);
    driver.ring(0);
    expect(driver.completed(0)).toEqual([{ head: 0, length: 0 }]);
  });
  it("has no state of its own but checks its schema", () => {
    const { entropy } = make();
    expect(entropy.save()).toEqual({ schema: "virtio-entropy@1" });
    expect(() => entropy.load({ schema: "virtio-entropy@9" as never }, undefined, [])).toThrow(/virtio-entropy@9/);
  });
});
