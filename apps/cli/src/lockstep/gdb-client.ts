// A client of gdb's remote protocol, for x86 machines: registers by the target's description, memory, steps, breakpoints, the monitor.
// One request at a time, in order; a stop that nobody asked for does not occur in all-stop mode.
import { connect, type Socket } from "node:net";
import { CliError, ExitStatus } from "../errors.js";
import { encodePacket, hexToValue, PacketReader, toHex, valueToHex } from "./gdb-packets.js";
import { type GdbRegister, readRegisterLayout } from "./target-description.js";

/** How the other side stopped. */
export type Stop = { readonly kind: "stopped"; readonly signal: number } | { readonly kind: "exited"; readonly detail: string };

/** Where the other side listens. */
export type GdbAddress = { readonly path: string } | { readonly host: string; readonly port: number };

/** What went wrong on the wire; the message names the packet. */
export const protocolError = (message: string): CliError =>
  new CliError(ExitStatus.notModelled, `the other machine's gdb port: ${message}`);

const MEMORY_CHUNK = 1024;
const FEATURES_CHUNK = 0xffb;

/** One connection. */
export class GdbClient {
  readonly #reader = new PacketReader();
  readonly #socket: Socket;
  #acknowledge = true;
  #waiting: { resolve: (data: string) => void; reject: (error: Error) => void } | undefined;
  #output: ((text: string) => void) | undefined;
  #ended: Error | undefined;
  #registers: ReadonlyMap<string, GdbRegister> = new Map();

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on("data", (bytes) => this.#receive(bytes));
    socket.on("error", (error) => this.#end(protocolError(error.message)));
    socket.on("close", () => this.#end(protocolError("the connection is closed")));
  }

  /** Connects and learns what the other side has. Rejects when nobody listens. */
  static async connect(address: GdbAddress): Promise<GdbClient> {
    const socket = connect(address);
    await new Promise<void>((resolve, reject) => {
      socket.once("connect", resolve);
      socket.once("error", reject);
    });
    socket.setNoDelay(true);
    const client = new GdbClient(socket);
    const features = await client.request("qSupported:xmlRegisters=i386");
    if (!features.includes("qXfer:features:read+")) throw protocolError("it does not describe its registers (qXfer:features)");
    if ((await client.request("QStartNoAckMode")) === "OK") client.#acknowledge = false;
    client.#registers = await readRegisterLayout((annex) => client.#features(annex));
    return client;
  }

  /** Registers by name, as the other side describes them. */
  get registers(): ReadonlyMap<string, GdbRegister> {
    return this.#registers;
  }

  /** Sends a packet and returns the answer. */
  request(data: string): Promise<string> {
    if (this.#ended) return Promise.reject(this.#ended);
    if (this.#waiting) throw new Error("a request is already under way");
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
      this.#socket.write(encodePacket(data));
    });
  }

  async #expectOk(data: string): Promise<void> {
    const answer = await this.request(data);
    if (answer !== "OK") throw protocolError(`${data.slice(0, 40)} was answered by "${answer}"`);
  }

  /** All registers that can be read. */
  async readRegisters(): Promise<Map<string, bigint>> {
    const all = await this.request("g");
    const values = new Map<string, bigint>();
    for (const { name, offset, bytes } of this.#registers.values()) {
      const value = hexToValue(all.slice(offset * 2, (offset + bytes) * 2));
      if (value !== undefined) values.set(name, value);
    }
    return values;
  }

  async writeRegister(name: string, value: bigint): Promise<void> {
    const register = this.#registers.get(name);
    if (!register) throw protocolError(`it has no register ${name}`);
    await this.#expectOk(`P${register.number.toString(16)}=${valueToHex(value, register.bytes)}`);
  }

  async readMemory(address: bigint, length: number): Promise<Uint8Array> {
    const parts: Buffer[] = [];
    for (let at = 0; at < length; at += MEMORY_CHUNK) {
      const size = Math.min(MEMORY_CHUNK, length - at);
      const answer = await this.request(`m${(address + BigInt(at)).toString(16)},${size.toString(16)}`);
      if (answer.length !== size * 2) throw protocolError(`reading ${size} bytes at ${address.toString(16)} gave "${answer.slice(0, 10)}"`);
      parts.push(Buffer.from(answer, "hex"));
    }
    return Buffer.concat(parts);
  }

  async writeMemory(address: bigint, bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length; at += MEMORY_CHUNK) {
      const part = bytes.subarray(at, at + MEMORY_CHUNK);
      await this.#expectOk(`M${(address + BigInt(at)).toString(16)},${part.length.toString(16)}:${toHex(part)}`);
    }
  }

