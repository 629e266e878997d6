import { HvError } from "@paravane/paravirt-ops";
import { expect, test } from "vitest";
import { CliError } from "./errors.js";
import { createMessages, reportError } from "./messages.js";

function said(json = false): { text: () => string; messages: ReturnType<typeof createMessages> } {
  let text = "";
  return {
    text: () => text,
    messages: createMessages({
      level: "info",
      json,
      write: (more) => {
        text += more;
      },
    }),
  };
}

test("an error of the person's is one line, and its status is its own", () => {
  const { messages, text } = said();
  expect(reportError(new CliError(3, "no such file"), messages)).toBe(3);
  expect(text()).toBe("paravane: error: no such file\n");
});

test.each([
  ["image/truncated", 3],
  ["block/io", 3],
  ["config/memory", 2],
  ["core/memory-limit", 2],
  ["core/not-modelled", 5],
  ["core/verify", 6],
])("the code %s stands for status %i, with its hint and without a stack", (code, status) => {
  const { messages, text } = said();
  expect(reportError(new HvError(code, "it does not fit", { hint: "try less" }), messages)).toBe(status);
  expect(text()).toBe("paravane: error: it does not fit (try less)\n");
});

test("a bug of ours has a stack and status 70", () => {
  const { messages, text } = said();
  expect(reportError(new TypeError("x is not a function"), messages)).toBe(70);
  expect(text()).toMatch(/a bug of ours: TypeError: x is not a function\n\s+at /);
});

test("levels below the one asked for are silent, and JSON is a line each", () => {
  const { messages, text } = said(true);
  messages.debug("hidden");
  messages.info("seen", { vcpus: 1 });
  expect(JSON.parse(text())).toEqual({ level: "info", message: "seen", vcpus: 1 });
});
