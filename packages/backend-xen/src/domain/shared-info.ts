/** The page that hypervisor and domain share, and the part of it, or of a page of the guest's, in which a vCPU sees its events. */
import type { HypervisorHandle, Mfn } from "@paravane/paravirt-ops";
import type { GuestBits } from "../abi/struct.js";
import { LEGACY_MAX_VCPUS, shared_info, vcpu_info } from "../abi/xen.js";

const PENDING = 0;
const MASK = 1;
/** Name of the record under which the core knows it. */
const RECORD = "vcpu_info";

/** shared_info in a frame of the hypervisor's own. */
export class SharedInfo {
  #frame: Mfn;
  #bits: GuestBits;

  constructor(
    private readonly hypervisor: HypervisorHandle,
    bits: GuestBits,
  ) {
    this.#bits = bits;
    this.#frame = hypervisor.frames.allocate(1);
    const bytes = this.bytes;
    for (let vcpu = 0; vcpu < LEGACY_MAX_VCPUS; vcpu++) bytes[vcpu * 64 + MASK] = 1;
  }

  get frame(): Mfn {
    return this.#frame;
  }

  /** Whose layout it has. */
  get bits(): GuestBits {
    return this.#bits;
  }

  /** It has the layout of that width from now on, and says the time there. What is pending in the other one is not looked for. */
  layOut(bits: GuestBits, bootNs: bigint): void {
    if (bits === this.#bits) return;
    this.#bits = bits;
    this.setWallClock(bootNs);
  }

  /** It is that page from now on, contents and all. */
  move(frame: Mfn): void {
    const before = this.bytes.slice();
    this.#frame = frame;
    this.bytes.set(before);
  }

  /** The live page. */
  get bytes(): Uint8Array {
    return this.hypervisor.frames.bytes(this.frame);
  }

  /** The live page as numbers. */
  get view(): DataView {
    const { bytes } = this;
    return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** Says what the time was when system time was zero. */
  setWallClock(bootNs: bigint): void {
    const { fields } = shared_info[this.bits];
    const { view } = this;
    const version = view.getUint32(fields.wc_version.offset, true);
    view.setUint32(fields.wc_version.offset, version + 1, true);
    const seconds = bootNs / 1_000_000_000n;
    view.setUint32(fields.wc_sec.offset, Number(seconds & 0xffff_ffffn), true);
    view.setUint32(fields.wc_nsec.offset, Number(bootNs % 1_000_000_000n), true);
    view.setUint32(fields.wc_sec_hi.offset, Number(seconds >> 32n), true);
    view.setUint32(fields.wc_version.offset, version + 2, true);
  }
}

/** One vCPU's vcpu_info, wherever it lies. */
export class VcpuInfo {
  /** Of a place of its own. */
  #frame: Mfn | undefined;
  #offset: number;
  /** The live page that it lies in. */
  #page: DataView | undefined;
  #pageFrame: Mfn | undefined;

  constructor(
    private readonly hypervisor: HypervisorHandle,
    private readonly vcpu: number,
    private readonly shared: SharedInfo,
    /** A PV guest takes events as its mask says; others as the processor's interrupt flag does. */
    private readonly masks = true,
  ) {
    this.#offset = vcpu * 64;
    this.#announce();
  }

  /** Frame that it lies in. */
  get frame(): Mfn {
    return this.#frame ?? this.shared.frame;
  }

  /** It has been moved, which happens once. */
  get moved(): boolean {
    return this.#frame !== undefined;
  }

  /** The live 64 bytes. */
  get bytes(): Uint8Array {
    return this.hypervisor.frames.bytes(this.frame).subarray(this.#offset, this.#offset + 64);
  }

  /** The page, looked up once: every call and every entry comes by here. */
  #live(): DataView {
    const { frame } = this;
    if (this.#page === undefined || this.#pageFrame !== frame) {
      const { buffer, byteOffset, byteLength } = this.hypervisor.frames.bytes(frame);
      this.#page = new DataView(buffer, byteOffset, byteLength);
      this.#pageFrame = frame;
    }
    return this.#page;
  }

  get pending(): boolean {
    return this.#live().getUint8(this.#offset + PENDING) !== 0;
  }

  set pending(on: boolean) {
    this.#live().setUint8(this.#offset + PENDING, on ? 1 : 0);
  }

  /** Events are held back. */
  get mask(): number {
    return this.#live().getUint8(this.#offset + MASK);
  }

  set mask(value: number) {
    this.#live().setUint8(this.#offset + MASK, value);
  }

  /** Which words of the pending bitmap have something. */
  get selector(): bigint {
    const { bits } = this.shared;
    const { offset } = vcpu_info[bits].fields.evtchn_pending_sel;
    const view = this.#live();
    const at = this.#offset + offset;
    return bits === 64 ? view.getBigUint64(at, true) : BigInt(view.getUint32(at, true));
  }

  set selector(value: bigint) {
    const { bits } = this.shared;
    const { offset } = vcpu_info[bits].fields.evtchn_pending_sel;
    const view = this.#live();
    const at = this.#offset + offset;
    if (bits === 64) view.setBigUint64(at, BigInt.asUintN(64, value), true);
    else view.setUint32(at, Number(BigInt.asUintN(32, value)), true);
  }

  cr2(bits: GuestBits): bigint {
    const { offset } = vcpu_info[bits].fields["arch.cr2"];
    return bits === 64
      ? this.#live().getBigUint64(this.#offset + offset, true)
      : BigInt(this.#live().getUint32(this.#offset + offset, true));
  }

  setCr2(bits: GuestBits, address: bigint): void {
    const { offset } = vcpu_info[bits].fields["arch.cr2"];
    if (bits === 64) this.#live().setBigUint64(this.#offset + offset, BigInt.asUintN(64, address), true);
    else this.#live().setUint32(this.#offset + offset, Number(BigInt.asUintN(32, address)), true);
  }

  /** The live bytes as numbers. */
  get view(): DataView {
    const { bytes } = this;
    return new DataView(bytes.buffer, bytes.byteOffset, 64);
  }

  /** Moves it, contents and all; everything is pending afterwards, so that the guest looks. */
  move(frame: Mfn, offset: number): void {
    const before = this.bytes.slice();
    this.#frame = frame;
    this.#offset = offset;
    this.bytes.set(before);
    this.selector = -1n;
    this.pending = true;
    this.#announce();
  }

  #announce(): void {
    if (!this.masks) return;
    this.hypervisor.frames.record(RECORD, this.vcpu, this.frame, this.#offset, 64);
    this.hypervisor.setEventMask(this.vcpu, { field: { record: RECORD, offset: MASK, bits: 8 }, takesWhile: "zero" });
  }
}
