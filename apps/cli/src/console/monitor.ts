// The monitor behind Ctrl-A c: the guest stands still, a person asks. Lines are read from the raw terminal; answers go to stderr.
import type { Vcpu } from "@paravane/paravirt-ops";
import type { Machine } from "@paravane/vmm";
import { formatRegisters } from "./registers.js";

const HELP = `help       this list
regs [N]   registers of vCPU N, or of all
info       memory, guest time, what each vCPU did
cont       let the guest go on (so does Ctrl-A c)
quit       end the run
`;

/** What the person decided. */
export type MonitorEnd = "continue" | "quit";

/** A conversation: bytes typed go in by `feed`, answers come out by `write`. */
export class Monitor {
  #line = "";

  constructor(
    private readonly machine: Machine,
    private readonly vcpus: () => readonly Vcpu[],
    private readonly write: (text: string) => void,
    private readonly end: (how: MonitorEnd) => void,
  ) {
    write("\nparavane monitor; the guest stands still. 'help' lists the commands.\n(paravane) ");
  }

  /** Bytes typed while the monitor has the keyboard. */
  feed(bytes: Uint8Array): void {
    for (const byte of bytes) {
      const character = String.fromCharCode(byte);
      if (character === "\r" || character === "\n") {
        this.write("\n");
        const line = this.#line.trim();
        this.#line = "";
        if (!this.#answer(line)) return;
        this.write("(paravane) ");
      } else if (byte === 0x7f || byte === 0x08) {
        if (this.#line !== "") this.write("\b \b");
        this.#line = this.#line.slice(0, -1);
      } else if (byte >= 0x20 && this.#line.length < 200) {
        this.#line += character;
        this.write(character);
      }
    }
  }

  /** False when the conversation is over. */
  #answer(line: string): boolean {
    const [command = "", argument] = line.split(/\s+/);
    switch (command) {
      case "":
        return true;
      case "help":
        this.write(HELP);
        return true;
      case "regs":
        this.#registers(argument);
        return true;
      case "info":
        this.#info();
        return true;
      case "cont":
      case "c":
        this.end("continue");
        return false;
      case "quit":
      case "q":
        this.end("quit");
        return false;
      default:
        this.write(`unknown: ${command}; 'help' lists the commands\n`);
        return true;
    }
  }

  #registers(which: string | undefined): void {
    const vcpus = this.vcpus();
    const chosen = which === undefined ? vcpus : vcpus.filter(({ id }) => String(id) === which);
    if (chosen.length === 0) this.write(`there is no vCPU ${which}; there are 0 to ${vcpus.length - 1}\n`);
    for (const vcpu of chosen) this.write(formatRegisters(vcpu));
  }

  #info(): void {
    const { instructions, guestNs, vcpuMs, idleMs, vcpus } = this.machine.stats();
    const { image, protocol, backend, memoryBytes } = this.machine.boot;
    const seconds = (ns: number): string => `${(ns / 1e9).toFixed(3)} s`;
    this.write(`${image} (${protocol}) on ${backend}, ${memoryBytes / 2 ** 20} MiB, ${countOf(vcpus.length, "vCPU")}\n`);
    this.write(`${instructions} instructions, guest time ${seconds(guestNs)}, `);
    this.write(`in vCPUs ${(vcpuMs / 1000).toFixed(3)} s, asleep ${(idleMs / 1000).toFixed(3)} s\n`);
    if (vcpus.length === 1) return;
    for (const { id, instructions: own, slices, pauses, stolenNs, halted } of vcpus) {
      this.write(`vCPU ${id}: ${halted ? "asleep" : "running"}, ${own} instructions in ${countOf(slices, "turn")}, `);
      this.write(`${countOf(pauses, "turn")} given away, waited ${seconds(stolenNs)}\n`);
    }
  }
}

const countOf = (count: number, what: string): string => `${count} ${what}${count === 1 ? "" : "s"}`;
