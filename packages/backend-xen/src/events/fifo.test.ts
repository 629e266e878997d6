// FIFO events with a guest that consumes them as Linux does: nothing is lost, priorities hold, and garbage in the words hurts nobody else.
import { describe, expect, test } from "vitest";
import { TestGuest } from "../../test/guest.js";
import { eventChannelCommands as ops, fifo } from "../abi/services.js";
import { Fifo } from "./fifo.js";
import type { EventTarget } from "./two-level.js";
import { random } from "../../test/random.js";

const CONTROL = 100;

/** Two vCPUs, and the guest's side of their queues. */
class Consumer {
  readonly memory = new Map<number, Uint8Array>();
  readonly pending = [false, false];
  readonly fifo: Fifo;
  readonly taken: number[] = [];
  readonly #heads = [new Uint32Array(16), new Uint32Array(16)];

  constructor(pages = 1) {
    const target = (vcpu: number): EventTarget =>
      ({
        info: {
          get pending() {
            return pending[vcpu]!;
          },
          set pending(on: boolean) {
            pending[vcpu] = on;
          },
        },
        notify: () => {},
      }) as unknown as EventTarget;
    const { pending } = this;
    this.fifo = new Fifo({ take: (frame) => (frame < 200 ? frame : undefined), release: () => {}, bytes: (frame) => this.bytes(frame) }, [
      target(0),
      target(1),
    ]);
    for (const vcpu of [0, 1]) expect(this.fifo.addControlBlock(vcpu, CONTROL + vcpu, 64)).toBe(0);
    for (let page = 0; page < pages; page++) expect(this.fifo.addPage(page)).toBe(0);
  }

  bytes(frame: number): Uint8Array {
    const found = this.memory.get(frame) ?? new Uint8Array(4096);
    this.memory.set(frame, found);
    return found;
  }

  word(port: number): number {
    return new DataView(this.bytes(port >> 10).buffer).getUint32((port & 1023) * 4, true);
  }

  setWord(port: number, word: number): void {
    new DataView(this.bytes(port >> 10).buffer).setUint32((port & 1023) * 4, word, true);
  }

  /** The guest's upcall: takes what is ready, highest priority first, `limit` ports at most. */
  consume(vcpu: number, limit = Number.POSITIVE_INFINITY): void {
    this.pending[vcpu] = false;
    const control = new DataView(this.bytes(CONTROL + vcpu).buffer, 64);
    let ready = control.getUint32(0, true);
    control.setUint32(0, 0, true);
    const heads = this.#heads[vcpu]!;
    for (let count = 0; ready !== 0; ) {
      if (count++ === limit) {
        control.setUint32(0, control.getUint32(0, true) | ready, true);
        this.pending[vcpu] = true;
        return;
      }
      const queue = 31 - Math.clz32(ready & -ready);
      const head = heads[queue] === 0 ? control.getUint32(8 + 4 * queue, true) : heads[queue]!;
      const word = this.word(head);
      const next = word & fifo.LINK_MASK;
      this.setWord(head, word & ~(fifo.LINKED | fifo.LINK_MASK));
      heads[queue] = next;
      if (next === 0) ready &= ~(1 << queue);
      if ((word & fifo.PENDING) !== 0 && (word & fifo.MASKED) === 0) {
        this.setWord(head, this.word(head) & ~fifo.PENDING);
        this.taken.push(head);
      }
      ready |= control.getUint32(0, true);
      control.setUint32(0, 0, true);
    }
  }
}