  /** Executes one instruction (or one iteration of a repeated one). */
  async step(): Promise<Stop> {
    return parseStop(await this.request("s"));
  }

  /** Runs until a breakpoint, `interrupt()` or the end. */
  async continue(): Promise<Stop> {
    return parseStop(await this.request("c"));
  }

  /** Stops a machine that runs: Ctrl-C. */
  interrupt(): void {
    this.#socket.write(Uint8Array.of(3));
  }

  setBreakpoint(address: bigint): Promise<void> {
    return this.#expectOk(`Z0,${address.toString(16)},1`);
  }

  clearBreakpoint(address: bigint): Promise<void> {
    return this.#expectOk(`z0,${address.toString(16)},1`);
  }

  /** QEMU's: no interrupts and no timers while stepping. False where the other side does not know it. */
  async maskInterruptsInSteps(): Promise<boolean> {
    const bits = await this.request("qqemu.sstepbits");
    if (!bits.includes("NOIRQ")) return false;
    const value = [...bits.matchAll(/(?:ENABLE|NOIRQ|NOTIMER)=([0-9a-f]+)/g)].reduce((sum, [, bit]) => sum | Number.parseInt(bit!, 16), 0);
    return (await this.request(`Qqemu.sstep=${value.toString(16)}`)) === "OK";
  }

  /** QEMU's: addresses of memory packets are physical. */
  usePhysicalMemory(): Promise<void> {
    return this.#expectOk("Qqemu.PhyMemMode:1");
  }

  /** A command of the other side's monitor; returns what it printed. */
  async monitor(command: string): Promise<string> {
    let text = "";
    this.#output = (part) => {
      text += part;
    };
    const answer = await this.request(`qRcmd,${toHex(Buffer.from(command))}`);
    this.#output = undefined;
    if (answer !== "OK") throw protocolError(`it has no monitor (${command}: "${answer}")`);
    return text;
  }

  close(): void {
    this.#ended ??= protocolError("the connection is closed");
    this.#socket.destroy();
  }

  async #features(annex: string): Promise<string> {
    let text = "";
    for (;;) {
      const part = await this.request(`qXfer:features:read:${annex}:${text.length.toString(16)},${FEATURES_CHUNK.toString(16)}`);
      if (part[0] !== "m" && part[0] !== "l") throw protocolError(`${annex} cannot be read: "${part.slice(0, 10)}"`);
      text += part.slice(1);
      if (part[0] === "l") return text;
    }
  }

  #receive(bytes: Uint8Array): void {
    for (const item of this.#reader.feed(bytes)) {
      if (item.kind === "bad") this.#socket.write("-");
      if (item.kind !== "packet") continue;
      if (this.#acknowledge) this.#socket.write("+");
      const { data } = item;
      if (data[0] === "O" && data !== "OK") {
        this.#output?.(Buffer.from(data.slice(1), "hex").toString());
        continue;
      }
      const waiting = this.#waiting;
      this.#waiting = undefined;
      waiting?.resolve(data);
    }
  }

  #end(error: Error): void {
    this.#ended ??= error;
    this.#waiting?.reject(this.#ended);
    this.#waiting = undefined;
  }
}

function parseStop(answer: string): Stop {
  if (/^[ST][0-9a-f]{2}/.test(answer)) return { kind: "stopped", signal: Number.parseInt(answer.slice(1, 3), 16) };
  if (/^[WX]/.test(answer)) return { kind: "exited", detail: answer };
  throw protocolError(`a step was answered by "${answer.slice(0, 20)}"`);
}
