import { describe, expect, test } from "vitest";
import { ProbeLine } from "../../test/fakes.js";
import { stateTrio } from "../../test/state-trio.js";
import { createPioBus } from "../bus/pio-bus.js";
import { A20Gate } from "./a20-gate.js";
import { AtKeyboard } from "./at-keyboard.js";
import { I8042 } from "./i8042.js";
import { attachIsaI8042 } from "./isa-i8042.js";

const KEY_A = 0x1c;
const KEY_UP = 0xe075;
const noPins = { a20: () => {}, reset: () => {} };

function board() {
  const irq = new ProbeLine();
  const bus = createPioBus();
  const log: string[] = [];
  const gate = new A20Gate(
    (enabled) => log.push(enabled ? "a20 on" : "a20 off"),
    () => log.push("reset"),
  );
  const keyboard = new AtKeyboard();
  const controller = new I8042(keyboard, { a20: (level) => gate.setKeyboard(level), reset: () => log.push("reset") });
  const port = attachIsaI8042(bus, irq, controller, keyboard);
  gate.attach(bus);
  log.length = 0;
  const command = (value: number, ...data: number[]) => {
    bus.write(0x64, 1, value);
    for (const byte of data) bus.write(0x60, 1, byte);
  };
  const keyboardBytes = () => {
    const bytes: number[] = [];
    while (bus.read(0x64, 1) & 1) bytes.push(bus.read(0x60, 1));
    return bytes;
  };
  const toKeyboard = (...bytes: number[]) => {
    const answers: number[] = [];
    for (const byte of bytes) {
      bus.write(0x60, 1, byte);
      answers.push(...keyboardBytes());
    }
    return answers;
  };
  return { irq, bus, log, keyboard, controller, port, command, keyboardBytes, toKeyboard };
}

describe("keys", () => {
  test("are translated to set 1: make, break and extended", () => {
    const { port, keyboardBytes } = board();
    port.key(KEY_A, true);
    port.key(KEY_A, false);
    port.key(KEY_UP, true);
    port.key(KEY_UP, false);
    expect(keyboardBytes()).toEqual([0x1e, 0x9e, 0xe0, 0x48, 0xe0, 0xc8]);
  });

  test("arrive in set 2 when translation is off", () => {
    const { port, command, keyboardBytes } = board();
    command(0x60, 0x05);
    port.key(KEY_A, true);
    port.key(KEY_A, false);
    expect(keyboardBytes()).toEqual([0x1c, 0xf0, 0x1c]);
  });

  test("each byte is an edge on IRQ 1, unless interrupts are off", () => {
    const { irq, bus, port, command } = board();
    port.key(KEY_A, true);
    port.key(KEY_A, false);
    expect(irq.rises).toBe(1);
    bus.read(0x60, 1);
    expect(irq.rises).toBe(2);
    bus.read(0x60, 1);
    expect(irq.level).toBe(false);
    command(0x60, 0x44);
    port.key(KEY_A, true);
    expect(irq.rises).toBe(2);
  });

  test("wait while the keyboard is disabled", () => {
    const { port, command, keyboardBytes } = board();
    command(0xad);
    port.key(KEY_A, true);
    expect(keyboardBytes()).toEqual([]);
    command(0xae);
    expect(keyboardBytes()).toEqual([0x1e]);
  });

  test("beyond the buffer are an overrun, and nothing grows", () => {
    const { keyboard, port } = board();
    for (let i = 0; i < 1000; i++) port.key(KEY_A, true);
    const { buffer } = keyboard.save();
    expect(buffer.length).toBe(16);
    expect(buffer[15]).toBe(0);
  });
});

describe("keyboard commands", () => {
  test("reset and identify answer as a translated 102-key keyboard", () => {
    const { toKeyboard } = board();
    expect(toKeyboard(0xff)).toEqual([0xfa, 0xaa]);
    expect(toKeyboard(0xf2)).toEqual([0xfa, 0xab, 0x41]);
    expect(toKeyboard(0xee)).toEqual([0xee]);
  });

  test("LEDs, typematic rate and scan code set take an argument", () => {
    const { toKeyboard, keyboard, port, keyboardBytes, command } = board();
    expect(toKeyboard(0xed, 0x02)).toEqual([0xfa, 0xfa]);
    expect(keyboard.leds).toBe(2);
    expect(toKeyboard(0xf3, 0x00)).toEqual([0xfa, 0xfa]);
    command(0x60, 0x05);
    expect(toKeyboard(0xf0, 0x00)).toEqual([0xfa, 0xfa, 0x02]);
    expect(toKeyboard(0xf0, 0x01)).toEqual([0xfa, 0xfa]);
    port.key(KEY_A, false);
    expect(keyboardBytes()).toEqual([0x9e]);
    expect(toKeyboard(0xf0, 0x03)).toEqual([0xfa, 0xfe]);
  });

  test("a disabled keyboard sends no keys; resend repeats the last byte; an unknown command is refused", () => {
    const { toKeyboard, port, keyboardBytes } = board();
    expect(toKeyboard(0xf5)).toEqual([0xfa]);
    port.key(KEY_A, true);
    expect(keyboardBytes()).toEqual([]);
    expect(toKeyboard(0xf4)).toEqual([0xfa]);
    expect(toKeyboard(0xfe)).toEqual([0xfa]);
    expect(toKeyboard(0xef)).toEqual([0xfe]);
  });
});

