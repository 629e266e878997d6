import type { ByteStream, HypervisorFrames, Mfn } from "@paravane/paravirt-ops";
import { describe, expect, test } from "vitest";
import { ConsoleRing } from "./console-ring.js";

const OUT_CONS = 0xc08;
const OUT_PROD = 0xc0c;

/** A ring whose host takes what it is given, or not, and can be told to make room while it does. */
function ringWith(write: (text: string, makeRoom: () => void) => boolean) {
  const page = new Uint8Array(4096);
  const view = new DataView(page.buffer);
  let makeRoom = (): void => {};
  const console: ByteStream = {
    write: (bytes) => write(new TextDecoder().decode(bytes), () => makeRoom()),
    onDrain: (listener) => {
      makeRoom = listener;
    },
    onData: () => {},
    ready: () => {},
  };
  const frames = { bytes: () => page } as unknown as HypervisorFrames;
  const ring = new ConsoleRing(frames, 0 as Mfn, console, () => {});
  const say = (text: string): void => {
    page.set(new TextEncoder().encode(text), 0x400);
    view.setUint32(OUT_PROD, text.length, true);
    ring.notified();
  };
  return { say, drain: () => makeRoom(), taken: () => view.getUint32(OUT_CONS, true) };
}

describe("the console's ring", () => {
  test("sends a line once, though room is made while it is being written", () => {
    const heard: string[] = [];
    const { say, taken } = ringWith((text, makeRoom) => {
      heard.push(text);
      makeRoom();
      return true;
    });
    say("a line\n");
    expect([heard, taken()]).toEqual([["a line\n"], 7]);
  });

  test("keeps what the host does not take, and sends it when there is room", () => {
    const heard: string[] = [];
    let room = false;
    const { say, drain, taken } = ringWith((text) => {
      if (room) heard.push(text);
      return room;
    });
    say("later\n");
    expect([heard, taken()]).toEqual([[], 0]);
    room = true;
    drain();
    expect([heard, taken()]).toEqual([["later\n"], 6]);
  });
});
