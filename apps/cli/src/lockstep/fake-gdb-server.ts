// A gdb server for tests: sixteen bytes of registers, a little memory, and a script of answers for whatever else is asked.
import { createServer, type Server, type Socket } from "node:net";
import type { AddressInfo } from "node:net";
import { encodePacket, PacketReader } from "./gdb-packets.js";

const TARGET = '<target><architecture>i386</architecture><xi:include href="core.xml"/></target>';
const CORE = '<feature name="x"><reg name="eax" bitsize="32" type="int32"/><reg name="rip" bitsize="64" type="code_ptr"/></feature>';

/** A server that answers one client. */
export class FakeGdbServer {
  readonly memory = new Uint8Array(4096);
  registers = Buffer.alloc(12);
  /** Packets received, in order. */
  readonly seen: string[] = [];
  /** Answers by packet; they come before the built-in ones. Several are sent as several packets. */
  readonly answers = new Map<string, string | readonly string[]>();
  /** Sends the first packet with a wrong checksum once. */
  spoilNext = false;
  interrupts = 0;
  #server: Server;
  #socket: Socket | undefined;

  private constructor(server: Server) {
    this.#server = server;
  }

  static async listen(): Promise<FakeGdbServer> {
    const server = createServer();
    const fake = new FakeGdbServer(server);
    server.on("connection", (socket) => fake.#serve(socket));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return fake;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  close(): void {
    this.#socket?.destroy();
    this.#server.close();
  }

  /** Ends the connection as a process that dies does. */
  hangUp(): void {
    this.#socket?.destroy();
  }

  #serve(socket: Socket): void {
    this.#socket = socket;
    const reader = new PacketReader();
    let last = Buffer.alloc(0);
    let acknowledge = true;
    socket.on("error", () => {});
    socket.on("data", (bytes) => {
      for (const item of reader.feed(bytes)) {
        if (item.kind === "interrupt") {
          this.interrupts++;
          socket.write(encodePacket("T02thread:01;"));
        }
        if (item.kind === "nak") socket.write(last);
        if (item.kind !== "packet") continue;
        this.seen.push(item.data);
        if (acknowledge) socket.write("+");
        const answer = this.#answer(item.data);
        if (answer === undefined) continue;
        if (item.data === "QStartNoAckMode") acknowledge = false;
        const packets = (typeof answer === "string" ? [answer] : answer).map(encodePacket);
        last = Buffer.concat(packets);
        if (this.spoilNext) {
          this.spoilNext = false;
          const bad = Buffer.from(last);
          bad[bad.length - 1] = bad[bad.length - 1] === 0x30 ? 0x31 : 0x30;
          socket.write(bad);
        } else socket.write(last);
      }
    });
  }

  #answer(packet: string): string | readonly string[] | undefined {
    const scripted = this.answers.get(packet);
    if (scripted !== undefined) return scripted;
    if (packet.startsWith("qSupported")) return "PacketSize=1000;qXfer:features:read+";
    if (packet === "QStartNoAckMode") return "OK";
    const annex = /^qXfer:features:read:([^:]+):([0-9a-f]+),/.exec(packet);
    if (annex) {
      // In two parts, so that the client has to ask again.
      const text = (annex[1] === "target.xml" ? TARGET : CORE).slice(Number.parseInt(annex[2]!, 16));
      return text.length > 40 ? `m${text.slice(0, 40)}` : `l${text}`;
    }
    if (packet === "g") return this.registers.toString("hex");
    const set = /^P([0-9a-f]+)=([0-9a-f]+)$/.exec(packet);
    if (set) {
      Buffer.from(set[2]!, "hex").copy(this.registers, set[1] === "0" ? 0 : 4);
      return "OK";
    }
    const memory = /^([mM])([0-9a-f]+),([0-9a-f]+)(?::([0-9a-f]*))?$/.exec(packet);
    if (memory) {
      const [, kind, at = "", length = "", data = ""] = memory;
      const from = Number.parseInt(at, 16);
      const size = Number.parseInt(length, 16);
      if (from + size > this.memory.length) return "E14";
      if (kind === "m") return Buffer.from(this.memory.subarray(from, from + size)).toString("hex");
      this.memory.set(Buffer.from(data, "hex"), from);
      return "OK";
    }
    return packet === "c" ? undefined : "";
  }
}
