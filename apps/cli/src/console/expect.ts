// `--until A --then TEXT --until B`: waits for text on the console, types, waits again. Only a bounded tail of the console is kept.
// Terminal escape sequences are left out of what is matched: a shell asks for the cursor's place right after its prompt, and `# $` should still fit.
import { parsePattern } from "../args/values.js";

/** One step of a headless session. */
export type Step = { readonly until: RegExp } | { readonly type: Uint8Array };

const KEEP_CHARACTERS = 1 << 16;
const ESCAPE_SEQUENCE = /\x1b(?:\[[0-?]*[ -/]*[@-~]|[@-Z\\-_])/g;
const OPEN_SEQUENCE = /\x1b(?:\[[0-?]*[ -/]*)?$/;
const LONGEST_SEQUENCE = 32;
const ESCAPES: Record<string, string> = { n: "\n", r: "\r", t: "\t", e: "\x1b", "\\": "\\", "0": "\0" };

/** Reads `--until`; `^` and `$` match at lines. */
export const parseUntil = (pattern: string): Step => ({ until: parsePattern("--until", pattern) });

/** Reads `--then`: \n \r \t \e \0 \\ and \xNN (a byte) stand for what they do elsewhere; other text is sent as UTF-8. */
export function parseThen(text: string): Step {
  const bytes = text.split(/(\\x[0-9a-fA-F]{2}|\\.)/).flatMap((part, index) => {
    if (index % 2 === 1 && part.length === 4) return [Number.parseInt(part.slice(2), 16)];
    return [...new TextEncoder().encode(index % 2 === 1 ? (ESCAPES[part.slice(1)] ?? part) : part)];
  });
  return { type: Uint8Array.from(bytes) };
}

/** Walks through the steps as the console shows its text. */
export class ExpectSession {
  #text = "";
  #open = "";
  #next = 0;
  readonly #decoder = new TextDecoder();

  constructor(
    private readonly steps: readonly Step[],
    private readonly type: (bytes: Uint8Array) => void,
    private readonly finished: () => void,
  ) {}

  /** The pattern that has not been seen yet, or undefined when all were. */
  get waitingFor(): RegExp | undefined {
    for (const step of this.steps.slice(this.#next)) if ("until" in step) return step.until;
    return undefined;
  }

  /** Types what comes before the first pattern. */
  start(): void {
    this.#advance();
  }

  /** More of the console. */
  feed(bytes: Uint8Array): void {
    const text = (this.#open + this.#decoder.decode(bytes, { stream: true })).replace(ESCAPE_SEQUENCE, "");
    const open = OPEN_SEQUENCE.exec(text)?.[0] ?? "";
    this.#open = open.length <= LONGEST_SEQUENCE ? open : "";
    this.#text = (this.#text + text.slice(0, text.length - this.#open.length)).slice(-KEEP_CHARACTERS);
    this.#advance();
  }

  #advance(): void {
    while (this.#next < this.steps.length) {
      const step = this.steps[this.#next]!;
      if ("until" in step) {
        const match = step.until.exec(this.#text);
        if (!match) return;
        this.#text = this.#text.slice(match.index + match[0].length);
      } else {
        this.type(step.type);
      }
      this.#next++;
      if (this.#next === this.steps.length && "until" in step) this.finished();
    }
  }
}
