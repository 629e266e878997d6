/**
 * Port accesses of a PV guest: allowed by its virtual I/O privilege or its bitmap, and then the few ports that every PV domain has, which
 * are the machine's own timer, speaker gate and clock chip. All others read as all ones. Xen's pv/emul-priv-op.c, guest_io_read.
 */
import type { AccessSize, GuestFault } from "@paravane/paravirt-ops";
import { generalProtection, isGuestFault } from "@paravane/paravirt-ops";
import { vmAssists } from "../abi/xen.js";
import type { Domain } from "../domain/domain.js";
import { watchedPorts } from "./debug-registers.js";
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
    // As in Xen, where the last port of a bitmap is never open.
    if (port + size >= ports) return false;
    const bits = this.#bitmapAt(vcpu, address + BigInt(port >>> 3));
    return ((bits >>> (port & 7)) & ((1 << size) - 1)) === 0;
  }

  /** Two bytes of the guest's bitmap, which its kernel has; what is not there is closed. */
  #bitmapAt(vcpu: VirtualCpu, address: bigint): number {
    const { copy, bits } = this.domain;
    const fromUser = bits === 64 && !vcpu.inKernel;
    if (fromUser) vcpu.space.enterKernel();
    const [low, high] = [0n, 1n].map((offset) => copy.read(vcpu.id, address + offset, 1)?.[0] ?? 0xff);
    if (fromUser) vcpu.space.enterUser();
    return low! | (high! << 8);
  }

  /** IN */
  read(vcpu: VirtualCpu, port: number, size: AccessSize): number | GuestFault {
    if (!this.allows(vcpu, port, size)) return generalProtection;
    vcpu.debugHits |= watchedPorts(vcpu, port, size);
    const ones = size === 4 ? 0xffff_ffff : (1 << (8 * size)) - 1;
    if (port === CONFIG_ADDRESS && size === 4) return this.#configAddress;
    if (size !== 1 || !VIRTUAL_PORTS.includes(port)) return ones;
    const value = this.domain.operations.cpu.readPort.run(vcpu.core, port, size);
    return isGuestFault(value) ? value : value & ones;
  }

  /** OUT */
  write(vcpu: VirtualCpu, port: number, size: AccessSize, value: number): GuestFault | undefined {
    if (!this.allows(vcpu, port, size)) return generalProtection;
    vcpu.debugHits |= watchedPorts(vcpu, port, size);
    if (port === CONFIG_ADDRESS && size === 4) this.#configAddress = value >>> 0;
    else if (size === 1 && VIRTUAL_PORTS.includes(port)) this.domain.operations.cpu.writePort.run(vcpu.core, port, size, value);
    return undefined;
  }
}
