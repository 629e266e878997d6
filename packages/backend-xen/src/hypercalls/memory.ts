/** memory_op: taking and giving back frames, exchanging them. public/memory.h; results as Xen 4.17 gives them. */
import { errno } from "../abi/errno.js";
import { memory_exchange, memory_reservation, memoryCommands } from "../abi/services.js";
import type { StructView } from "../abi/struct.js";
import { domids } from "../abi/xen.js";
import { DOMAIN_ID, type Domain } from "../domain/domain.js";
import { type Call, type CallResult, frameNumber, PIECES_AT_ONCE, u32 } from "./call.js";

/** Upper bits of a command carry how many extents are done. */
export const EXTENT_SHIFT = 6;
const MAX_EXTENTS = 0xffff_ffff >>> EXTENT_SHIFT;
/** Largest extent of a guest without devices of its own: 2 MiB. */
const MAX_ORDER = 9;
const ADDRESS_BITS = 0xff;
const PAGE_SHIFT = 12;
const ALL_FRAMES = 2 ** 40;

/** Frames must lie below this; undefined for an impossible wish. */
function frameLimit(flags: number): number | undefined {
  const bits = flags & ADDRESS_BITS;
  if (bits === 0 || bits >= 52) return ALL_FRAMES;
  return bits <= PAGE_SHIFT ? undefined : 2 ** (bits - PAGE_SHIFT);
}

/** A list of frame numbers in guest memory. */
class ExtentList {
  readonly #bytes: 4 | 8;

  constructor(
    private readonly call: Call,
    readonly start: bigint,
  ) {
    this.#bytes = call.domain.bits === 64 ? 8 : 4;
  }

