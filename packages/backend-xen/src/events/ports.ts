/**
 * Event channels: a table of ports, what each is bound to, and what happens when one is sent to. How a pending port is shown to the guest
 * is the delivery's affair (`TwoLevel`, `Fifo`). public/event_channel.h; errors as Xen 4.17 gives them.
 */
import { errno } from "../abi/errno.js";
import { channelStates } from "../abi/services.js";
import { domids, virqs } from "../abi/xen.js";

/** VIRQs of which every vCPU has its own. */
const PER_VCPU_VIRQS: readonly number[] = [virqs.TIMER, virqs.DEBUG, virqs.XENPMU];
const VIRQ_COUNT = 24;
/** The machine's owner. */
const DOM0 = 0;
/** Ports exist, closed, in groups of this many. */
const GROUP = 128;
/** Pins of the interrupt controller, and what every domain may have beyond them: public numbers of physical interrupts are below. */
const PIRQ_COUNT = 24 + 32;

/** One port. */
export interface Channel {
  state: number;
  /** vCPU that is told. */
  vcpu: number;
  /** VIRQ number. */
  virq: number;
  /** The vCPU whose VIRQ it is, whoever is told now. */
  virqVcpu: number;
  /** The other domain, for unbound and interdomain ports. */
  remoteDomain: number;
  remotePort: number;
  /** Who is at the other end, when that is a service of this process. */
  service: (() => void) | undefined;
}

/** A service's end of a channel. When the guest has closed its own, nothing happens any more. */
export interface ServiceEnd {
  /** The guest is told. */
  notify(): void;
  /** The guest's end is on offer again. */
  close(): void;
}

/** Shows pending ports to the guest. */
export interface EventDelivery {
  /** Ports there can be, 0 included, which is none. */
  readonly limit: number;
  /** A port is pending. */
  raise(port: number, vcpu: number): void;
  /** The guest unmasked it by a call. */
  unmask(port: number, vcpu: number): void;
  /** It is pending, masked or not. */
  isPending(port: number): boolean;
  /** A port that is closed is not pending. */
  clear(port: number): void;
  /** A closed port that the guest has not let go of. */
  isBusy(port: number): boolean;
  /** A fresh port: nothing of an earlier one holds. */
  opened(port: number): void;
  /** Some ports come before others. */
  readonly hasPriorities: boolean;
  /** 0, or -EINVAL. */
  setPriority(port: number, priority: number): number;
  /** Lets go of the guest's memory. */
  close(): void;
}

const closed = (): Channel => ({
  state: channelStates.closed,
  vcpu: 0,
  virq: 0,
  virqVcpu: 0,
  remoteDomain: 0,
  remotePort: 0,
  service: undefined,
});

/** The ports of a domain. */
export class EventPorts {
  readonly #channels: Channel[] = [closed()];
  readonly #virqs = new Map<string, number>();
  /** No port below is free. */
  #firstFree = 1;

  constructor(
    readonly domain: number,
    private readonly vcpus: number,
    /** How pending ports are shown now. */
    public delivery: EventDelivery,
    /** A port is pending, masked or not: whoever polls it wants to know. */
    private readonly polled: (port: number) => void,
  ) {}

