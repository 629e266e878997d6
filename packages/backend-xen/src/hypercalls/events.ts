/** Calls about events and about waiting for them: event_channel_op, sched_op. public/event_channel.h, public/sched.h. */
import { errno } from "../abi/errno.js";
import { channelStates, eventChannelCommands, fifo, schedCommands, shutdownReasons } from "../abi/services.js";
import { domids } from "../abi/xen.js";
import { DOMAIN_ID, type Domain } from "../domain/domain.js";
import { Fifo } from "../events/fifo.js";
import { type Channel, ownDomain } from "../events/ports.js";
import { type Call, type CallResult, frameNumber, u32 } from "./call.js";

const MAX_POLLED_PORTS = 128;

/** event_channel_op(command, argument) */
export function eventChannelOp({ domain, vcpu, args }: Call): CallResult {
  const address = args[1] ?? 0n;
  const { copy, events } = domain;
  const command = u32(args[0]);
  /** The argument's 32-bit words; what is changed goes back. */
  const words = (count: number): DataView | undefined => {
    const bytes = copy.read(vcpu.id, address, count * 4);
    return bytes === undefined ? undefined : new DataView(bytes.buffer);
  };
  const giveBack = (view: DataView, at: number, result: number): number => {
    if (result < 0) return result;
    view.setUint32(at, result, true);
    return copy.write(vcpu.id, address, new Uint8Array(view.buffer)) ? 0 : -errno.EFAULT;
  };
  switch (command) {
    case eventChannelCommands.bind_virq: {
      const view = words(3);
      return view === undefined ? -errno.EFAULT : giveBack(view, 8, events.bindVirq(view.getUint32(0, true), view.getUint32(4, true)));
    }
    case eventChannelCommands.bind_ipi: {
      const view = words(2);
      return view === undefined ? -errno.EFAULT : giveBack(view, 4, events.bindIpi(view.getUint32(0, true)));
    }
    case eventChannelCommands.alloc_unbound: {
      const view = words(2);
      if (view === undefined) return -errno.EFAULT;
      const foreign = ownDomain(view.getUint16(0, true), DOMAIN_ID);
      if (foreign !== 0) return foreign;
      const remote = view.getUint16(2, true);
      return giveBack(view, 4, events.allocUnbound(remote === domids.SELF ? DOMAIN_ID : remote));
    }
    case eventChannelCommands.close: {
      const view = words(1);
      return view === undefined ? -errno.EFAULT : events.close(view.getUint32(0, true));
    }
    case eventChannelCommands.send: {
      const view = words(1);
      return view === undefined ? -errno.EFAULT : events.send(view.getUint32(0, true));
    }
    case eventChannelCommands.unmask: {
      const view = words(1);
      return view === undefined ? -errno.EFAULT : events.unmask(view.getUint32(0, true));
    }
    case eventChannelCommands.bind_vcpu: {
      const view = words(2);
      return view === undefined ? -errno.EFAULT : events.bindVcpu(view.getUint32(0, true), view.getUint32(4, true));
    }
    case eventChannelCommands.status: {
      const view = words(6);
      if (view === undefined) return -errno.EFAULT;
      const foreign = ownDomain(view.getUint16(0, true), DOMAIN_ID);
      if (foreign !== 0) return foreign;
      const channel = events.channel(view.getUint32(4, true));
      if (channel === undefined) return -errno.EINVAL;
      tellStatus(view, channel);
      return copy.write(vcpu.id, address, new Uint8Array(view.buffer)) ? 0 : -errno.EFAULT;
    }
    case eventChannelCommands.reset: {
      const owner = copy.read(vcpu.id, address, 2);
      if (owner === undefined) return -errno.EFAULT;
      const foreign = ownDomain(new DataView(owner.buffer).getUint16(0, true), DOMAIN_ID);
      if (foreign === 0) domain.resetEvents();
      return foreign;
    }
    case eventChannelCommands.bind_interdomain: {
      const view = words(3);
      if (view === undefined) return -errno.EFAULT;
      const remote = view.getUint16(0, true);
      return giveBack(view, 8, events.bindInterdomain(remote === domids.SELF ? DOMAIN_ID : remote, view.getUint32(4, true)));
    }
    case eventChannelCommands.bind_pirq: {
      const view = words(3);
      return view === undefined ? -errno.EFAULT : events.bindPirq(view.getUint32(0, true));
    }
    case eventChannelCommands.init_control: {
      const view = words(6);
      if (view === undefined) return -errno.EFAULT;
      const error = initControl(domain, view);
      if (error !== 0) return error;
      return copy.write(vcpu.id, address, new Uint8Array(view.buffer)) ? 0 : -errno.EFAULT;
    }
    case eventChannelCommands.expand_array: {
      const view = words(2);
      if (view === undefined) return -errno.EFAULT;
      const { delivery } = events;
      return delivery instanceof Fifo ? delivery.addPage(frameNumber(view.getBigUint64(0, true))) : -errno.EOPNOTSUPP;
    }
    case eventChannelCommands.set_priority: {
      const view = words(2);
      return view === undefined ? -errno.EFAULT : events.setPriority(view.getUint32(0, true), view.getUint32(4, true));
    }
    default:
      return -errno.ENOSYS;
  }
}

