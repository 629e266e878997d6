// The keys that belong to us while the guest has the terminal: Ctrl-A and a letter, as qemu's -nographic has taught. Everything else is the guest's.

/** What a person asked for at the keyboard. */
export type KeyCommand = "quit" | "monitor" | "help";

const CTRL_A = 0x01;
const COMMANDS: Record<string, KeyCommand> = { x: "quit", c: "monitor", h: "help", "?": "help" };

/** What Ctrl-A h shows. */
export const KEY_HELP = "Ctrl-A x  quit\nCtrl-A c  monitor, and back\nCtrl-A h  this help\nCtrl-A a  send Ctrl-A\n";

/** Splits typed bytes into the guest's and ours; remembers a Ctrl-A across calls. */
export class EscapeKeys {
  #escaped = false;

  constructor(private readonly command: (command: KeyCommand) => void) {}

  /** Returns what goes to the guest. */
  feed(bytes: Uint8Array): Uint8Array {
    const out: number[] = [];
    for (const byte of bytes) {
      if (!this.#escaped) {
        if (byte === CTRL_A) this.#escaped = true;
        else out.push(byte);
        continue;
      }
      this.#escaped = false;
      const command = COMMANDS[String.fromCharCode(byte).toLowerCase()];
      if (command) this.command(command);
      else if (byte === 0x61 || byte === CTRL_A) out.push(CTRL_A);
      else out.push(CTRL_A, byte);
    }
    return Uint8Array.from(out);
  }
}
