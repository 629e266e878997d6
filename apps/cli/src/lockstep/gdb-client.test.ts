import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { FakeGdbServer } from "./fake-gdb-server.js";
import { GdbClient } from "./gdb-client.js";
import { encodePacket, hexToValue, PacketReader, valueToHex } from "./gdb-packets.js";

describe("packets", () => {
  it("carry a checksum, and escape what would end them", () => {
    expect(encodePacket("g").toString()).toBe("$g#67");
    const [received] = new PacketReader().feed(encodePacket("a#b$c}d*e"));
    expect(received).toEqual({ kind: "packet", data: "a#b$c}d*e" });
  });

  it("arrive in pieces, with acknowledgements and Ctrl-C between them", () => {
    const reader = new PacketReader();
    const bytes = Buffer.concat([Buffer.from("+"), encodePacket("OK"), Uint8Array.of(3), encodePacket("T05")]);
    const kinds = [...bytes].flatMap((byte) => reader.feed(Uint8Array.of(byte)));
    expect(kinds).toEqual([{ kind: "ack" }, { kind: "packet", data: "OK" }, { kind: "interrupt" }, { kind: "packet", data: "T05" }]);
  });

  it("are refused with a wrong checksum", () => {
    expect(new PacketReader().feed(Buffer.from("$OK#00"))).toEqual([{ kind: "bad" }]);
  });

  it("expand runs of a character", () => {
    expect(new PacketReader().feed(Buffer.from("$0* #7a"))).toEqual([{ kind: "packet", data: "0000" }]);
  });

  it("hold registers as little-endian bytes", () => {
    expect(valueToHex(0x1234n, 4)).toBe("34120000");
    expect(hexToValue("3412000000000080")).toBe(0x8000000000001234n);
    expect(hexToValue("xxxxxxxx")).toBeUndefined();
  });
});

describe("the client", () => {
  let server: FakeGdbServer;
  let client: GdbClient;
  beforeEach(async () => {
    server = await FakeGdbServer.listen();
    client = await GdbClient.connect({ host: "127.0.0.1", port: server.port });
  });
  afterEach(() => {
    client.close();
    server.close();
  });

  it("learns the registers from the target's description, in parts and with includes", () => {
    expect([...client.registers.values()]).toEqual([
      { name: "eax", number: 0, offset: 0, bytes: 4 },
      { name: "rip", number: 1, offset: 4, bytes: 8 },
    ]);
  });

  it("reads and writes registers by their names", async () => {
    await client.writeRegister("rip", 0xffffffff81000000n);
    await client.writeRegister("eax", 7n);
    expect(Object.fromEntries(await client.readRegisters())).toEqual({ eax: 7n, rip: 0xffffffff81000000n });
    await expect(client.writeRegister("zmm0", 0n)).rejects.toThrow("it has no register zmm0");
  });

  it("moves memory in pieces that fit into packets", async () => {
    const bytes = Uint8Array.from({ length: 3000 }, (_, i) => i & 0xff);
    await client.writeMemory(16n, bytes);
    expect(await client.readMemory(16n, 3000)).toEqual(Buffer.from(bytes));
    expect(server.seen.filter((packet) => packet.startsWith("m")).length).toBe(3);
    await expect(client.writeMemory(4090n, bytes.subarray(0, 32))).rejects.toThrow("E14");
  });

  it("asks again for a packet that was damaged on the way", async () => {
    server.spoilNext = true;
    expect((await client.readRegisters()).get("eax")).toBe(0n);
  });

  it("tells stops from exits", async () => {
    server.answers.set("s", "T05thread:01;");
    expect(await client.step()).toEqual({ kind: "stopped", signal: 5 });
    server.answers.set("s", "W00");
    expect(await client.step()).toEqual({ kind: "exited", detail: "W00" });
  });

  it("stops a machine that runs by Ctrl-C", async () => {
    const stop = client.continue();
    client.interrupt();
    expect(await stop).toEqual({ kind: "stopped", signal: 2 });
    expect(server.interrupts).toBe(1);
  });

  it("sets and clears breakpoints", async () => {
    server.answers.set("Z0,1000,1", "OK");
    server.answers.set("z0,1000,1", "OK");
    await client.setBreakpoint(0x1000n);
    await client.clearBreakpoint(0x1000n);
    await expect(client.setBreakpoint(0x2000n)).rejects.toThrow("Z0,2000,1");
  });

  it("masks interrupts and timers in steps where the other side can", async () => {
    expect(await client.maskInterruptsInSteps()).toBe(false);
    server.answers.set("qqemu.sstepbits", "ENABLE=1,NOIRQ=2,NOTIMER=4");
    server.answers.set("Qqemu.sstep=7", "OK");
    expect(await client.maskInterruptsInSteps()).toBe(true);
  });

  it("collects what the monitor prints", async () => {
    const hex = (text: string): string => Buffer.from(text).toString("hex");
    server.answers.set(`qRcmd,${hex("info registers")}`, [`O${hex("RAX=1\n")}`, `O${hex("RBX=2\n")}`, "OK"]);
    expect(await client.monitor("info registers")).toBe("RAX=1\nRBX=2\n");
    await expect(client.monitor("help")).rejects.toThrow("it has no monitor");
  });

  it("rejects what is under way when the other side goes away", async () => {
    const stop = client.continue();
    setTimeout(() => server.hangUp(), 5);
    await expect(stop).rejects.toThrow("the connection is closed");
    await expect(client.step()).rejects.toThrow("the connection is closed");
  });
});
