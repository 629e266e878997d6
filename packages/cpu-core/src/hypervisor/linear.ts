/** Guest memory by linear address, page by page: nothing is read or written before all pages have been translated. */
import { type GuestFault, isGuestFault, type LinearAccess, type LinearMemory, type MmioBus } from "@paravane/paravirt-ops";
import * as L from "../layout.js";
import { blockOf, type LentState, takeFault } from "./state.js";

const PAGE = 0x1000;
const IMPLICIT = 4;
const SHORT = 128;

/** True for a range that needs one translation. */
function inOnePage(address: bigint, length: number): boolean {
  return length > 0 && Number(address & 0xfffn) + length <= PAGE;
}

/** A piece of the range in one page, by physical address. */
interface Piece {
  readonly physical: number;
  readonly offset: number;
  readonly length: number;
}

export class Linear implements LinearMemory {
  constructor(
    private readonly state: LentState,
    private readonly mmio: MmioBus,
  ) {}

  translate(vcpu: number, address: bigint, { write, execute, level, implicit }: LinearAccess): number | GuestFault {
    const { engine, view } = this.state;
    const cpu = blockOf(vcpu);
    const linear = this.#wrapped(cpu, address);
    if (engine.linearTranslate(cpu, linear, implicit === true ? IMPLICIT : level, write === true, execute === true))
      return view.getUint32(cpu + L.EXIT_ARG, true) + view.getUint32(cpu + L.EXIT_ARG + 4, true) * 0x1_0000_0000;
    return takeFault(view, cpu)!;
  }

  read(vcpu: number, address: bigint, into: Uint8Array, access: LinearAccess): GuestFault | undefined {
    if (inOnePage(address, into.byteLength)) {
      const physical = this.translate(vcpu, address, access);
      if (typeof physical !== "number") return physical;
      this.#readPiece(physical, into, 0, into.byteLength);
      return undefined;
    }
    const pieces = this.#pieces(vcpu, address, into.byteLength, access);
    if (isGuestFault(pieces)) return pieces;
    for (const { physical, offset, length } of pieces) this.#readPiece(physical, into, offset, length);
    return undefined;
  }

  #readPiece(physical: number, into: Uint8Array, offset: number, length: number): void {
    if (this.#isMemory(physical)) {
      const { bytes, plan } = this.state;
      const at = plan.ramBase + physical;
      // Most of it is a few words for a backend: a copy of its own costs less than a view.
      if (length <= SHORT) for (let i = 0; i < length; i++) into[offset + i] = bytes[at + i]!;
      else into.set(bytes.subarray(at, at + length), offset);
    } else for (let i = 0; i < length; i++) into[offset + i] = this.mmio.read(physical + i, 1);
  }

  write(vcpu: number, address: bigint, bytes: Uint8Array, access: LinearAccess): GuestFault | undefined {
    if (access.write === true && inOnePage(address, bytes.byteLength)) {
      const physical = this.translate(vcpu, address, access);
      if (typeof physical !== "number") return physical;
      this.#writePiece(physical, bytes, 0, bytes.byteLength);
      return undefined;
    }
    const pieces = this.#pieces(vcpu, address, bytes.byteLength, { ...access, write: true });
    if (isGuestFault(pieces)) return pieces;
    for (const { physical, offset, length } of pieces) this.#writePiece(physical, bytes, offset, length);
    return undefined;
  }

  #writePiece(physical: number, from: Uint8Array, offset: number, length: number): void {
    if (!this.#isMemory(physical)) {
      for (let i = 0; i < length; i++) this.mmio.write(physical + i, 1, from[offset + i]!);
      return;
    }
    const { bytes, plan, engine } = this.state;
    if (bytes[plan.frameInfo + Math.floor(physical / PAGE)]! & L.FRAME_ROM) return;
    const at = plan.ramBase + physical;
    if (length <= SHORT) for (let i = 0; i < length; i++) bytes[at + i] = from[offset + i]!;
    else bytes.set(from.subarray(offset, offset + length), at);
    engine.dmaInvalidate(physical, length);
  }

  #pieces(vcpu: number, address: bigint, length: number, access: LinearAccess): readonly Piece[] | GuestFault {
    const pieces: Piece[] = [];
    for (let offset = 0; offset < length; ) {
      const at = address + BigInt(offset);
      const physical = this.translate(vcpu, at, access);
      if (typeof physical !== "number") return physical;
      const inPage = Math.min(length - offset, PAGE - (physical % PAGE));
      pieces.push({ physical, offset, length: inPage });
      offset += inPage;
    }
    return pieces;
  }

  /** Outside long mode linear addresses have 32 bits. */
  #wrapped(cpu: number, address: bigint): bigint {
    const long = (this.state.view.getUint32(cpu + L.MODE, true) & L.MODE_LMA) !== 0;
    return BigInt.asUintN(long ? 64 : 32, address);
  }

  #isMemory(physical: number): boolean {
    const { plan, ramBytes, bytes } = this.state;
    if (physical >= ramBytes + plan.hypervisorFrames * PAGE) return false;
    return (bytes[plan.frameInfo + Math.floor(physical / PAGE)]! & L.FRAME_DEVICE) === 0;
  }
}
