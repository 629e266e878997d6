// Reads QEMU's text of an x86 processor's state, as its monitor ("info registers") and its log ("-d cpu,fpu") print it.
// Lines hold NAME=hex, segments and tables hold several numbers; what is not known is skipped. Tens of thousands of records arrive in a
// second, so numbers are read by their characters into 32-bit words.
import { fieldIndex, GENERAL, SEGMENTS, State } from "./state.js";

const FX_BYTES = 512;
const FX_FCW = 0;
const FX_FSW = 2;
const FX_FTW = 4;
const FX_MXCSR = 24;
const FX_ST = 32;
const FX_XMM = 160;

/** Single numbers: the name before the "=" to the field's index. */
const SINGLE = new Map<string, number>();
for (const name of GENERAL.slice(0, 8)) {
  SINGLE.set(name.toUpperCase(), fieldIndex(name));
  SINGLE.set(`E${name.slice(1).toUpperCase()}`, fieldIndex(name));
}
for (const name of GENERAL.slice(8)) SINGLE.set(name.toUpperCase(), fieldIndex(name));
for (const name of ["rip", "cr0", "cr2", "cr3", "cr4", "efer", "dr0", "dr1", "dr2", "dr3", "dr6", "dr7"]) {
  SINGLE.set(name.toUpperCase(), fieldIndex(name));
}
SINGLE.set("EIP", fieldIndex("rip"));
SINGLE.set("RFL", fieldIndex("rflags"));
SINGLE.set("EFL", fieldIndex("rflags"));
/** Selector, base, limit, descriptor bits: index of the first field. */
const SEGMENT = new Map<string, number>();
for (const name of SEGMENTS.slice(0, 6)) SEGMENT.set(name.toUpperCase(), fieldIndex(name));
SEGMENT.set("LDT", fieldIndex("ldtr"));
SEGMENT.set("TR", fieldIndex("tr"));
const TABLE = new Map([
  ["GDT", fieldIndex("gdtr.base")],
  ["IDT", fieldIndex("idtr.base")],
]);

const digit = (code: number): number => (code >= 48 && code <= 57 ? code - 48 : code >= 97 && code <= 102 ? code - 87 : -1);

const SPACE = 32;
const isNamePart = (code: number): boolean => (code >= 65 && code <= 90) || (code >= 48 && code <= 57);

/** Collects records from a stream of text; each is handed on when its last line has come. */
export class DumpReader {
  #rest = "";
  #state: State | undefined;
  #fx: DataView | undefined;
  /** Physical x87 registers, mantissa and exponent, until the top is known and the record ends. */
  readonly #fpr = new BigUint64Array(16);
  readonly #tail: string;
  #at = 0;
  #low = 0;
  #high = 0;

  /** @param withFx - records go on with x87 and SSE registers after EFER */
  constructor(
    private readonly onState: (state: State) => void,
    withFx: boolean,
  ) {
    this.#tail = withFx ? "XMM" : "EFER";
  }

  feed(text: string): void {
    const all = this.#rest + text;
    let start = 0;
    for (;;) {
      const end = all.indexOf("\n", start);
      if (end < 0) break;
      this.#line(all.slice(start, end));
      start = end + 1;
    }
    this.#rest = all.slice(start);
  }

  /** Drops a record that was only begun. */
  reset(): void {
    this.#rest = "";
    this.#state = undefined;
  }

