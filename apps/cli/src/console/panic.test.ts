import { expect, test } from "vitest";
import { PanicWatch } from "./panic.js";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

test("a Linux panic is noticed across pieces and told as its line", () => {
  const watch = new PanicWatch();
  watch.feed(bytes("[ 1.0] Kernel panic - not syn"));
  watch.feed(bytes("cing: VFS: Unable to mount root fs"));
  expect(watch.seen).toBeUndefined();
  watch.feed(bytes("\r\n[ 1.1] CPU: 0"));
  expect(watch.seen).toBe("Kernel panic - not syncing: VFS: Unable to mount root fs");
});

test("other talk is no panic", () => {
  const watch = new PanicWatch();
  watch.feed(bytes("don't panic\r\nKernel command line: panic=-1\r\n"));
  expect(watch.seen).toBeUndefined();
});
