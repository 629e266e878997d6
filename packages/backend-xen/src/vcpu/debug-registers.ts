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

const missing = (index: number): number => (index > 7 ? -errno.EINVAL : -errno.ENODEV);

/** A breakpoint on a port, switched on: those mean something only under CR4.DE. */
function watchesPort(dr7: bigint): boolean {
  return [0n, 1n, 2n, 3n].some((n) => ((dr7 >> (2n * n)) & 3n) !== 0n && ((dr7 >> (16n + 4n * n)) & 3n) === IO_BREAKPOINT);
}

/** Sets a register: 0, or -EPERM for what would watch Xen, -EINVAL, -ENODEV. */
export function setDebugRegister(domain: Domain, vcpu: VirtualCpu, index: number, value: bigint): number {
  const register = registerOf(vcpu, index);
  if (register === undefined) return missing(index);
  if (register < 4) {
    if (!domain.copy.mayName(value, 1)) return -errno.EPERM;
  } else if (value > 0xffff_ffffn) return -errno.EINVAL;
  else if (register === 7) {
    if ((value & DR7_GD) !== 0n) return -errno.EPERM;
    if ((value & DR7_ENABLES) !== 0n && (vcpu.cr4 & CR4_DE) === 0n && watchesPort(value)) return -errno.EPERM;
  }
  const fault = domain.operations.cpu.setDebugreg.run(vcpu.core, register, value);
  return isGuestFault(fault) ? -errno.EINVAL : 0;
}

/** What a register holds, or -EINVAL, -ENODEV. */
export function debugRegister(vcpu: VirtualCpu, index: number): bigint | number {
  const register = registerOf(vcpu, index);
  return register === undefined ? missing(index) : vcpu.registers.get(`dr${register}`);
}
