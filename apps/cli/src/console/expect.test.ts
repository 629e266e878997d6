import { describe, expect, test } from "vitest";
import { ExpectSession, parseThen, parseUntil, type Step } from "./expect.js";

function session(...steps: Step[]): { see: (text: string) => void; typed: () => string; done: () => number; session: ExpectSession } {
  let typed = "";
  let done = 0;
  const expecting = new ExpectSession(
    steps,
    (bytes) => (typed += new TextDecoder().decode(bytes)),
    () => done++,
  );
  expecting.start();
  return { see: (text) => expecting.feed(new TextEncoder().encode(text)), typed: () => typed, done: () => done, session: expecting };
}

describe("waiting and typing", () => {
  test("a pattern is found across pieces of the console", () => {
    const { see, done } = session(parseUntil("user space"));
    see("paravane: user");
    expect(done()).toBe(0);
    see(" space");
    expect(done()).toBe(1);
  });

  test("text is typed after its pattern, and the next pattern is looked for after it", () => {
    const { see, typed, done, session: s } = session(parseUntil("# "), parseThen("ls\\n"), parseUntil("# "));
    see("/ # ");
    expect([typed(), done()]).toEqual(["ls\n", 0]);
    expect(s.waitingFor).toEqual(/# /m);
    see("bin\n/ # ");
    expect(done()).toBe(1);
    expect(s.waitingFor).toBeUndefined();
  });

  test("text after the last pattern is typed, and then the guest is waited for", () => {
    const { see, typed, done, session: s } = session(parseUntil("# "), parseThen("poweroff -f\\r"));
    see("# ");
    expect([typed(), done(), s.waitingFor]).toEqual(["poweroff -f\r", 0, undefined]);
  });

  test("text before any pattern is typed at once", () => {
    expect(session(parseThen("x")).typed()).toBe("x");
  });

  test("^ and $ match at lines", () => {
    const { see, done } = session(parseUntil("^ready$"));
    see("not ready\n");
    expect(done()).toBe(0);
    see("ready\n");
    expect(done()).toBe(1);
  });

  test("escape sequences are left out, also when they come in pieces", () => {
    const { see, done } = session(parseUntil("root # $"));
    see("ro\x1b[1;3");
    see("2mot\x1b[0m # ");
    expect(done()).toBe(1);
    const prompt = session(parseUntil("^/ # $"));
    prompt.see("\r\n/ # \x1b[6n");
    expect(prompt.done()).toBe(1);
  });

  test("the text kept is bounded, and the newest stays", () => {
    const { see, done } = session(parseUntil("the end"));
    for (let megabyte = 0; megabyte < 4; megabyte++) see("x".repeat(1 << 20));
    see("the end");
    expect(done()).toBe(1);
  });
});

describe("the spellings of --then and --until", () => {
  test("escapes stand for what they do elsewhere, other text is UTF-8", () => {
    expect(parseThen("a\\n\\r\\t\\e\\\\\\x03\\q é")).toEqual({ type: new TextEncoder().encode("a\n\r\t\x1b\\\x03\\q é") });
    expect(parseThen("\\xff")).toEqual({ type: Uint8Array.of(0xff) });
  });

  test("a bad regular expression is a usage error that shows where", () => {
    expect(() => parseUntil("a(")).toThrow(/--until: not a regular expression: .*a\(/);
  });
});
