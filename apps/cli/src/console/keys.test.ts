import { expect, test } from "vitest";
import { EscapeKeys, type KeyCommand } from "./keys.js";

function keys(): { type: (text: string) => string; commands: KeyCommand[] } {
  const commands: KeyCommand[] = [];
  const splitter = new EscapeKeys((command) => commands.push(command));
  return { type: (text) => Buffer.from(splitter.feed(Buffer.from(text, "latin1"))).toString("latin1"), commands };
}

test("everything but Ctrl-A goes to the guest, Ctrl-C too", () => {
  const { type, commands } = keys();
  expect(type("ls\r\x03\x1b[A")).toBe("ls\r\x03\x1b[A");
  expect(commands).toEqual([]);
});

test("Ctrl-A x, c and h are ours", () => {
  const { type, commands } = keys();
  expect(type("a\x01xb\x01cc\x01hd")).toBe("abcd");
  expect(commands).toEqual(["quit", "monitor", "help"]);
});

test("Ctrl-A a sends a Ctrl-A, also when the keys come one by one", () => {
  const { type } = keys();
  expect(type("\x01")).toBe("");
  expect(type("a")).toBe("\x01");
});

test("an unknown letter goes to the guest with its Ctrl-A", () => {
  expect(keys().type("\x01k")).toBe("\x01k");
});