/** event_channel_op_compat(argument): the command comes first in it, and the newer ones are not known. */
export function eventChannelOpCompat(call: Call): CallResult {
  const { domain, vcpu, args } = call;
  const address = args[0] ?? 0n;
  const command = domain.copy.readNumber(vcpu.id, address, 4);
  if (command === undefined) return -errno.EFAULT;
  if (command > BigInt(eventChannelCommands.unmask)) return -errno.ENOSYS;
  return eventChannelOp({ ...call, args: [command, address + 4n] });
}

/** What a port is, in the words of EVTCHNOP_status from the third on. */
function tellStatus(view: DataView, { state, vcpu, virq, remoteDomain, remotePort }: Channel): void {
  view.setUint32(8, state, true);
  view.setUint32(12, vcpu, true);
  if (state === channelStates.virq) view.setUint32(16, virq, true);
  else if (state === channelStates.unbound || state === channelStates.interdomain) view.setUint16(16, remoteDomain, true);
  if (state === channelStates.interdomain) view.setUint32(20, remotePort, true);
}

/** EVTCHNOP_init_control: the control block of a vCPU; the width of links is told. */
function initControl(domain: Domain, view: DataView): number {
  const offset = view.getUint32(8, true);
  const vcpu = view.getUint32(12, true);
  if (domain.vcpus[vcpu] === undefined) return -errno.ENOENT;
  if (offset > 4096 - fifo.CONTROL_BLOCK_BYTES || offset % 8 !== 0) return -errno.EINVAL;
  view.setUint8(16, fifo.LINK_BITS);
  return domain.initFifo(vcpu, frameNumber(view.getBigUint64(0, true)), offset);
}

const REASONS = new Map<number, "poweroff" | "reboot" | "suspend" | "crash">([
  [shutdownReasons.poweroff, "poweroff"],
  [shutdownReasons.reboot, "reboot"],
  [shutdownReasons.suspend, "suspend"],
  [shutdownReasons.crash, "crash"],
  [shutdownReasons.watchdog, "crash"],
]);

/** sched_op(command, argument) */
export function schedOp(call: Call): CallResult {
  const { domain, vcpu, args } = call;
  const address = args[1] ?? 0n;
  switch (u32(args[0])) {
    case schedCommands.yield:
      domain.operations.smp.yield.run(vcpu.core, undefined);
      return 0;
    case schedCommands.block:
      vcpu.info.mask = 0;
      if (!vcpu.info.pending) domain.block(vcpu);
      return 0;
    case schedCommands.shutdown: {
      const reason = domain.copy.readNumber(vcpu.id, address, 4);
      return reason === undefined ? -errno.EFAULT : shutDown(call, Number(reason));
    }
    case schedCommands.poll:
      return poll(call, address);
    default:
      return -errno.ENOSYS;
  }
}

/** sched_op_compat(command, argument): the reason is in the register. */
export function schedOpCompat(call: Call): CallResult {
  const command = u32(call.args[0]);
  if (command === schedCommands.shutdown) return shutDown(call, u32(call.args[1]));
  return command === schedCommands.yield || command === schedCommands.block ? schedOp(call) : -errno.ENOSYS;
}

function shutDown({ domain }: Call, reason: number): CallResult {
  const name = REASONS.get(reason);
  if (name === undefined) return -errno.EINVAL;
  domain.end(name, `the domain shut down (${name})`);
  return 0;
}

function poll({ domain, vcpu }: Call, address: bigint): CallResult {
  const wide = domain.bits === 64;
  const bytes = domain.copy.read(vcpu.id, address, wide ? 24 : 16);
  if (bytes === undefined) return -errno.EFAULT;
  const view = new DataView(bytes.buffer);
  const list = wide ? view.getBigUint64(0, true) : BigInt(view.getUint32(0, true));
  const count = view.getUint32(wide ? 8 : 4, true);
  const timeout = view.getBigUint64(wide ? 16 : 8, true);
  if (count > MAX_POLLED_PORTS) return -errno.EINVAL;
  const found = domain.copy.read(vcpu.id, list, count * 4);
  if (found === undefined) return -errno.EFAULT;
  const ports = Array.from({ length: count }, (_, index) => new DataView(found.buffer).getUint32(index * 4, true));
  // A port need not be in use, only be one that there could be.
  if (ports.some((port) => port >= domain.events.delivery.limit)) return -errno.EINVAL;
  if (ports.some((port) => domain.events.delivery.isPending(port))) return 0;
  if (vcpu.info.pending && vcpu.info.mask === 0) return 0;
  if (timeout !== 0n) domain.timers[vcpu.id]!.poll(Number(timeout));
  domain.block(vcpu, ports);
  return 0;
}
