// Packets of gdb's remote protocol ("Debugging with GDB", appendix E.1): $data#checksum, acknowledgements, escapes and run lengths.

const ESCAPE = 0x7d;
const NEEDS_ESCAPE = new Set([0x23, 0x24, 0x2a, ESCAPE]); // # $ * }

const checksum = (bytes: Uint8Array): number => bytes.reduce((sum, byte) => (sum + byte) & 0xff, 0);

/** A packet as bytes on the wire; `data` holds one character a byte. */
export function encodePacket(data: string): Buffer {
  const escaped: number[] = [];
  for (let i = 0; i < data.length; i++) {
    const byte = data.charCodeAt(i) & 0xff;
    if (NEEDS_ESCAPE.has(byte)) escaped.push(ESCAPE, byte ^ 0x20);
    else escaped.push(byte);
  }
  const body = Uint8Array.from(escaped);
  return Buffer.concat([Buffer.from("$"), body, Buffer.from(`#${checksum(body).toString(16).padStart(2, "0")}`)]);
}

/** What a stream of bytes holds: packets (notifications are dropped), acknowledgements, and the interrupt character. */
export type Received = { kind: "packet"; data: string } | { kind: "bad" } | { kind: "ack" } | { kind: "nak" } | { kind: "interrupt" };

/** Cuts a stream into packets. Bytes between packets that mean nothing are skipped. */
export class PacketReader {
  #pending = Buffer.alloc(0);

  feed(bytes: Uint8Array): Received[] {
    this.#pending = this.#pending.length === 0 ? Buffer.from(bytes) : Buffer.concat([this.#pending, bytes]);
    const out: Received[] = [];
    let at = 0;
    const buffer = this.#pending;
    for (; at < buffer.length; at++) {
      const byte = buffer[at]!;
      if (byte === 0x2b) out.push({ kind: "ack" });
      else if (byte === 0x2d) out.push({ kind: "nak" });
      else if (byte === 3) out.push({ kind: "interrupt" });
      else if (byte === 0x24 || byte === 0x25) {
        const end = buffer.indexOf(0x23, at);
        if (end < 0 || end + 2 >= buffer.length) break;
        const body = buffer.subarray(at + 1, end);
        const good = Number.parseInt(buffer.toString("latin1", end + 1, end + 3), 16) === checksum(body);
        if (byte === 0x24) out.push(good ? { kind: "packet", data: decodeBody(body) } : { kind: "bad" });
        at = end + 2;
      }
    }
    this.#pending = buffer.subarray(at);
    return out;
  }
}

function decodeBody(body: Buffer): string {
  if (!body.includes(ESCAPE) && !body.includes(0x2a)) return body.toString("latin1");
  let text = "";
  for (let i = 0; i < body.length; i++) {
    const byte = body[i]!;
    if (byte === ESCAPE) text += String.fromCharCode(body[++i]! ^ 0x20);
    else if (byte === 0x2a && text.length > 0) text += text.at(-1)!.repeat(body[++i]! - 29);
    else text += String.fromCharCode(byte);
  }
  return text;
}

/** Bytes as pairs of hexadecimal digits. */
export const toHex = (bytes: Uint8Array): string => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("hex");

/** A register's value as the protocol writes it: little-endian bytes. */
export function valueToHex(value: bigint, bytes: number): string {
  const out = Buffer.alloc(bytes);
  for (let i = 0; i < bytes; i++) out[i] = Number((value >> BigInt(8 * i)) & 0xffn);
  return out.toString("hex");
}

/** The opposite; undefined for a register that the other side cannot read ("xxxx"). */
export function hexToValue(text: string): bigint | undefined {
  if (!/^(?:[0-9a-f]{2})+$/i.test(text)) return undefined;
  return BigInt(`0x${Buffer.from(text, "hex").reverse().toString("hex")}`);
}