  read(index: number): bigint | undefined {
    return this.call.domain.copy.readNumber(this.call.vcpu.id, this.start + BigInt(index * this.#bytes), this.#bytes);
  }

  write(index: number, frame: number): boolean {
    return this.call.domain.copy.writeNumber(this.call.vcpu.id, this.start + BigInt(index * this.#bytes), this.#bytes, frame);
  }

  mayName(count: number): boolean {
    return this.call.domain.copy.mayName(this.start, count * this.#bytes);
  }
}

/** increase_reservation, decrease_reservation, populate_physmap: how many extents are done. */
export function changeReservation(call: Call): CallResult {
  const { domain, vcpu, args } = call;
  const command = u32(args[0]) & ((1 << EXTENT_SHIFT) - 1);
  const begun = u32(args[0]) >>> EXTENT_SHIFT;
  const reservation = domain.copy.readStruct(vcpu.id, args[1] ?? 0n, memory_reservation);
  if (reservation === undefined) return begun;
  const count = reservation.get("nr_extents");
  const order = reservation.get("extent_order");
  const owner = reservation.get("domid");
  const limit = frameLimit(reservation.get("mem_flags"));
  if (count > MAX_EXTENTS || begun >= count || order > MAX_ORDER || limit === undefined) return begun;
  if (owner !== domids.SELF && owner !== DOMAIN_ID) return begun;
  const list = new ExtentList(call, reservation.wide("extent_start"));
  const optional = command === memoryCommands.increase_reservation && list.start === 0n;
  if (!optional && !list.mayName(count)) return begun;
  const pieces = Math.max(1, PIECES_AT_ONCE >>> order);
  for (let index = begun; index < count; index++) {
    if (index === begun + pieces) return { again: [BigInt(command + index * 2 ** EXTENT_SHIFT), args[1] ?? 0n] };
    const given = list.start === 0n ? 0n : list.read(index);
    if (command === memoryCommands.decrease_reservation) {
      if (given === undefined || !giveUpExtent(domain, given, 2 ** order)) return index;
      continue;
    }
    const populate = command === memoryCommands.populate_physmap;
    if (populate && given === undefined) return index;
    if (domain.kind === "pvh") {
      if (!populate || !domain.reservation.takeBack(frameNumber(given!), 2 ** order)) return index;
      continue;
    }
    const first = domain.reservation.allocate(2 ** order, limit);
    if (first === undefined) return index;
    for (let part = 0; part < 2 ** order; part++) {
      domain.reservation.claim(first + part, populate ? given! + BigInt(part) : undefined);
    }
    if (!optional && !list.write(index, first)) return index;
  }
  return count;
}

function giveUpExtent(domain: Domain, given: bigint, count: number): boolean {
  const first = frameNumber(given);
  for (let frame = first; frame < first + count; frame++) if (!domain.reservation.giveUp(frame)) return false;
  return true;
}

/** XENMEM_exchange: frames of one size for as many of another, whose numbers take the places that the guest names. */
export function exchange(call: Call): CallResult {
  const { domain, vcpu, args } = call;
  const address = args[1] ?? 0n;
  if (domain.kind === "pvh") return -errno.EOPNOTSUPP;
  const layout = memory_exchange;
  const request = domain.copy.readStruct(vcpu.id, address, layout);
  if (request === undefined) return -errno.EFAULT;
  const result = exchangeAll(call, request);
  const { offset, bytes } = layout[domain.bits].fields.nr_exchanged;
  const told = domain.copy.writeNumber(vcpu.id, address + BigInt(offset), bytes as 4 | 8, request.wide("nr_exchanged"));
  return told ? result : -errno.EFAULT;
}

type Exchange = StructView<keyof (typeof memory_exchange)[64]["fields"]>;

function exchangeAll(call: Call, request: Exchange): CallResult {
  const { domain, args } = call;
  const inOrder = request.get("in.extent_order");
  const outOrder = request.get("out.extent_order");
  const [inCount, outCount] = [request.wide("in.nr_extents"), request.wide("out.nr_extents")];
  const done = request.wide("nr_exchanged");
  const owner = request.get("in.domid");
  if (Math.max(inOrder, outOrder) > MAX_ORDER) return -errno.EPERM;
  if (done > inCount || owner !== request.get("out.domid")) return -errno.EINVAL;
  if (inCount << BigInt(inOrder) !== outCount << BigInt(outOrder) || inCount >> 40n !== 0n) return -errno.EINVAL;
  const inList = new ExtentList(call, request.wide("in.extent_start"));
  const outList = new ExtentList(call, request.wide("out.extent_start"));
  if (!inList.mayName(Number(inCount)) || !outList.mayName(Number(outCount))) return -errno.EFAULT;
  if (owner !== domids.SELF && owner !== DOMAIN_ID) return owner === 0 ? -errno.EPERM : -errno.ESRCH;
  const limit = frameLimit(request.get("out.mem_flags")) ?? 0;
  // A chunk is as large as the larger of the two extents.
  const inShift = Math.max(0, outOrder - inOrder);
  const outShift = Math.max(0, inOrder - outOrder);
  const first = Number(done >> BigInt(inShift));
  const chunks = Number(inCount >> BigInt(inShift));
  for (let chunk = first; chunk < chunks; chunk++) {
    request.set("nr_exchanged", chunk << inShift);
    if (chunk === first + Math.max(1, PIECES_AT_ONCE >>> Math.max(inOrder, outOrder))) return { again: args.slice(0, 2) };
    const error = exchangeChunk(domain, { inList, outList, inOrder, outOrder, inShift, outShift, chunk, limit });
    if (error !== 0) return error;
  }
  request.set("nr_exchanged", inCount);
  return 0;
}

interface Chunk {
  readonly inList: ExtentList;
  readonly outList: ExtentList;
  readonly inOrder: number;
  readonly outOrder: number;
  readonly inShift: number;
  readonly outShift: number;
  readonly chunk: number;
  readonly limit: number;
}

/** All of it, or nothing and why. */
function exchangeChunk(domain: Domain, { inList, outList, inOrder, outOrder, inShift, outShift, chunk, limit }: Chunk): number {
  const { reservation, machToPhys } = domain;
  const taken: { frame: number; pfn: bigint }[] = [];
  const allocated: number[] = [];
  const undo = (error: number): number => {
    for (const first of allocated) reservation.putBack(first, 2 ** outOrder);
    for (const { frame, pfn } of taken) reservation.claim(frame, pfn);
    return error;
  };
  for (let extent = 0; extent < 2 ** inShift; extent++) {
    const given = inList.read((chunk << inShift) + extent);
    if (given === undefined) return undo(-errno.EFAULT);
    for (let part = 0; part < 2 ** inOrder; part++) {
      const frame = frameNumber(given + BigInt(part));
      const pfn = machToPhys.get(frame);
      if (!reservation.release(frame)) return undo(-errno.EINVAL);
      taken.push({ frame, pfn });
      // Not to be had again before the exchange is through.
      reservation.reserve(frame);
    }
  }
  for (let extent = 0; extent < 2 ** outShift; extent++) {
    const first = reservation.allocate(2 ** outOrder, limit, true);
    if (first === undefined) return undo(-errno.ENOMEM);
    allocated.push(first);
  }
  for (const { frame } of taken) reservation.putBack(frame, 1);
  let error = 0;
  for (const [extent, first] of allocated.entries()) {
    const place = (chunk << outShift) + extent;
    const pfn = outList.read(place);
    for (let part = 0; part < 2 ** outOrder; part++) reservation.claim(first + part, pfn === undefined ? undefined : pfn + BigInt(part));
    if (pfn === undefined || !outList.write(place, first)) error = -errno.EFAULT;
  }
  return error;
}
