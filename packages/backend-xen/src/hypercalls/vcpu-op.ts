/** vcpu_op and set_timer_op: what a vCPU is, where it is told of things, and its timers. public/vcpu.h. */
import { errno } from "../abi/errno.js";
import { vcpu_guest_context, vgcf } from "../abi/arch-x86.js";
import { vcpu_register_vcpu_info, vcpu_runstate_info, vcpuCommands } from "../abi/services.js";
import { StructView } from "../abi/struct.js";
import { vcpu_time_info } from "../abi/xen.js";
import type { Domain } from "../domain/domain.js";
import { frameTypes } from "../mmu/frame-table.js";
import { sendNmi } from "../vcpu/nmi.js";
import type { VirtualCpu } from "../vcpu/virtual-cpu.js";
import { type Call, type CallResult, frameNumber, u32 } from "./call.js";
import { setContext } from "./vcpu-context.js";

const SHORTEST_PERIOD_NS = 1_000_000n;
/** Further ahead than this is taken for a mistake, and fires soon: Xen does the same for guests that sleep "for ever". */
const FURTHEST_AHEAD_NS = 1 << 30;
const SOON_NS = 100_000_000;
const MAX_NS = BigInt(Number.MAX_SAFE_INTEGER);

/** set_timer_op(deadline); 32-bit guests give it in halves. 0 ends it. */
export function setTimerOp({ domain, vcpu, args }: Call): CallResult {
  const raw = domain.bits === 64 ? (args[0] ?? 0n) : (BigInt(u32(args[1])) << 32n) | BigInt(u32(args[0]));
  const deadline = BigInt.asIntN(64, raw);
  const timers = domain.timers[vcpu.id]!;
  if (deadline === 0n) timers.stopSingle();
  else if (deadline < 0n || (deadline - BigInt(domain.now)) >> 20n > BigInt(FURTHEST_AHEAD_NS)) timers.setSingle(domain.now + SOON_NS);
  else timers.setSingle(Number(deadline));
  return 0;
}

/** VCPUOP_initialise: its state, and the tick that it is born with. */
function initialise(domain: Domain, target: VirtualCpu, context: Uint8Array): number {
  const error = setContext(domain, target, context);
  if (error !== 0) return error;
  domain.timers[target.id]!.start();
  const flags = new StructView(vcpu_guest_context[domain.bits], context).get("flags");
  if ((flags & vgcf.online) !== 0) domain.bringUp(target);
  return 0;
}

/** vcpu_op(command, vcpu, argument) */
export function vcpuOp({ domain, vcpu, args }: Call): CallResult {
  const command = u32(args[0]);
  const target = domain.vcpus[u32(args[1])];
  const address = args[2] ?? 0n;
  const { copy } = domain;
  if (target === undefined) return -errno.ENOENT;
  const timers = domain.timers[target.id]!;
  switch (command) {
    case vcpuCommands.initialise: {
      const context = copy.read(vcpu.id, address, vcpu_guest_context[domain.bits].size);
      if (context === undefined) return -errno.EFAULT;
      return target.initialised ? -errno.EEXIST : initialise(domain, target, context);
    }
    case vcpuCommands.up:
      if (!target.initialised) return -errno.EINVAL;
      domain.bringUp(target);
      return 0;
    case vcpuCommands.down:
      domain.takeDown(target);
      return 0;
    case vcpuCommands.send_nmi:
      if (address !== 0n) return -errno.EINVAL;
      sendNmi(domain, target, vcpu);
      return 0;
    case vcpuCommands.is_up:
      return target.online ? 1 : 0;
    case vcpuCommands.register_runstate_memory_area: {
      const area = copy.readNumber(vcpu.id, address, domain.bits === 64 ? 8 : 4);
      if (area === undefined) return -errno.EFAULT;
      if (!copy.mayName(area, vcpu_runstate_info[domain.bits].size)) return -errno.EFAULT;
      const runstate = domain.runstates[target.id]!;
      runstate.register(area);
      if (target !== vcpu) copy.write(vcpu.id, area, runstate.snapshot(domain.bits));
      return 0;
    }
    case vcpuCommands.register_vcpu_time_memory_area: {
      const area = copy.readNumber(vcpu.id, address, domain.bits === 64 ? 8 : 4);
      if (area === undefined || !copy.mayName(area, vcpu_time_info[domain.bits].size)) return -errno.EFAULT;
      // The scale never changes, so the copy is good for ever.
      if (area !== 0n) copy.write(vcpu.id, area, timers.timeInfo());
      return 0;
    }
    case vcpuCommands.get_runstate_info:
      return copy.write(vcpu.id, address, domain.runstates[target.id]!.snapshot(domain.bits)) ? 0 : -errno.EFAULT;
    case vcpuCommands.register_vcpu_info: {
      const asked = copy.readStruct(vcpu.id, address, vcpu_register_vcpu_info);
      if (asked === undefined) return -errno.EFAULT;
      const offset = asked.get("offset");
      if (offset > 4096 - 64 || offset % 8 !== 0) return -errno.ENXIO;
      if (target.info.moved || (target !== vcpu && target.online)) return -errno.EINVAL;
      const frame = frameNumber(asked.wide("mfn"));
      if (domain.frames.get(frame, frameTypes.writable) !== 0) return -errno.EINVAL;
      target.info.move(frame, offset);
      timers.publish(target.info);
      return 0;
    }
    case vcpuCommands.set_periodic_timer: {
      const period = copy.readNumber(vcpu.id, address, 8);
      if (period === undefined) return -errno.EFAULT;
      if (period < SHORTEST_PERIOD_NS || period > MAX_NS) return -errno.EINVAL;
      timers.startPeriodic(Number(period));
      return 0;
    }
    case vcpuCommands.stop_periodic_timer:
      timers.stopPeriodic();
      return 0;
    case vcpuCommands.set_singleshot_timer: {
      if (target !== vcpu) return -errno.EINVAL;
      const deadline = copy.readNumber(vcpu.id, address, 8);
      if (deadline === undefined) return -errno.EFAULT;
      timers.setSingle(Number(deadline > MAX_NS ? MAX_NS : deadline));
      return 0;
    }
    case vcpuCommands.stop_singleshot_timer:
      if (target !== vcpu) return -errno.EINVAL;
      timers.stopSingle();
      return 0;
    case vcpuCommands.get_physid:
      return -errno.EINVAL;
    default:
      return -errno.ENOSYS;
  }
}