describe("the queues", () => {
  test("show ports in the order of their priorities, and within one in the order of arrival", () => {
    const guest = new Consumer();
    guest.fifo.setPriority(9, 0);
    guest.fifo.setPriority(5, 15);
    for (const port of [5, 7, 8, 9, 8]) guest.fifo.raise(port, 0);
    expect(guest.pending).toEqual([true, false]);
    guest.consume(0);
    expect(guest.taken).toEqual([9, 7, 8, 5]);
  });

  test("hold a masked port back until it is unmasked", () => {
    const guest = new Consumer();
    guest.setWord(3, fifo.MASKED);
    guest.fifo.raise(3, 1);
    expect([guest.fifo.isPending(3), guest.pending[1], guest.fifo.isBusy(3)]).toEqual([true, false, false]);
    guest.fifo.unmask(3, 1);
    expect([guest.pending[1], guest.fifo.isBusy(3)]).toEqual([true, true]);
    guest.consume(1);
    expect(guest.taken).toEqual([3]);
  });

  test("keep what is raised before its word has a page", () => {
    const guest = new Consumer();
    guest.fifo.raise(2000, 1);
    expect(guest.pending).toEqual([false, false]);
    expect(guest.fifo.addPage(1)).toBe(0);
    expect(guest.pending).toEqual([false, true]);
    guest.consume(1);
    expect(guest.taken).toEqual([2000]);
  });

  test("have pages for as many ports as there can be", () => {
    const guest = new Consumer(128);
    expect(guest.fifo.addPage(150)).toBe(-28);
    guest.fifo.raise(131_071, 0);
    guest.consume(0);
    expect(guest.taken).toEqual([131_071]);
  });

  test.each([1, 2, 3])("lose nothing when ports change vCPU and priority while they are linked (seed %i)", (seed) => {
    const guest = new Consumer();
    const below = random(seed * 0x9e3779b9);
    const waiting = new Set<number>();
    const vcpus = new Map<number, number>();
    for (let step = 0; step < 20_000; step++) {
      const port = 1 + below(12);
      switch (below(5)) {
        case 0:
          guest.fifo.setPriority(port, below(16));
          break;
        case 1:
          vcpus.set(port, below(2));
          break;
        case 2:
          guest.consume(below(2), below(4));
          break;
        default:
          guest.fifo.raise(port, vcpus.get(port) ?? 0);
          waiting.add(port);
      }
      for (const taken of guest.taken) waiting.delete(taken);
      guest.taken.length = 0;
    }
    for (const vcpu of [0, 1]) guest.consume(vcpu);
    for (const taken of guest.taken) waiting.delete(taken);
    expect([...waiting]).toEqual([]);
  });

  test("do not follow links: a guest that ties its words into knots has only itself to blame", () => {
    const guest = new Consumer();
    const below = random(77);
    for (let step = 0; step < 20_000; step++) {
      guest.setWord(below(1024), below(0x1_0000_0000));
      new DataView(guest.bytes(CONTROL).buffer, 64).setUint32(4 * below(18), below(0x1_0000_0000), true);
      guest.fifo.raise(below(1024), below(2));
      if (below(3) === 0) guest.fifo.unmask(below(1024), below(2));
      if (below(50) === 0) guest.fifo.setPriority(below(1024), below(16));
    }
    expect(guest.fifo.isPending(131_071)).toBe(false);
  });
});

