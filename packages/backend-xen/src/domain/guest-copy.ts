/** Copies between hypervisor and guest by linear address, as the guest's kernel would reach it: what a call's arguments point to. */
import type { GuestMemory, HypervisorHandle } from "@paravane/paravirt-ops";
import { hypervisorHole } from "../abi/arch-x86.js";
import { type GuestBits, type Struct, StructView } from "../abi/struct.js";
import { wide } from "../abi/wide.js";

const KERNEL = { level: 1 } as const;
const KERNEL_WRITE = { level: 1, write: true } as const;
const LOWER_HALF = 1n << 47n;
const TOP = 1n << 64n;
const NEAR = 0x10000;
const NEAR_TOP = TOP - BigInt(NEAR);

/** Bytes of the longest structure that is looked at where it was read. */
const SHORT = 128;

/** Guest memory as arguments name it. Nothing throws: undefined and false are -EFAULT. */
export class GuestCopy {
  /** Where short ones are read to and written from: what is made for one call costs more than the call. */
  readonly #short = new DataView(new ArrayBuffer(SHORT));
  /** Its first so many bytes. */
  readonly #shortBytes = Array.from({ length: SHORT + 1 }, (_, length) => new Uint8Array(this.#short.buffer, 0, length));

  constructor(
    private readonly hypervisor: HypervisorHandle,
    public bits: GuestBits,
    /** RAM of a guest that has no part of its linear memory taken by the hypervisor: its tables may lead to where there is none. */
    private readonly memory?: GuestMemory,
  ) {}

  /** True when the range is the guest's to name: outside the hypervisor's hole. */
  mayName(address: bigint, length: number): boolean {
    // What a 64-bit kernel names is nearly always its own, far from any edge.
    if (this.bits === 64 && address > hypervisorHole[64].end && address < NEAR_TOP && length <= NEAR) return true;
    const end = address + wide(length);
    if (this.memory !== undefined) return end <= (this.bits === 32 ? 1n << 32n : TOP);
    if (this.bits === 32) return end <= hypervisorHole[32].start;
    return end <= LOWER_HALF || (address > hypervisorHole[64].end && end <= TOP);
  }

  /** Bytes, or undefined where the guest has nothing. */
  read(vcpu: number, address: bigint, length: number): Uint8Array | undefined {
    const bytes = new Uint8Array(length);
    return this.readInto(vcpu, address, bytes) ? bytes : undefined;
  }

  /** Fills `into`; false where the guest has nothing. */
  readInto(vcpu: number, address: bigint, into: Uint8Array): boolean {
    return this.#mayReach(vcpu, address, into.byteLength) && this.hypervisor.linear.read(vcpu, address, into, KERNEL) === undefined;
  }

  /** At most 128 bytes, overwritten by the next short read or store; undefined where the guest has nothing. */
  readShort(vcpu: number, address: bigint, length: number): DataView | undefined {
    return this.readInto(vcpu, address, this.#shortBytes[length]!) ? this.#short : undefined;
  }

  /** All bytes or none; false where the guest may not write. */
  write(vcpu: number, address: bigint, bytes: Uint8Array): boolean {
    return (
      this.#mayReach(vcpu, address, bytes.byteLength) && this.hypervisor.linear.write(vcpu, address, bytes, KERNEL_WRITE) === undefined
    );
  }

  /** A range that may be named and, where tables are the guest's own affair, leads to RAM: no call's argument is a device's. */
  #mayReach(vcpu: number, address: bigint, length: number): boolean {
    if (!this.mayName(address, length)) return false;
    if (this.memory === undefined) return true;
    const { linear } = this.hypervisor;
    for (let at = 0n; at < BigInt(length); ) {
      const physical = linear.translate(vcpu, address + at, KERNEL);
      const inPage = 4096n - ((address + at) & 0xfffn);
      const piece = BigInt(length) - at < inPage ? BigInt(length) - at : inPage;
      if (typeof physical !== "number" || !this.memory.contains(physical, Number(piece))) return false;
      at += piece;
    }
    return true;
  }

  /** A structure. */
  readStruct<Name extends string>(vcpu: number, address: bigint, struct: Struct<Name>): StructView<Name> | undefined {
    const layout = struct[this.bits];
    const bytes = this.read(vcpu, address, layout.size);
    return bytes === undefined ? undefined : new StructView(layout, bytes);
  }

  /** Writes a whole structure back. */
  writeStruct<Name extends string>(vcpu: number, address: bigint, view: StructView<Name>): boolean {
    return this.write(vcpu, address, view.bytes);
  }

  /** An unsigned number of 4 or 8 bytes. */
  readNumber(vcpu: number, address: bigint, bytes: 4 | 8): bigint | undefined {
    const found = this.readShort(vcpu, address, bytes);
    if (found === undefined) return undefined;
    return bytes === 8 ? found.getBigUint64(0, true) : wide(found.getUint32(0, true));
  }

  /** Stores an unsigned number of 4 or 8 bytes. */
  writeNumber(vcpu: number, address: bigint, bytes: 4 | 8, value: number | bigint): boolean {
    if (bytes === 8) this.#short.setBigUint64(0, BigInt.asUintN(64, BigInt(value)), true);
    else this.#short.setUint32(0, typeof value === "number" ? value : Number(BigInt.asUintN(32, value)), true);
    return this.write(vcpu, address, this.#shortBytes[bytes]!);
  }
}
