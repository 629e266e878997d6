/**
 * National PC16550D universal asynchronous receiver/transmitter. Datasheet (June 1995), §8 "Registers".
 * Bytes go in by `receive` and out by `transmit`; INTRPT is derived from state and never stored.
 * Left out: the line itself. There is no baud rate (a byte takes no time), no parity or framing error, and the receiver's character time-out
 * comes at once instead of after four character times. DMA mode (FCR bit 3) is kept nowhere.
 */
import { requireSchema } from "../schema.js";
import { ByteFifo } from "./fifo.js";

const RBR_THR = 0;
const IER = 1;
const IIR_FCR = 2;
const LCR = 3;
const MCR = 4;
const LSR = 5;
const MSR = 6;
const SCR = 7;

const IER_ERBFI = 1 << 0;
const IER_ETBEI = 1 << 1;
const IER_ELSI = 1 << 2;
const IER_EDSSI = 1 << 3;
const IIR_NONE = 0x01;
const IIR_MODEM = 0x00;
const IIR_THRE = 0x02;
const IIR_DATA = 0x04;
const IIR_LINE = 0x06;
const IIR_TIMEOUT = 0x0c;
const IIR_FIFOS = 0xc0;
const FCR_ENABLE = 1 << 0;
const FCR_CLEAR_RX = 1 << 1;
const FCR_CLEAR_TX = 1 << 2;
const LCR_BREAK = 1 << 6;
const LCR_DLAB = 1 << 7;
const MCR_LOOP = 1 << 4;
const LSR_DR = 1 << 0;
const LSR_OE = 1 << 1;
const LSR_BI = 1 << 4;
const LSR_THRE = 1 << 5;
const LSR_TEMT = 1 << 6;
const MSR_TERI = 1 << 2;

const FIFO_BYTES = 16;
const TRIGGER_LEVELS = [1, 4, 8, 14] as const;

/** Modem inputs as bits of the MSR's high half: CTS, DSR, RI, DCD. */
export const MODEM_CONNECTED = 0xb0;

/** Everything a PC16550D remembers. */
export interface Uart16550State {
  readonly schema: "uart-16550@1";
  received: number[];
  transmitting: number[];
  ier: number;
  fifos: boolean;
  trigger: number;
  lcr: number;
  mcr: number;
  lineErrors: number;
  modem: number;
  modemDeltas: number;
  scratch: number;
  divisor: number;
  thrEmptyPending: boolean;
}

/** A PC16550D. */
export class Uart16550 {
  readonly #rx = new ByteFifo(FIFO_BYTES);
  readonly #tx = new ByteFifo(FIFO_BYTES);
  #ier = 0;
  #fifos = false;
  #trigger = 0;
  #lcr = 0;
  #mcr = 0;
  /** Error bits of the LSR, kept until it is read. */
  #lineErrors = 0;
  /** Levels at the modem pins, as the MSR shows them. */
  #modem = MODEM_CONNECTED;
  #modemDeltas = 0;
  #scratch = 0;
  #divisor = 1;
  #thrEmptyPending = false;

  /** The MR pin: registers to their reset values, FIFOs empty; scratch and divisor are not touched by it. */
  reset(): void {
    this.#rx.clear();
    this.#tx.clear();
    this.#ier = 0;
    this.#fifos = false;
    this.#trigger = 0;
    this.#lcr = 0;
    this.#mcr = 0;
    this.#lineErrors = 0;
    this.#modemDeltas = 0;
    this.#thrEmptyPending = false;
  }

  /** Level of the INTRPT pin. */
  get interrupt(): boolean {
    return this.#interruptId() !== IIR_NONE;
  }

