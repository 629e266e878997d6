import { beforeEach, describe, expect, test } from "vitest";
import { storeMessages } from "../../abi/io.js";
import { StoreConnection, type StoreMessage } from "./connection.js";
import { describeDomain } from "./domain-tree.js";
import { XenStore } from "./store.js";
import { StoreRing } from "./store-ring.js";

const encode = (text: string): Uint8Array => new TextEncoder().encode(text);
const decode = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
const HOME = "/local/domain/1";

let store: XenStore;
let events: string[];
let guest: StoreConnection;

beforeEach(() => {
  store = new XenStore();
  events = [];
  const parts = { name: "test", vcpus: 2, pages: 1024, storePort: 1, storeFrame: 5, consolePort: 2, consoleFrame: 6 };
  describeDomain(store, { domain: 1, ...parts });
  guest = new StoreConnection(store, 1, (event) => void events.push(decode(event.payload)));
});

/** A request of the guest's: the reply, or the error's name with a "!". */
function ask(type: keyof typeof storeMessages, payload: string, transaction = 0): string {
  const reply = guest.answer({ type: storeMessages[type], request: 7, transaction, payload: encode(payload) });
  expect(reply.request).toBe(7);
  return (reply.type === storeMessages.ERROR ? "!" : "") + decode(reply.payload);
}

describe("a guest in xenstore", () => {
  test("reads what the toolstack wrote, by absolute and by relative path", () => {
    expect([ask("READ", `${HOME}/domid\0`), ask("READ", "domid\0"), ask("READ", "memory/target\0")]).toEqual(["1", "1", "4096"]);
    expect(ask("DIRECTORY", "cpu\0")).toBe("0\x001\0");
    expect(ask("GET_PERMS", "control/shutdown\0")).toBe("n1\0");
    expect(ask("GET_DOMAIN_PATH", "1\0")).toBe(`${HOME}\0`);
  });

  test("writes where it may and makes what is missing above", () => {
    expect(ask("WRITE", "data/a/b\0value")).toBe("OK\0");
    expect([ask("READ", "data/a/b\0"), ask("READ", "data/a\0"), ask("GET_PERMS", "data/a/b\0")]).toEqual(["value", "", "n1\0"]);
    expect(ask("RM", "data/a\0")).toBe("OK\0");
    expect(ask("READ", "data/a/b\0")).toBe("!ENOENT\0");
  });

  test("does not write what is not its own, nor read what is hidden", () => {
    expect(ask("WRITE", "memory/target\x001")).toBe("!EACCES\0");
    expect(ask("WRITE", "/local/domain/0/x\x001")).toBe("!EACCES\0");
    store.writeText("/secret", "s");
    expect(ask("READ", "/secret\0")).toBe("!EACCES\0");
    expect(ask("SET_PERMS", "memory/target\0n1\0")).toBe("!EACCES\0");
    expect(ask("RM", "control\0")).toBe("!EACCES\0");
  });

  test("gets errors for paths and requests that make no sense", () => {
    for (const path of ["", "a//b", "a/", "/a?", "@introduceDomain", `/${"x".repeat(4000)}`])
      expect(ask("READ", `${path}\0`), path).toBe("!EINVAL\0");
    expect([ask("INTRODUCE", "1\0"), ask("CONTROL", "help\0"), ask("TRANSACTION_END", "X\0")]).toEqual([
      "!EACCES\0",
      "!EACCES\0",
      "!EINVAL\0",
    ]);
    expect(decode(guest.answer({ type: 99, request: 0, transaction: 0, payload: encode("") }).payload)).toBe("ENOSYS\0");
    expect(ask("WRITE", `data/x\0${"v".repeat(3000)}`)).toBe("!ENOSPC\0");
  });

  test("hears of changes at and below what it watches, and once at the start", () => {
    expect(ask("WATCH", "control/shutdown\0token\0")).toBe("OK\0");
    expect(ask("WATCH", "control/shutdown\0token\0")).toBe("!EEXIST\0");
    store.writeText(`${HOME}/control/shutdown`, "poweroff");
    store.writeText(`${HOME}/control/sysrq`, "h");
    expect(events).toEqual(["control/shutdown\0token\0", "control/shutdown\0token\0"]);
    expect([ask("UNWATCH", "control/shutdown\0token\0"), ask("UNWATCH", "control/shutdown\0token\0")]).toEqual(["OK\0", "!ENOENT\0"]);
    store.writeText(`${HOME}/control/shutdown`, "reboot");
    expect(events.length).toBe(2);
  });

  test("changes several nodes as one, or none when somebody else was faster", () => {
    ask("WATCH", "data\0t\0");
    events.length = 0;
    const first = Number.parseInt(ask("TRANSACTION_START", "\0"), 10);
    ask("WRITE", "data/a\x001", first);
    ask("WRITE", "data/b\x002", first);
    expect([ask("READ", "data/a\0"), ask("READ", "data/a\0", first), events.length]).toEqual(["!ENOENT\0", "1", 0]);
    expect(ask("TRANSACTION_END", "T\0", first)).toBe("OK\0");
    expect([ask("READ", "data/b\0"), events]).toEqual(["2", ["data/a\0t\0", "data/b\0t\0"]]);
    const second = Number.parseInt(ask("TRANSACTION_START", "\0"), 10);
    ask("WRITE", "data/a\x009", second);
    store.writeText("/other", "1");
    expect([ask("TRANSACTION_END", "T\0", second), ask("READ", "data/a\0")]).toEqual(["!EAGAIN\0", "1"]);
    expect(ask("READ", "data/a\0", second)).toBe("!ENOENT\0");
  });

  test("cannot make the store grow without end", () => {
    const replies = Array.from({ length: 1100 }, (_, index) => ask("WRITE", `data/n${index}\0x`));
    expect(replies[0]).toBe("OK\0");
    expect(replies.at(-1)).toBe("!ENOSPC\0");
    const watches = Array.from({ length: 200 }, (_, index) => ask("WATCH", `data\0t${index}\0`));
    expect(watches.at(-1)).toBe("!E2BIG\0");
    const transactions = Array.from({ length: 12 }, () => ask("TRANSACTION_START", "\0"));
    expect(transactions.at(-1)).toBe("!ENOSPC\0");
  });

  test("reads long directories in parts", () => {
    for (let index = 0; index < 900; index++) ask("WRITE", `data/node-${index}\0`);
    expect(ask("DIRECTORY", "data\0")).toBe("!E2BIG\0");
    let names = "";
    for (;;) {
      const reply = ask("DIRECTORY_PART", `data\0${names.length}\0`);
      const part = reply.slice(reply.indexOf("\0") + 1);
      if (part.endsWith("\0\0") || part === "\0") {
        names += part.slice(0, -1);
        break;
      }
      names += part;
    }
    expect(names.split("\0").length).toBe(901);
  });
});