describe.each([64, 32] as const)("a %i-bit guest", (bits) => {
  const op = (guest: TestGuest, command: number, ...words: number[]): number => {
    const at = guest.scratch(0x100);
    for (const [index, value] of words.entries()) guest.memory.writeU32(at + index * 4, value);
    return guest.call("event_channel_op", command, at);
  };
  const result = (guest: TestGuest, word: number): number => guest.memory.readU32(guest.scratch(0x100) + word * 4);

  test("changes to FIFO events with its first control block, and is told why not", async () => {
    const guest = await TestGuest.start(bits, {}, 2);
    const control = guest.frameOf(30);
    const table = guest.frameOf(guest.info.get("pt_base") / 4096);
    expect([op(guest, ops.expand_array, control, 0), op(guest, ops.set_priority, 1, 3)]).toEqual([-95, -38]);
    const init = (frame: number, offset: number, vcpu: number): number => op(guest, ops.init_control, frame, 0, offset, vcpu, 0, 0);
    expect([init(control, 0, 2), init(control, 4, 0), init(control, 4096 - 64, 0), init(table, 0, 0), init(0xfffff, 0, 0)]).toEqual([
      -2, -22, -22, -22, -22,
    ]);
    expect(op(guest, ops.alloc_unbound, 0x7ff0 | (0x7ff0 << 16), 0)).toBe(0);
    const port = result(guest, 1);
    expect([init(control, 0, 0), guest.memory.readU8(guest.scratch(0x110))]).toEqual([0, 17]);
    expect([init(control, 128, 0), init(control, 128, 1)]).toEqual([-22, 0]);
    expect([op(guest, ops.expand_array, guest.frameOf(31), 0), op(guest, ops.expand_array, table, 0)]).toEqual([0, -22]);
    expect([op(guest, ops.set_priority, port, 16), op(guest, ops.set_priority, port, 0)]).toEqual([-22, 0]);
    expect([op(guest, ops.set_priority, 100, 0), op(guest, ops.set_priority, 5000, 0)]).toEqual([-13, -22]);
    expect(op(guest, ops.bind_ipi, 1)).toBe(0);
    const ipi = result(guest, 1);
    expect(op(guest, ops.send, ipi)).toBe(0);
    expect(guest.memory.readU32(guest.frameOf(31) * 4096 + ipi * 4) >>> 0).toBe(0xa000_0000);
    expect(guest.memory.readU32(control * 4096 + 128)).toBe(1 << 7);
    expect(op(guest, ops.reset, 0x7ff0)).toBe(0);
    expect([op(guest, ops.send, ipi), op(guest, ops.expand_array, control, 0)]).toEqual([-22, -95]);
  });

  test("connects two of its ports, and hears from either what is sent to the other", async () => {
    const guest = await TestGuest.start(bits);
    expect([
      op(guest, ops.alloc_unbound, 0x7ff0 | (0x7ff0 << 16), 0),
      op(guest, ops.alloc_unbound, 0, 0),
      op(guest, ops.alloc_unbound, 9, 0),
    ]).toEqual([0, -1, -3]);
    op(guest, ops.alloc_unbound, 0x7ff0 | (0x7ff0 << 16), 0);
    const remote = result(guest, 1);
    expect(op(guest, ops.bind_interdomain, 5, remote, 0)).toBe(-3);
    expect(op(guest, ops.bind_interdomain, 0x7ff0, 99, 0)).toBe(-22);
    expect(op(guest, ops.bind_interdomain, 0x7ff0, remote, 0)).toBe(0);
    const local = result(guest, 2);
    expect(op(guest, ops.bind_interdomain, 0x7ff0, remote, 0)).toBe(-22);
    const status = (port: number): number[] => {
      expect(op(guest, ops.status, 0x7ff0, port, 0, 0, 0, 0)).toBe(0);
      return [2, 4, 5].map((word) => result(guest, word));
    };
    expect([status(local), status(remote), status(100)]).toEqual([
      [2, 1, remote],
      [2, 1, local],
      [0, 0, 0],
    ]);
    const shared = guest.hypervisor.frames.bytes(Math.floor(guest.info.get("shared_info") / 4096));
    const isPending = (port: number): boolean => (shared[0x800 + (port >> 3)]! & (1 << (port & 7))) !== 0;
    expect([isPending(local), isPending(remote)]).toEqual([true, false]);
    expect([op(guest, ops.send, local), isPending(remote)]).toEqual([0, true]);
    expect(op(guest, ops.close, local)).toBe(0);
    expect([status(remote)[0], op(guest, ops.close, local)]).toEqual([1, -22]);
    expect([op(guest, ops.bind_pirq, 3, 0, 0), op(guest, ops.bind_pirq, 400, 0, 0)]).toEqual([-1, -22]);
  });
});