describe("controller commands", () => {
  test("self-test, keyboard test, memory and ports answer", () => {
    const { command, bus } = board();
    const ask = (value: number) => {
      command(value);
      return bus.read(0x60, 1);
    };
    expect(ask(0xaa)).toBe(0x55);
    expect(ask(0xab)).toBe(0x00);
    command(0x65, 0x77);
    expect(ask(0x25)).toBe(0x77);
    expect(ask(0x20)).toBe(0x65);
    expect(ask(0xd0) & 0x03).toBe(0x03);
    command(0xd2, 0x5a);
    expect(bus.read(0x60, 1)).toBe(0x5a);
  });

  test("without an auxiliary port its probes fail at once instead of timing out", () => {
    const { command, bus } = board();
    command(0xd3, 0x5a);
    expect(bus.read(0x64, 1) & 0x21).toBe(0x01);
    expect(bus.read(0x60, 1)).toBe(0x5a);
    command(0xa9);
    expect(bus.read(0x60, 1)).toBe(0x01);
    command(0xd4, 0xf2);
    expect(bus.read(0x64, 1) & 0x61).toBe(0x61);
  });

  test("the status says whether the last write was a command", () => {
    const { command, bus } = board();
    command(0xae);
    expect(bus.read(0x64, 1) & 0x08).toBe(0x08);
    bus.write(0x60, 1, 0xf4);
    expect(bus.read(0x64, 1) & 0x08).toBe(0);
  });
});

describe("A20 and reset", () => {
  test("the gate is open when either source opens it", () => {
    const { command, bus, log } = board();
    command(0xd1, 0x01);
    bus.write(0x92, 1, 0x02);
    bus.write(0x92, 1, 0x00);
    command(0xd1, 0x03);
    expect(log).toEqual(["a20 off", "a20 on", "a20 off", "a20 on"]);
  });

  test("0xfe, output port bit 0 and port 0x92 bit 0 reset the machine", () => {
    const { command, bus, log } = board();
    command(0xfe);
    command(0xff);
    expect(log).toEqual(["reset"]);
    bus.write(0x92, 1, 0x01);
    bus.write(0x92, 1, 0x01);
    expect(log.filter((each) => each === "reset").length).toBe(2);
    command(0xd1, 0x02);
    expect(log.filter((each) => each === "reset").length).toBe(3);
  });
});

describe("keyboard", () => {
  stateTrio(
    () => new AtKeyboard(),
    (keyboard) => {
      keyboard.key(KEY_A, true);
      keyboard.key(KEY_UP, true);
      keyboard.take();
      keyboard.write(0xed);
    },
    {
      "a key": (keyboard) => keyboard.key(KEY_A, false),
      "a byte taken": (keyboard) => void keyboard.take(),
      "an argument": (keyboard) => keyboard.write(7),
      "a command": (keyboard) => keyboard.write(0xf5),
    },
  );
});

describe("controller", () => {
  stateTrio(
    () => new I8042(new AtKeyboard(), noPins),
    (controller) => {
      controller.writeCommand(0x20);
      controller.writeCommand(0x65);
      controller.writeData(1);
    },
    {
      "a byte read": (controller) => void controller.readData(),
      "a command": (controller) => controller.writeCommand(0xd1),
      "its argument": (controller) => {
        controller.writeCommand(0xd1);
        controller.writeData(0x01);
      },
      memory: (controller) => {
        controller.writeCommand(0x66);
        controller.writeData(9);
      },
    },
  );
});

describe("A20 gate", () => {
  stateTrio(
    () =>
      new A20Gate(
        () => {},
        () => {},
      ),
    () => {},
    { "the keyboard's level": (gate) => gate.setKeyboard(false) },
  );
});
