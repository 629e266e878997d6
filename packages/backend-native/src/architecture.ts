/**
 * The core's services as the operations of the bare machine use them. They are looked up when a function is called: a core that lends
 * nothing can still run a bare machine, where no function is called at all.
 */
import {
  type BackendEnvironment,
  type GuestFault,
  type HypervisorHandle,
  isGuestFault,
  requireHypervisor,
  type Vcpu,
} from "@paravane/paravirt-ops";

const CR4_PAE = 1n << 5n;
const SUPERVISOR = { level: 0, implicit: true } as const;

/** What one instruction, or one plain store of a kernel, does. */
export class Architecture {
  constructor(private readonly environment: BackendEnvironment) {}

  get handle(): HypervisorHandle {
    return requireHypervisor(this.environment, "native");
  }

  /** An instruction without a result. */
  execute(vcpu: Vcpu, request: Parameters<HypervisorHandle["execute"]>[1]): GuestFault | undefined {
    const answer = this.handle.execute(vcpu.id, request);
    return isGuestFault(answer) ? answer : undefined;
  }

  /** An instruction that reads something. */
  evaluate(vcpu: Vcpu, request: Parameters<HypervisorHandle["execute"]>[1]): bigint | GuestFault {
    return this.handle.execute(vcpu.id, request) ?? 0n;
  }

  /** Stores 8-byte values one after the other, as a kernel does to a descriptor table. */
  store64(vcpu: Vcpu, address: bigint, values: readonly bigint[]): GuestFault | undefined {
    const bytes = new Uint8Array(values.length * 8);
    const view = new DataView(bytes.buffer);
    for (const [index, value] of values.entries()) view.setBigUint64(index * 8, BigInt.asUintN(64, value), true);
    return this.store(vcpu, address, bytes);
  }

  store(vcpu: Vcpu, address: bigint, bytes: Uint8Array): GuestFault | undefined {
    return this.handle.linear.write(vcpu.id, address, bytes, { ...SUPERVISOR, write: true });
  }

  /** A page-table entry: 4 bytes, or 8 with PAE. */
  loadEntry(vcpu: Vcpu, entry: bigint): bigint | GuestFault {
    const bytes = new Uint8Array(this.#entryBytes(vcpu));
    const fault = this.handle.linear.read(vcpu.id, entry, bytes, SUPERVISOR);
    if (fault !== undefined) return fault;
    const view = new DataView(bytes.buffer);
    return bytes.byteLength === 8 ? view.getBigUint64(0, true) : BigInt(view.getUint32(0, true));
  }

  storeEntry(vcpu: Vcpu, entry: bigint, value: bigint): GuestFault | undefined {
    const bytes = new Uint8Array(this.#entryBytes(vcpu));
    const view = new DataView(bytes.buffer);
    if (bytes.byteLength === 8) view.setBigUint64(0, BigInt.asUintN(64, value), true);
    else view.setUint32(0, Number(BigInt.asUintN(32, value)), true);
    return this.store(vcpu, entry, bytes);
  }

  #entryBytes(vcpu: Vcpu): 4 | 8 {
    return (vcpu.registers.get("cr4") & CR4_PAE) === 0n ? 4 : 8;
  }
}
