/** Calls about devices of the machine: console_io, physdev_op, nmi_op; and those that only the machine's owner may make. */
import { errno } from "../abi/errno.js";
import { consoleCommands, interfaceVersions, physdevCommands } from "../abi/services.js";
import { clearNmiHandler, setNmiHandler } from "../vcpu/nmi.js";
import { type Call, type CallHandler, type CallResult, frameNumber, u32 } from "./call.js";
import { isCanonical } from "./vcpu-state.js";

const MAX_PORTS = 65_536;
const CONSOLE_CHUNK = 128;
/** What there was when the command came first in the argument. */
const COMPAT_COMMANDS: readonly number[] = [physdevCommands.set_iopl, physdevCommands.set_iobitmap];

/** For the machine's owner. */
export function denied(): CallResult {
  return -errno.EPERM;
}

/** A call for the machine's owner whose argument begins with a version, which is looked at before the caller is. */
const deniedOf =
  (version: number): CallHandler =>
  ({ domain, vcpu, args }) => {
    const asked = domain.copy.readNumber(vcpu.id, args[0]!, 4);
    if (asked === undefined) return -errno.EFAULT;
    return Number(asked) === version ? -errno.EPERM : -errno.EACCES;
  };
export const sysctl = deniedOf(interfaceVersions.XEN_SYSCTL_INTERFACE_VERSION);
export const domctl = deniedOf(interfaceVersions.XEN_DOMCTL_INTERFACE_VERSION);
export const platformOp = deniedOf(interfaceVersions.XENPF_INTERFACE_VERSION);

/** console_io(command, count, text) */
export function consoleIo({ domain, vcpu, args }: Call): CallResult {
  if (!domain.config.hypervisorConsole) return -errno.EPERM;
  if (u32(args[0]) !== consoleCommands.write) return u32(args[0]) === consoleCommands.read ? 0 : -errno.ENOSYS;
  const count = u32(args[1]);
  for (let done = 0; done < count; done += CONSOLE_CHUNK) {
    const text = domain.copy.read(vcpu.id, (args[2] ?? 0n) + BigInt(done), Math.min(CONSOLE_CHUNK, count - done));
    if (text === undefined) return -errno.EFAULT;
    domain.environment.console.write(text.filter((byte) => (byte >= 0x20 && byte < 0x7f) || byte === 10));
  }
  return 0;
}

/** physdev_op(command, argument) */
export function physdevOp({ domain, vcpu, args }: Call): CallResult {
  const address = args[1] ?? 0n;
  switch (u32(args[0])) {
    case physdevCommands.set_iopl: {
      const iopl = domain.copy.readNumber(vcpu.id, address, 4);
      if (iopl === undefined) return -errno.EFAULT;
      if (iopl > 3n) return -errno.EINVAL;
      vcpu.iopl = Number(iopl);
      return 0;
    }
    case physdevCommands.set_iobitmap: {
      const wide = domain.bits === 64;
      const bitmap = domain.copy.readNumber(vcpu.id, address, wide ? 8 : 4);
      const ports = domain.copy.readNumber(vcpu.id, address + (wide ? 8n : 4n), 4);
      if (bitmap === undefined || ports === undefined) return -errno.EFAULT;
      if (ports > BigInt(MAX_PORTS)) return -errno.EINVAL;
      vcpu.ioBitmap = { address: bitmap, ports: Number(ports) };
      return 0;
    }
    case physdevCommands.pirq_eoi_gmfn_v1:
    case physdevCommands.pirq_eoi_gmfn_v2: {
      const gmfn = domain.copy.readNumber(vcpu.id, address, domain.bits === 64 ? 8 : 4);
      return gmfn === undefined ? -errno.EFAULT : domain.shareInterruptBitmap(frameNumber(gmfn));
    }
    default:
      return -errno.ENOSYS;
  }
}

/** physdev_op_compat(argument): the command comes first in it. */
export function physdevOpCompat(call: Call): CallResult {
  const { domain, vcpu, args } = call;
  const address = args[0] ?? 0n;
  const command = domain.copy.readNumber(vcpu.id, address, 4);
  if (command === undefined) return -errno.EFAULT;
  if (!COMPAT_COMMANDS.includes(Number(command))) return -errno.ENOSYS;
  return physdevOp({ ...call, args: [command, address + (domain.bits === 64 ? 8n : 4n)] });
}

const NMIOP_register_callback = 0;
const NMIOP_unregister_callback = 1;

/** nmi_op(command, argument) */
export function nmiOp({ domain, vcpu, args }: Call): CallResult {
  switch (u32(args[0])) {
    case NMIOP_register_callback: {
      const address = domain.copy.readNumber(vcpu.id, args[1] ?? 0n, domain.bits === 64 ? 8 : 4);
      if (address === undefined) return -errno.EFAULT;
      if (domain.bits === 64 && !isCanonical(address)) return -errno.EINVAL;
      setNmiHandler(vcpu, address);
      return 0;
    }
    case NMIOP_unregister_callback:
      clearNmiHandler(vcpu);
      return 0;
    default:
      return -errno.ENOSYS;
  }
}
