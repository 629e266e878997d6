import { expect, test } from "vitest";
import { type ConsoleSink, HostSerial } from "./serial.js";

function sink(room = true): ConsoleSink & { text: string; writes: number; drain: () => void; room: boolean } {
  const listeners: (() => void)[] = [];
  return {
    text: "",
    writes: 0,
    room,
    write(bytes) {
      this.text += new TextDecoder().decode(bytes);
      this.writes++;
      return this.room;
    },
    onDrain: (listener) => void listeners.push(listener),
    close: () => {},
    drain: () => {
      for (const listener of listeners) listener();
    },
  };
}

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

test("bytes written one by one arrive as one piece, in order, and are watched", async () => {
  const to = sink();
  let watched = "";
  const serial = new HostSerial(to, (piece) => (watched += new TextDecoder().decode(piece)));
  for (const character of "hello") serial.write(bytes(character));
  await new Promise((resolve) => setImmediate(resolve));
  expect([to.text, to.writes, watched]).toEqual(["hello", 1, "hello"]);
});

test("a full sink asks the guest to wait until it drains", () => {
  const to = sink(false);
  const serial = new HostSerial(to);
  let drained = 0;
  serial.onDrain(() => drained++);
  expect(serial.write(bytes("x".repeat(20_000)))).toBe(false);
  to.drain();
  expect(drained).toBe(1);
  expect(serial.write(bytes("y"))).toBe(true);
});

test("typed bytes wait for a guest that takes few at a time", () => {
  const serial = new HostSerial(sink());
  let taken = "";
  let room = 2;
  serial.type(bytes("abc"));
  serial.onData((offered) => {
    const part = offered.subarray(0, room);
    taken += new TextDecoder().decode(part);
    room -= part.length;
    return part.length;
  });
  expect([taken, serial.pending]).toEqual(["ab", 1]);
  let roomy = false;
  serial.onRoom(() => {
    roomy = true;
  });
  room = 5;
  serial.ready();
  expect([taken, serial.pending, roomy]).toEqual(["abc", 0, true]);
});

test("closing hands on what was gathered", () => {
  const to = sink();
  const serial = new HostSerial(to);
  serial.write(bytes("last words"));
  serial.close();
  expect(to.text).toBe("last words");
});

test("where runs are to be equal, a line is watched before the guest goes on, and a prompt soon after", async () => {
  let watched = "";
  const serial = new HostSerial(sink(), (piece) => (watched += new TextDecoder().decode(piece)), true);
  for (const character of "ok\n") serial.write(bytes(character));
  expect(watched).toBe("ok\n");
  serial.write(bytes("$ "));
  expect(watched).toBe("ok\n");
  await new Promise((resolve) => setImmediate(resolve));
  expect(watched).toBe("ok\n$ ");
});