  /** A port by number; undefined beyond those that there are. */
  channel(port: number): Channel | undefined {
    if (port >= Math.max(GROUP, Math.ceil(this.#channels.length / GROUP) * GROUP)) return undefined;
    return this.#channels[port] ?? closed();
  }

  /** A fresh port, or -ENOSPC. */
  #allocate(channel: Partial<Channel>): number {
    let port = this.#firstFree;
    while (port < this.#channels.length && (this.#isOpen(port) || this.delivery.isBusy(port))) port++;
    if (port >= this.delivery.limit) return -errno.ENOSPC;
    this.#channels[port] = { ...closed(), ...channel };
    this.#firstFree = port + 1;
    this.delivery.opened(port);
    return port;
  }

  #isOpen(port: number): boolean {
    return port > 0 && (this.#channels[port]?.state ?? channelStates.closed) !== channelStates.closed;
  }

  /** A port to a service in this process, as the toolstack would make it. */
  connectService(service: () => void): number {
    return this.#allocate({ state: channelStates.interdomain, remoteDomain: DOM0, service });
  }

  /** A service takes the other end of a port that the guest offered; undefined for a port that is not on offer. */
  joinService(port: number, service: () => void): ServiceEnd | undefined {
    const channel = this.#channels[port];
    if (channel?.state !== channelStates.unbound || channel.remoteDomain !== DOM0) return undefined;
    channel.state = channelStates.interdomain;
    channel.service = service;
    // As Xen does: the guest may have missed what came before.
    this.raise(port);
    return {
      notify: () => {
        if (channel.service === service) this.raise(port);
      },
      close: () => {
        if (channel.service !== service) return;
        channel.state = channelStates.unbound;
        channel.service = undefined;
      },
    };
  }

  /** EVTCHNOP_alloc_unbound */
  allocUnbound(remoteDomain: number): number {
    return this.#allocate({ state: channelStates.unbound, remoteDomain });
  }

  /** EVTCHNOP_bind_interdomain: the local port, or -ESRCH, -EINVAL. Only its own ports wait for this domain. */
  bindInterdomain(remoteDomain: number, remotePort: number): number {
    if (remoteDomain !== this.domain) return remoteDomain === DOM0 ? -errno.EINVAL : -errno.ESRCH;
    const remote = this.#channels[remotePort];
    if (remote?.state !== channelStates.unbound || remote.remoteDomain !== this.domain) return -errno.EINVAL;
    const port = this.#allocate({ state: channelStates.interdomain, remoteDomain, remotePort });
    if (port < 0) return port;
    remote.state = channelStates.interdomain;
    remote.remotePort = port;
    this.raise(port);
    return port;
  }

  /** EVTCHNOP_bind_pirq: a domain without devices has none. */
  bindPirq(pirq: number): number {
    return pirq >= PIRQ_COUNT ? -errno.EINVAL : -errno.EPERM;
  }

  /** EVTCHNOP_bind_virq: the port, or -EINVAL, -ENOENT, -EEXIST. */
  bindVirq(virq: number, vcpu: number): number {
    if (virq >= VIRQ_COUNT) return -errno.EINVAL;
    const own = PER_VCPU_VIRQS.includes(virq);
    if (!own && vcpu !== 0) return -errno.EINVAL;
    if (vcpu >= this.vcpus) return -errno.ENOENT;
    const key = `${virq}:${vcpu}`;
    if (this.#virqs.has(key)) return -errno.EEXIST;
    const port = this.#allocate({ state: channelStates.virq, virq, vcpu, virqVcpu: vcpu });
    if (port > 0) this.#virqs.set(key, port);
    return port;
  }

  /** EVTCHNOP_bind_ipi: the port, or -ENOENT. */
  bindIpi(vcpu: number): number {
    return vcpu >= this.vcpus ? -errno.ENOENT : this.#allocate({ state: channelStates.ipi, vcpu });
  }

  /** EVTCHNOP_close. The other end of a loop waits again. */
  close(port: number): number {
    if (!this.#isOpen(port)) return -errno.EINVAL;
    const channel = this.#channels[port]!;
    if (channel.state === channelStates.virq) this.#virqs.delete(`${channel.virq}:${channel.virqVcpu}`);
    const peer = channel.state === channelStates.interdomain ? this.#peer(channel) : undefined;
    if (peer !== undefined) peer.state = channelStates.unbound;
    this.delivery.clear(port);
    Object.assign(channel, closed());
    this.#firstFree = Math.min(this.#firstFree, port);
    return 0;
  }

  #peer({ service, remoteDomain, remotePort }: Channel): Channel | undefined {
    return service === undefined && remoteDomain === this.domain ? this.#channels[remotePort] : undefined;
  }

  /** EVTCHNOP_send by the guest: to a service, or to itself. */
  send(port: number): number {
    const channel = this.#channels[port];
    switch (channel?.state) {
      case channelStates.interdomain:
        if (channel.service === undefined) this.raise(channel.remotePort);
        else channel.service();
        return 0;
      case channelStates.ipi:
        this.raise(port);
        return 0;
      // The other end will hear of it when there is one: silently dropped, as Xen does.
      case channelStates.unbound:
        return 0;
      default:
        return -errno.EINVAL;
    }
  }

  /** Something happened at this port. */
  raise(port: number): void {
    if (!this.#isOpen(port)) return;
    this.delivery.raise(port, this.#channels[port]!.vcpu);
    this.polled(port);
  }

  /** A virtual interrupt for a vCPU, if the guest wants to know. */
  raiseVirq(virq: number, vcpu: number): void {
    const port = this.#virqs.get(`${virq}:${vcpu}`);
    if (port !== undefined) this.raise(port);
  }

  /** EVTCHNOP_bind_vcpu: 0, -ENOENT or -EINVAL. */
  bindVcpu(port: number, vcpu: number): number {
    if (vcpu >= this.vcpus) return -errno.ENOENT;
    const channel = this.#channels[port];
    if (channel === undefined || !this.#isOpen(port) || channel.state === channelStates.ipi) return -errno.EINVAL;
    if (channel.state === channelStates.virq && PER_VCPU_VIRQS.includes(channel.virq)) return -errno.EINVAL;
    channel.vcpu = vcpu;
    return 0;
  }

  /** EVTCHNOP_unmask; nothing happens to a closed port. */
  unmask(port: number): number {
    const channel = this.channel(port);
    if (channel === undefined) return -errno.EINVAL;
    if (this.#isOpen(port)) this.delivery.unmask(port, channel.vcpu);
    return 0;
  }

  /** EVTCHNOP_set_priority: 0, -EINVAL, -ENOSYS where there are no priorities, -EACCES for a closed port. */
  setPriority(port: number, priority: number): number {
    if (this.channel(port) === undefined) return -errno.EINVAL;
    if (!this.delivery.hasPriorities) return -errno.ENOSYS;
    return this.#isOpen(port) ? this.delivery.setPriority(port, priority) : -errno.EACCES;
  }

  /** Ports are shown in another way from now on. What was pending is pending there. */
  show(delivery: EventDelivery): void {
    const before = this.delivery;
    const pending = [...this.#channels.keys()].filter((port) => this.#isOpen(port) && before.isPending(port));
    this.delivery = delivery;
    before.close();
    for (const port of pending) delivery.raise(port, this.#channels[port]!.vcpu);
  }

  /** EVTCHNOP_reset: all ports are closed, those of the console and of xenstore too. */
  reset(): void {
    for (let port = 1; port < this.#channels.length; port++) this.close(port);
  }
}

/** The domain that a call names as its own: 0, or the error for one that is not. */
export function ownDomain(named: number, own: number): number {
  if (named === domids.SELF || named === own) return 0;
  return named === DOM0 ? -errno.EPERM : -errno.ESRCH;
}