  /** Levels of the OUT2 output, which gates the interrupt in a PC. */
  get out2(): boolean {
    return (this.#mcr & 0x08) !== 0 && (this.#mcr & MCR_LOOP) === 0;
  }

  /** Bytes that the receiver can still take. */
  get receiveRoom(): number {
    if (this.#mcr & MCR_LOOP) return 0;
    return (this.#fifos ? FIFO_BYTES : 1) - this.#rx.length;
  }

  /** A byte from the line. False when there is no room: the host must wait. */
  receive(byte: number): boolean {
    if (this.receiveRoom <= 0) return false;
    this.#rx.push(byte & 0xff);
    return true;
  }

  /** Bytes that wait to be sent. */
  get transmitPending(): number {
    return this.#tx.length;
  }

  /** Takes all bytes that wait to be sent: the transmitter is empty afterwards. */
  transmit(): Uint8Array<ArrayBuffer> {
    const bytes = new Uint8Array(this.#tx.length);
    for (let index = 0; index < bytes.length; index++) bytes[index] = this.#tx.shift();
    this.#thrEmptyPending = true;
    return bytes;
  }

  read(register: number): number {
    switch (register) {
      case RBR_THR:
        if (this.#lcr & LCR_DLAB) return this.#divisor & 0xff;
        return this.#rx.length > 0 ? this.#rx.shift() : 0;
      case IER:
        return this.#lcr & LCR_DLAB ? this.#divisor >> 8 : this.#ier;
      case IIR_FCR: {
        const id = this.#interruptId();
        if (id === IIR_THRE) this.#thrEmptyPending = false;
        return id | (this.#fifos ? IIR_FIFOS : 0);
      }
      case LCR:
        return this.#lcr;
      case MCR:
        return this.#mcr;
      case LSR: {
        const value = this.#lineStatus();
        this.#lineErrors = 0;
        return value;
      }
      case MSR: {
        const value = this.#modemLevels() | this.#modemDeltas;
        this.#modemDeltas = 0;
        return value;
      }
      default:
        return this.#scratch;
    }
  }

  write(register: number, value: number): void {
    switch (register) {
      case RBR_THR:
        if (this.#lcr & LCR_DLAB) this.#divisor = (this.#divisor & 0xff00) | value;
        else this.#send(value);
        break;
      case IER:
        if (this.#lcr & LCR_DLAB) this.#divisor = (this.#divisor & 0xff) | (value << 8);
        else {
          // Enabling the transmitter interrupt while THR is empty raises it.
          if (value & ~this.#ier & IER_ETBEI && this.#tx.length === 0) this.#thrEmptyPending = true;
          this.#ier = value & 0x0f;
        }
        break;
      case IIR_FCR:
        this.#controlFifos(value);
        break;
      case LCR:
        if (value & ~this.#lcr & LCR_BREAK && this.#mcr & MCR_LOOP) this.#lineErrors |= LSR_BI;
        this.#lcr = value;
        break;
      case MCR:
        this.#changeModem(() => {
          this.#mcr = value & 0x1f;
        });
        break;
      case SCR:
        this.#scratch = value;
        break;
      // LSR and MSR are read only.
    }
  }

  /** Levels at the modem input pins, as MSR bits 4-7. */
  setModemInputs(levels: number): void {
    this.#changeModem(() => {
      this.#modem = levels & 0xf0;
    });
  }

  save(): Uart16550State {
    return {
      schema: "uart-16550@1",
      received: this.#rx.toArray(),
      transmitting: this.#tx.toArray(),
      ier: this.#ier,
      fifos: this.#fifos,
      trigger: this.#trigger,
      lcr: this.#lcr,
      mcr: this.#mcr,
      lineErrors: this.#lineErrors,
      modem: this.#modem,
      modemDeltas: this.#modemDeltas,
      scratch: this.#scratch,
      divisor: this.#divisor,
      thrEmptyPending: this.#thrEmptyPending,
    };
  }

  load(state: Uart16550State): void {
    requireSchema(state, "uart-16550@1");
    this.#rx.fill(state.received);
    this.#tx.fill(state.transmitting);
    this.#ier = state.ier;
    this.#fifos = state.fifos;
    this.#trigger = state.trigger;
    this.#lcr = state.lcr;
    this.#mcr = state.mcr;
    this.#lineErrors = state.lineErrors;
    this.#modem = state.modem;
    this.#modemDeltas = state.modemDeltas;
    this.#scratch = state.scratch;
    this.#divisor = state.divisor;
    this.#thrEmptyPending = state.thrEmptyPending;
  }

  /** The highest-priority interrupt that is enabled and pending (datasheet Table IV). */
  #interruptId(): number {
    if (this.#ier & IER_ELSI && this.#lineErrors !== 0) return IIR_LINE;
    if (this.#ier & IER_ERBFI && this.#rx.length > 0) {
      return !this.#fifos || this.#rx.length >= TRIGGER_LEVELS[this.#trigger]! ? IIR_DATA : IIR_TIMEOUT;
    }
    if (this.#ier & IER_ETBEI && this.#thrEmptyPending) return IIR_THRE;
    if (this.#ier & IER_EDSSI && this.#modemDeltas !== 0) return IIR_MODEM;
    return IIR_NONE;
  }

  #lineStatus(): number {
    return this.#lineErrors | (this.#rx.length > 0 ? LSR_DR : 0) | (this.#tx.length === 0 ? LSR_THRE | LSR_TEMT : 0);
  }

  #send(byte: number): void {
    this.#thrEmptyPending = false;
    if (this.#mcr & MCR_LOOP) {
      if (this.#rx.length < (this.#fifos ? FIFO_BYTES : 1)) this.#rx.push(byte);
      else this.#lineErrors |= LSR_OE;
      this.#thrEmptyPending = true;
    } else if (this.#tx.length < (this.#fifos ? FIFO_BYTES : 1)) this.#tx.push(byte); // a byte more than fits is lost, as on the part
  }

  #controlFifos(value: number): void {
    const enable = (value & FCR_ENABLE) !== 0;
    if (enable !== this.#fifos || value & FCR_CLEAR_RX) this.#rx.clear();
    if (enable !== this.#fifos || value & FCR_CLEAR_TX) {
      if (this.#tx.length > 0) this.#thrEmptyPending = true;
      this.#tx.clear();
    }
    this.#fifos = enable;
    this.#trigger = enable ? value >> 6 : 0;
  }

  /** Modem inputs as the MSR shows them; in loop mode they are the outputs: RTS, DTR, OUT1, OUT2 as CTS, DSR, RI, DCD. */
  #modemLevels(): number {
    if ((this.#mcr & MCR_LOOP) === 0) return this.#modem;
    const m = this.#mcr;
    return ((m & 0x02) << 3) | ((m & 0x01) << 5) | ((m & 0x04) << 4) | ((m & 0x08) << 4);
  }

  #changeModem(change: () => void): void {
    const before = this.#modemLevels();
    change();
    const after = this.#modemLevels();
    const changed = (before ^ after) >> 4;
    this.#modemDeltas |= changed & ~MSR_TERI;
    if (changed & MSR_TERI && (after & 0x40) === 0) this.#modemDeltas |= MSR_TERI; // RI counts at its trailing edge
  }
}
