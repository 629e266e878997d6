/**
 * Port accesses of a PV guest: allowed by its virtual I/O privilege or its bitmap, and then the few ports that every PV domain has, which
 * are the machine's own timer, speaker gate and clock chip. All others read as all ones. Xen's pv/emul-priv-op.c, guest_io_read.
 */
import type { AccessSize, GuestFault } from "@paravane/paravirt-ops";
import { generalProtection, isGuestFault } from "@paravane/paravirt-ops";
import { vmAssists } from "../abi/xen.js";
import type { Domain } from "../domain/domain.js";
import type { VirtualCpu } from "./virtual-cpu.js";

const CONFIG_ADDRESS = 0xcf8;
/** Channel 2 and control of the timer, the speaker gate, the clock chip. */
const VIRTUAL_PORTS: readonly number[] = [0x42, 0x43, 0x61, 0x70, 0x71];

/** Ports of one domain. */
export class Ports {
  #configAddress = 0;

  constructor(private readonly domain: Domain) {}

  /** The guest's virtual I/O privilege is enough for ports, CLI and STI. */
  hasPrivilege(vcpu: VirtualCpu): boolean {
    const architectural = this.domain.assists.has(vmAssists.architectural_iopl);
    const level = vcpu.inKernel ? (architectural ? 0 : 1) : 3;
    return level <= vcpu.iopl;
  }

  /** The guest may use `size` ports from `port` on. */
  allows(vcpu: VirtualCpu, port: number, size: number): boolean {
    if (this.hasPrivilege(vcpu)) return true;
    const { address, ports } = vcpu.ioBitmap;
    if (port + size > ports) return false;
    for (let at = port; at < port + size; at++) {
      const byte = this.domain.copy.read(vcpu.id, address + BigInt(at >>> 3), 1);
      if (byte === undefined || (byte[0]! & (1 << (at & 7))) !== 0) return false;
    }
    return true;
  }

  /** IN */
  read(vcpu: VirtualCpu, port: number, size: AccessSize): number | GuestFault {
    if (!this.allows(vcpu, port, size)) return generalProtection;
    const ones = size === 4 ? 0xffff_ffff : (1 << (8 * size)) - 1;
    if (port === CONFIG_ADDRESS && size === 4) return this.#configAddress;
    if (size !== 1 || !VIRTUAL_PORTS.includes(port)) return ones;
    const value = this.domain.operations.cpu.readPort.run(vcpu.core, port, size);
    return isGuestFault(value) ? value : value & ones;
  }

  /** OUT */
  write(vcpu: VirtualCpu, port: number, size: AccessSize, value: number): GuestFault | undefined {
    if (!this.allows(vcpu, port, size)) return generalProtection;
    if (port === CONFIG_ADDRESS && size === 4) this.#configAddress = value >>> 0;
    else if (size === 1 && VIRTUAL_PORTS.includes(port)) this.domain.operations.cpu.writePort.run(vcpu.core, port, size, value);
    return undefined;
  }
}
