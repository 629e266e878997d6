/**
 * Event channels: a table of ports, what each is bound to, and what happens when one is sent to. How a pending port is shown to the guest
 * is the delivery's affair (`TwoLevel`). public/event_channel.h.
 */
import { errno } from "../abi/errno.js";
import { channelStates } from "../abi/services.js";
import { virqs } from "../abi/xen.js";

/** VIRQs of which every vCPU has its own. */
const PER_VCPU_VIRQS: readonly number[] = [virqs.TIMER, virqs.DEBUG, virqs.XENPMU];
const VIRQ_COUNT = 24;
const DOM0 = 0;

/** One port. */
export interface Channel {
  state: number;
  /** vCPU that is told. */
  vcpu: number;
  /** VIRQ number. */
  virq: number;
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
}

const closed = (): Channel => ({ state: channelStates.closed, vcpu: 0, virq: 0, remoteDomain: 0, remotePort: 0, service: undefined });

/** The ports of a domain. */
export class EventPorts {
  readonly #channels: Channel[] = [closed()];
  readonly #virqs = new Map<string, number>();

  constructor(
    private readonly vcpus: number,
    readonly delivery: EventDelivery,
    /** A port is pending, masked or not: whoever polls it wants to know. */
    private readonly polled: (port: number) => void,
  ) {}

  /** A port by number, or undefined for none that was ever used. */
  channel(port: number): Channel | undefined {
    return port > 0 ? this.#channels[port] : undefined;
  }

  /** A fresh port, or -ENOSPC. */
  #allocate(channel: Partial<Channel>): number {
    let port = 1;
    while (port < this.#channels.length && this.#channels[port]!.state !== channelStates.closed) port++;
    if (port >= this.delivery.limit) return -errno.ENOSPC;
    this.#channels[port] = { ...closed(), ...channel };
    return port;
  }

  /** A port to a service in this process, as the toolstack would make it. */
  connectService(service: () => void): number {
    return this.#allocate({ state: channelStates.interdomain, remoteDomain: DOM0, service });
  }

  /** A service takes the other end of a port that the guest offered; undefined for a port that is not on offer. */
  joinService(port: number, service: () => void): ServiceEnd | undefined {
    const channel = this.channel(port);
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

  /** EVTCHNOP_bind_virq: the port, or -EINVAL, -ENOENT, -EEXIST. */
  bindVirq(virq: number, vcpu: number): number {
    if (virq >= VIRQ_COUNT) return -errno.EINVAL;
    const own = PER_VCPU_VIRQS.includes(virq);
    if (!own && vcpu !== 0) return -errno.EINVAL;
    if (vcpu >= this.vcpus) return -errno.ENOENT;
    const key = `${virq}:${vcpu}`;
    if (this.#virqs.has(key)) return -errno.EEXIST;
    const port = this.#allocate({ state: channelStates.virq, virq, vcpu });
    if (port > 0) this.#virqs.set(key, port);
    return port;
  }

  /** EVTCHNOP_bind_ipi: the port, or -ENOENT. */
  bindIpi(vcpu: number): number {
    return vcpu >= this.vcpus ? -errno.ENOENT : this.#allocate({ state: channelStates.ipi, vcpu });
  }

  /** EVTCHNOP_close */
  close(port: number): number {
    const channel = this.channel(port);
    if (channel === undefined || channel.state === channelStates.closed) return -errno.EINVAL;
    if (channel.state === channelStates.virq) this.#virqs.delete(`${channel.virq}:${this.#boundVcpu(port)}`);
    this.delivery.clear(port);
    Object.assign(channel, closed());
    return 0;
  }

  /** A VIRQ keeps the vCPU that it was bound for as its key, whoever is told now. */
  #boundVcpu(port: number): number {
    for (const [key, bound] of this.#virqs) if (bound === port) return Number(key.split(":")[1]);
    return 0;
  }

  /** EVTCHNOP_send by the guest: to a service, or to itself. */
  send(port: number): number {
    const channel = this.channel(port);
    switch (channel?.state) {
      case channelStates.interdomain:
        channel.service?.();
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
    const channel = this.channel(port);
    if (channel === undefined || channel.state === channelStates.closed) return;
    this.delivery.raise(port, channel.vcpu);
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
    const channel = this.channel(port);
    if (channel === undefined || channel.state === channelStates.closed || channel.state === channelStates.ipi) return -errno.EINVAL;
    if (channel.state === channelStates.virq && PER_VCPU_VIRQS.includes(channel.virq)) return -errno.EINVAL;
    channel.vcpu = vcpu;
    return 0;
  }

  /** EVTCHNOP_unmask */
  unmask(port: number): number {
    const channel = this.channel(port);
    if (channel === undefined || channel.state === channelStates.closed) return -errno.EINVAL;
    this.delivery.unmask(port, channel.vcpu);
    return 0;
  }

  /** EVTCHNOP_reset: all ports but those to services. */
  reset(): void {
    for (let port = 1; port < this.#channels.length; port++) this.close(port);
  }
}