describe("the ring", () => {
  const page = new Uint8Array(4096);
  const view = new DataView(page.buffer);
  const frames = { bytes: () => page } as unknown as ConstructorParameters<typeof StoreRing>[0];
  let notified: number;
  let ring: StoreRing;

  beforeEach(() => {
    page.fill(0);
    notified = 0;
    ring = new StoreRing(frames, 0, store, 1, () => void notified++);
  });

  /** Writes bytes as the guest does, from wherever its index is. */
  function send(bytes: Uint8Array): void {
    const producer = view.getUint32(0x804, true);
    for (const [index, byte] of bytes.entries()) page[(producer + index) & 1023] = byte;
    view.setUint32(0x804, (producer + bytes.byteLength) >>> 0, true);
    ring.notified();
  }

  function receive(): StoreMessage | undefined {
    const consumer = view.getUint32(0x808, true);
    const available = (view.getUint32(0x80c, true) - consumer) >>> 0;
    if (available < 16) return undefined;
    const all = Uint8Array.from({ length: available }, (_, index) => page[0x400 + ((consumer + index) & 1023)]!);
    const words = new DataView(all.buffer);
    const length = words.getUint32(12, true);
    view.setUint32(0x808, (consumer + 16 + length) >>> 0, true);
    return { type: words.getUint32(0, true), request: words.getUint32(4, true), transaction: 0, payload: all.subarray(16, 16 + length) };
  }

  function request(type: number, payload: string, id = 1): Uint8Array {
    const bytes = new Uint8Array(16 + payload.length);
    const words = new DataView(bytes.buffer);
    words.setUint32(0, type, true);
    words.setUint32(4, id, true);
    words.setUint32(12, payload.length, true);
    bytes.set(encode(payload), 16);
    return bytes;
  }

  test("answers requests in whole and in pieces, around the ring's end and the index's", () => {
    view.setUint32(0x800, 0xfffffff0, true);
    view.setUint32(0x804, 0xfffffff0, true);
    view.setUint32(0x808, 0xfffffff8, true);
    view.setUint32(0x80c, 0xfffffff8, true);
    const bytes = request(storeMessages.READ, "domid\0", 42);
    send(bytes.subarray(0, 5));
    send(bytes.subarray(5, 18));
    expect(receive()).toBeUndefined();
    send(bytes.subarray(18));
    const reply = receive()!;
    expect([reply.type, reply.request, decode(reply.payload)]).toEqual([storeMessages.READ, 42, "1"]);
    expect(notified).toBeGreaterThan(0);
  });

  test("waits for room, and takes no further request until then", () => {
    store.writeText("/long", "x".repeat(900));
    store.setPermissions("/long", ["r0"]);
    send(request(storeMessages.READ, "/long\0", 1));
    send(request(storeMessages.READ, "/long\0", 2));
    send(request(storeMessages.READ, "/long\0", 3));
    const consumed = view.getUint32(0x800, true);
    expect(consumed).toBe(2 * 22);
    for (const id of [1, 2, 3]) {
      expect(receive()?.request).toBe(id);
      ring.notified();
    }
  });

  test("a watch's event comes after the reply to what set it", () => {
    send(request(storeMessages.WATCH, "control\0t\0"));
    expect([receive()?.type, receive()?.type]).toEqual([storeMessages.WATCH, storeMessages.WATCH_EVENT]);
  });

  test("indices and lengths that cannot be end the talk instead of the host", () => {
    const long = request(storeMessages.READ, "domid\0");
    new DataView(long.buffer).setUint32(12, 100_000, true);
    send(long);
    send(request(storeMessages.READ, "domid\0"));
    expect(receive()).toBeUndefined();
    const other = new StoreRing(frames, 0, store, 1, () => {});
    view.setUint32(0x804, view.getUint32(0x800, true) + 5000, true);
    other.notified();
    expect(receive()).toBeUndefined();
  });
});