  #line(line: string): void {
    if (line.startsWith("RAX=") || line.startsWith("EAX=")) {
      this.#state = new State();
      this.#fx = undefined;
    }
    const state = this.#state;
    if (state === undefined) return;
    this.#at = 0;
    for (;;) {
      const equals = line.indexOf("=", this.#at);
      if (equals < 0) break;
      const end = line.charCodeAt(equals - 1) === SPACE ? equals - 1 : equals; // "ES ="
      let from = end;
      while (from > 0 && isNamePart(line.charCodeAt(from - 1))) from--;
      const name = line.slice(from, end);
      this.#at = equals + 1;
      this.#value(state, name, line);
    }
    if (line.startsWith(this.#tail) && (this.#tail === "EFER" || this.#isLastXmm(line, state))) this.#finish(state);
  }

  #isLastXmm(line: string, state: State): boolean {
    return line.includes(state.bits === 64 ? "XMM15=" : "XMM07=");
  }

  #value(state: State, name: string, line: string): void {
    const single = SINGLE.get(name);
    if (single !== undefined) {
      this.#number(line);
      this.#put(state, single);
      return;
    }
    const segment = SEGMENT.get(name);
    if (segment !== undefined) {
      for (let part = 0; part < 4; part++) {
        this.#number(line);
        if (part === 3) {
          this.#low = (this.#low >>> 8) & 0xf0ff;
          this.#high = 0;
        }
        this.#put(state, segment + part);
      }
      this.#at = line.length; // "DPL=0" and the like follow
      return;
    }
    const table = TABLE.get(name);
    if (table !== undefined) {
      for (let part = 0; part < 2; part++) {
        this.#number(line);
        this.#put(state, table + part);
      }
      return;
    }
    if (this.#tail === "XMM") this.#fxValue(name, line);
  }

  #fxValue(name: string, line: string): void {
    if (name === "FCW") this.#fx = new DataView(new ArrayBuffer(FX_BYTES));
    const fx = this.#fx;
    if (fx === undefined) return;
    if (name === "FCW" || name === "FSW" || name === "FTW" || name === "MXCSR" || name === "ST") {
      this.#number(line);
      if (name === "FCW") fx.setUint16(FX_FCW, this.#low, true);
      else if (name === "FSW") fx.setUint16(FX_FSW, this.#low & 0xc7ff, true);
      else if (name === "ST") fx.setUint16(FX_FSW, fx.getUint16(FX_FSW, true) | ((this.#low & 7) << 11), true);
      else if (name === "FTW") fx.setUint8(FX_FTW, this.#low);
      else fx.setUint32(FX_MXCSR, this.#low, true);
    } else if (/^FPR[0-7]$/.test(name)) {
      const at = Number(name[3]) * 2;
      for (let part = 0; part < 2; part++) {
        this.#number(line);
        this.#fpr[at + part] = (BigInt(this.#high >>> 0) << 32n) | BigInt(this.#low >>> 0);
      }
    } else if (/^XMM[01][0-9]$/.test(name)) {
      const at = FX_XMM + Number(name.slice(3)) * 16;
      for (const half of [8, 0]) {
        this.#number(line);
        fx.setUint32(at + half, this.#low, true);
        fx.setUint32(at + half + 4, this.#high, true);
      }
    }
  }

  #finish(state: State): void {
    const fx = this.#fx;
    if (fx !== undefined) {
      const top = (fx.getUint16(FX_FSW, true) >> 11) & 7;
      for (let i = 0; i < 8; i++) {
        const from = ((top + i) & 7) * 2;
        fx.setBigUint64(FX_ST + i * 16, this.#fpr[from]!, true);
        fx.setUint16(FX_ST + i * 16 + 8, Number(this.#fpr[from + 1]!), true);
      }
      state.fx = new Uint8Array(fx.buffer);
    }
    this.#state = undefined;
    this.onState(state);
  }

  #put(state: State, field: number): void {
    state.words[field * 2] = this.#low;
    state.words[field * 2 + 1] = this.#high;
  }

  /** The hexadecimal number at or after the cursor, into low and high words. */
  #number(line: string): void {
    let at = this.#at;
    while (at < line.length && digit(line.charCodeAt(at)) < 0) at++;
    const start = at;
    while (at < line.length && digit(line.charCodeAt(at)) >= 0) at++;
    let low = 0;
    let high = 0;
    const split = Math.max(start, at - 8);
    for (let i = start; i < split; i++) high = (high << 4) | digit(line.charCodeAt(i));
    for (let i = split; i < at; i++) low = (low << 4) | digit(line.charCodeAt(i));
    this.#low = low;
    this.#high = high;
    this.#at = at;
  }
}

/** The state in the answer of "info registers". @throws Error when there is none */
export function parseDump(text: string): State {
  let found: State | undefined;
  new DumpReader((state) => {
    found = state;
  }, true).feed(`${text.replaceAll("\r", "")}\n`);
  if (found === undefined) throw new Error("the other machine's monitor shows no x86 registers");
  return found;
}
