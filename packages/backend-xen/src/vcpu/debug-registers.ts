/** Debug registers of a PV guest: what it may set, by the call and by the instruction alike. Xen's set_debugreg; SDM Vol. 3B §17.2. */
import { isGuestFault } from "@paravane/paravirt-ops";
import { errno } from "../abi/errno.js";
import type { Domain } from "../domain/domain.js";
import type { VirtualCpu } from "./virtual-cpu.js";

const CR4_DE = 1n << 3n;
const DR7_GD = 1n << 13n;
/** Local and global enable bits of the four breakpoints. */
const DR7_ENABLES = 0xffn;
const IO_BREAKPOINT = 2n;

/** The register that a number names: 4 and 5 are other names of 6 and 7, unless the guest set CR4.DE. */
function registerOf(vcpu: VirtualCpu, index: number): 0 | 1 | 2 | 3 | 6 | 7 | undefined {
  if (index > 7) return undefined;
  if (index !== 4 && index !== 5) return index as 0 | 1 | 2 | 3 | 6 | 7;
  return (vcpu.cr4 & CR4_DE) !== 0n ? undefined : ((index + 2) as 6 | 7);
}

/** Numbers of the breakpoints that are on ports and switched on: those mean something only under CR4.DE. */
function portBreakpoints(dr7: bigint): readonly (0 | 1 | 2 | 3)[] {
  if ((dr7 & DR7_ENABLES) === 0n) return [];
  return ([0, 1, 2, 3] as const).filter((n) => ((dr7 >> BigInt(2 * n)) & 3n) !== 0n && typeOf(dr7, n) === IO_BREAKPOINT);
}

const typeOf = (dr7: bigint, n: number): bigint => (dr7 >> BigInt(16 + 4 * n)) & 3n;
/** Bytes that a breakpoint is long, by its bits in DR7. */
const LENGTHS = [1n, 2n, 8n, 4n] as const;

/** Bits of DR6 for the breakpoints on any of `size` ports from `port` on. */
export function watchedPorts({ cr4, registers }: VirtualCpu, port: number, size: number): bigint {
  if ((cr4 & CR4_DE) === 0n) return 0n;
  const dr7 = registers.get("dr7");
  let hits = 0n;
  for (const n of portBreakpoints(dr7)) {
    const start = registers.get(`dr${n}`);
    const length = LENGTHS[Number((dr7 >> BigInt(18 + 4 * n)) & 3n)]!;
    if (start < BigInt(port + size) && start + length > BigInt(port)) hits |= 1n << BigInt(n);
  }
  return hits;
}

/** Sets a register: 0, or -EPERM for what would watch Xen, -EINVAL, -ENODEV for one that there is not. */
export function setDebugRegister(domain: Domain, vcpu: VirtualCpu, index: number, value: bigint): number {
  const register = registerOf(vcpu, index);
  if (register === undefined) return -errno.ENODEV;
  if (register < 4) {
    if (!domain.copy.mayName(value, 1)) return -errno.EPERM;
  } else if (value > 0xffff_ffffn) return -errno.EINVAL;
  else if (register === 7) {
    if ((value & DR7_GD) !== 0n) return -errno.EPERM;
    if ((vcpu.cr4 & CR4_DE) === 0n && portBreakpoints(value).length > 0) return -errno.EPERM;
  }
  const fault = domain.operations.cpu.setDebugreg.run(vcpu.core, register, value);
  return isGuestFault(fault) ? -errno.EINVAL : 0;
}

/** What a register holds, or -ENODEV. */
export function debugRegister(vcpu: VirtualCpu, index: number): bigint | number {
  const register = registerOf(vcpu, index);
  return register === undefined ? -errno.ENODEV : vcpu.registers.get(`dr${register}`);
}
