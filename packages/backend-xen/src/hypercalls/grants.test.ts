import type { RecordingHypervisor } from "@paravane/paravirt-ops/conformance";
import { beforeEach, describe, expect, test } from "vitest";
import { Calls, SCRATCH } from "../../test/calls.js";
import { testDomain } from "../../test/frontend.js";
import { domainFaults } from "../../test/invariants.js";
import {
  gnttab_cache_flush,
  gnttab_get_status_frames,
  gnttab_query_size,
  gnttab_set_version,
  gnttab_setup_table,
  gnttab_swap_grant_ref,
  gnttab_transfer,
  gnttab_unmap_grant_ref,
} from "../abi/grant-table.js";
import { grantCommands } from "../abi/services.js";
import { frameTypes } from "../mmu/frame-table.js";

const [HOST, READ_ONLY, DEVICE, CONTAINS] = [2, 4, 1, 16];
const [PERMIT, GTF_RO, READING, WRITING] = [1, 4, 8, 16];
const [SOURCE, DEST] = [1, 2];
const SELF = 0x7ff0;

let calls: Calls;
const flagsOf = (reference: number): number => calls.entryView(reference).getUint16(0, true);
const faults = (): string[] => domainFaults(calls.domain, (calls.domain.hypervisor as unknown as RecordingHypervisor).protectedFrames);
const setVersion = (version: number): number => {
  calls.put(gnttab_set_version, { version });
  return calls.call("grant_table_op", grantCommands.set_version, SCRATCH, 1);
};

describe.each([64, 32] as const)("a %i-bit domain", (bits) => {
  beforeEach(async () => {
    calls = new Calls(await testDomain(bits));
  });

  test("maps a grant of its own by linear address and by entry, and unmaps it", () => {
    const [granted, place] = calls.spare(2);
    const { frames, paging } = calls.domain;
    calls.entry(8, PERMIT, granted!.frame);
    const mapped = calls.map({ host_addr: place!.linear, flags: HOST, ref: 8 });
    expect(mapped).toEqual({ status: 0, handle: 0, address: granted!.frame * 4096 });
    const [low, high] = paging.readEntry(calls.leaf, place!.index);
    expect([low >>> 12, low & 0x63, high >>> 31]).toEqual([granted!.frame, 0x63, 1]);
    expect([flagsOf(8), frames.typeOf(granted!.frame)]).toEqual([PERMIT | READING | WRITING, frameTypes.writable]);
    const entry = calls.leaf * 4096 + granted!.index * 8;
    const other = calls.map({ host_addr: entry, flags: HOST | CONTAINS | READ_ONLY, ref: 8 });
    expect([other.status, paging.readEntry(calls.leaf, granted!.index)[0] & 3]).toEqual([0, 1]);
    expect(faults()).toEqual([]);
    expect(calls.unmap(mapped.handle, place!.linear)).toBe(0);
    expect(flagsOf(8)).toBe(PERMIT | READING);
    expect(calls.unmap(other.handle, entry)).toBe(0);
    expect([flagsOf(8), frames.countOf(granted!.frame), calls.unmap(other.handle, entry)]).toEqual([PERMIT, 1, -4]);
    expect(faults()).toEqual([]);
  });

  test("has a status for each thing that does not fit", () => {
    const [granted, place] = calls.spare(2);
    const at = { host_addr: place!.linear };
    calls.entry(8, PERMIT, granted!.frame);
    calls.entry(9, PERMIT | GTF_RO, granted!.frame);
    calls.entry(10, PERMIT, granted!.frame, 5);
    calls.entry(11, PERMIT, 3);
    calls.entry(12, PERMIT, calls.leaf);
    calls.entry(13, 2, granted!.frame);
    const statuses = [
      { ...at, flags: 0, ref: 8 },
      { ...at, flags: HOST, ref: 100_000 },
      { ...at, flags: HOST, ref: 8, dom: 9 },
      { ...at, flags: HOST, ref: 8, dom: SELF },
      { ...at, flags: HOST, ref: 9 },
      { ...at, flags: HOST, ref: 10 },
      { ...at, flags: HOST, ref: 11 },
      { ...at, flags: HOST, ref: 12 },
      { ...at, flags: HOST, ref: 13 },
      { host_addr: 0x7000_0000, flags: HOST, ref: 8 },
      { host_addr: calls.leaf * 4096 + 4, flags: HOST | CONTAINS, ref: 8 },
      { host_addr: granted!.frame * 4096, flags: HOST | CONTAINS, ref: 8 },
      { ...at, flags: HOST | READ_ONLY, ref: 9 },
    ].map((operation) => calls.map(operation).status);
    expect(statuses).toEqual([-3, -3, -2, -2, -1, -1, -9, -1, -1, -1, -1, -1, 0]);
    expect([8, 10, 11, 12].map((reference) => flagsOf(reference))).toEqual([1, 1, 1, 1]);
    expect(calls.unmap(0, place!.linear + 4096)).toBe(-1);
    expect(calls.unmap(0, place!.linear, 4096)).toBe(-1);
    expect(calls.unmap(77, place!.linear)).toBe(-4);
    expect(faults()).toEqual([]);
  });

  test("a granted frame that is mapped writable does not become a page table, and one that is a table is not mapped writable", () => {
    const [granted, place] = calls.spare(2);
    const { paging } = calls.domain;
    calls.memory.fill(granted!.frame * 4096, 4096, 0);
    calls.entry(8, PERMIT, granted!.frame);
    const { handle } = calls.map({ host_addr: place!.linear, flags: HOST, ref: 8 });
    expect(paging.pin(granted!.frame, frameTypes.l1)).toBe(-22);
    expect(calls.unmap(handle, place!.linear)).toBe(0);
    expect(paging.pin(granted!.frame, frameTypes.l1)).toBe(0);
    expect(calls.map({ host_addr: place!.linear, flags: HOST, ref: 8 }).status).toBe(-1);
    expect(calls.map({ host_addr: place!.linear, flags: HOST | READ_ONLY, ref: 8 }).status).toBe(0);
    expect(calls.map({ flags: DEVICE, ref: 8 }).status).toBe(-1);
    expect(faults()).toEqual([]);
  });

  test("a mapping for devices holds the frame until it is ended by its address", () => {
    const [granted] = calls.spare(1);
    const { frames } = calls.domain;
    calls.entry(8, PERMIT, granted!.frame);
    const { handle } = calls.map({ flags: DEVICE, ref: 8 });
    expect([frames.countOf(granted!.frame), frames.typeOf(granted!.frame)]).toEqual([2, frameTypes.writable]);
    expect([calls.unmap(handle, 0), frames.countOf(granted!.frame)]).toEqual([0, 2]);
    expect([calls.unmap(handle, 0, granted!.frame * 4096), frames.countOf(granted!.frame), flagsOf(8)]).toEqual([0, 1, PERMIT]);
    expect(faults()).toEqual([]);
  });

  test("an entry that the guest overwrites gives the frame back, and the grant can be unmapped no more", () => {
    const [granted, place] = calls.spare(2);
    const { frames, paging } = calls.domain;
    calls.entry(8, PERMIT, granted!.frame);
    const { handle } = calls.map({ host_addr: place!.linear, flags: HOST, ref: 8 });
    expect(paging.setEntry(calls.leaf, place!.index, 0, 0)).toBe(0);
    expect(frames.countOf(granted!.frame)).toBe(1);
    expect([calls.unmap(handle, place!.linear), flagsOf(8)]).toEqual([-1, PERMIT | READING | WRITING]);
    expect(faults()).toEqual([]);
  });

  test("unmap_and_replace moves another mapping into the place", () => {
    const [granted, place, other] = calls.spare(3);
    const { paging } = calls.domain;
    calls.entry(8, PERMIT, granted!.frame);
    const { handle } = calls.map({ host_addr: place!.linear, flags: HOST, ref: 8 });
    expect(paging.setEntry(calls.leaf, other!.index, ((other!.frame << 12) | 3) >>> 0, 0)).toBe(0);
    const replace = (host: number, replacement: number): number =>
      calls.grant(grantCommands.unmap_and_replace, gnttab_unmap_grant_ref, { host_addr: host, dev_bus_addr: replacement, handle });
    expect(replace(place!.linear, 0x7000_0000)).toBe(-1);
    expect(replace(place!.linear, other!.linear)).toBe(0);
    expect(paging.readEntry(calls.leaf, place!.index)[0] >>> 12).toBe(other!.frame);
    expect([paging.readEntry(calls.leaf, other!.index)[0] & 1, flagsOf(8)]).toEqual([0, PERMIT]);
    expect(faults()).toEqual([]);
  });

  test("copies between frames and grants, either way, and refuses what does not fit", () => {
    const [one, other] = calls.spare(2);
    calls.entry(8, PERMIT | GTF_RO, one!.frame);
    calls.entry(9, PERMIT, other!.frame);
    const bytes = (frame: number): Uint8Array => calls.domain.hypervisor.frames.bytes(frame);
    bytes(one!.frame).set([1, 2, 3, 4], 100);
    bytes(other!.frame).fill(0);
    const grants = { "source.frame": 8, "source.domid": 1, "dest.frame": 9, "dest.domid": SELF, flags: SOURCE | DEST };
    expect(calls.copy({ ...grants, "source.offset": 100, "dest.offset": 4092, len: 4 })).toBe(0);
    expect([...bytes(other!.frame).subarray(4092)]).toEqual([1, 2, 3, 4]);
    const frames = { "source.frame": other!.frame, "source.domid": SELF, "dest.frame": one!.frame, "dest.domid": SELF };
    expect(calls.copy({ ...frames, "source.offset": 4092, len: 2 })).toBe(0);
    expect([...bytes(one!.frame).subarray(0, 3)]).toEqual([1, 2, 0]);
    expect([flagsOf(8), flagsOf(9)]).toEqual([PERMIT | GTF_RO, PERMIT]);
    const refused = [
      { ...frames, "source.offset": 4000, len: 97 },
      { ...frames, "source.domid": 1 },
      { ...frames, "dest.domid": 9 },
      { ...grants, "dest.domid": 9 },
      { ...grants, "source.domid": 0 },
      { ...grants, "source.frame": 5000 },
      { ...grants, "dest.frame": 8 },
      { ...frames, "source.frame": 3 },
      { ...frames, "dest.frame": calls.leaf },
    ].map((operation) => calls.copy({ len: 1, ...operation }));
    expect(refused).toEqual([-10, -8, -8, -2, -1, -3, -1, -9, -1]);
    expect(faults()).toEqual([]);
  });

  test("version 2 has status words apart, keeps the toolstack's entries, and parts of frames for copies alone", () => {
    const [granted, place] = calls.spare(2);
    const { grants, hypervisor, activeGrants } = calls.domain;
    calls.entry(8, PERMIT, granted!.frame);
    const { handle } = calls.map({ host_addr: place!.linear, flags: HOST, ref: 8 });
    expect([setVersion(2), calls.memory.readU32(SCRATCH)]).toEqual([-16, 1]);
    expect([setVersion(3), calls.memory.readU32(SCRATCH)]).toEqual([-22, 1]);
    calls.unmap(handle, place!.linear);
    const [consoleFrame] = [grants.entry(0)!.frame];
    expect([setVersion(2), grants.entry(0)!.frame, grants.entry(8)!.flags]).toEqual([0, consoleFrame, 0]);
    const bytes = hypervisor.frames.bytes(grants.frames[0]!);
    const view = new DataView(bytes.buffer, bytes.byteOffset + 8 * 16, 16);
    view.setUint16(2, 1, true);
    view.setUint16(4, 100, true);
    view.setUint16(6, 8, true);
    view.setBigUint64(8, BigInt(granted!.frame), true);
    view.setUint16(0, PERMIT | 0x100, true);
    expect(calls.map({ host_addr: place!.linear, flags: HOST, ref: 8 }).status).toBe(-1);
    const copy = { "source.frame": 8, "source.domid": SELF, "dest.frame": place!.frame, "dest.domid": SELF, flags: SOURCE, len: 8 };
    expect([calls.copy({ ...copy, "source.offset": 100 }), calls.copy({ ...copy, "source.offset": 101 })]).toEqual([0, -1]);
    view.setUint16(0, 3, true);
    view.setUint16(4, 1, true);
    expect(calls.copy({ ...copy, "source.offset": 100 })).toBe(-1);
    view.setUint16(0, PERMIT, true);
    const mapped = calls.map({ host_addr: place!.linear, flags: HOST, ref: 8 });
    const status = hypervisor.frames.bytes(grants.statusFrames[0]!);
    expect([mapped.status, view.getUint16(0, true), status[16], activeGrants.busyFrom(8)]).toEqual([0, PERMIT, READING | WRITING, true]);
    calls.unmap(mapped.handle, place!.linear);
    expect(status[16]).toBe(0);
    expect(
      calls.grant(grantCommands.get_status_frames, gnttab_get_status_frames, { nr_frames: 1, dom: SELF, frame_list: calls.list(0) }),
    ).toBe(0);
    expect(Number(calls.memory.readU64(calls.list()))).toBe(grants.statusFrames[0]);
    expect(calls.grant(grantCommands.get_status_frames, gnttab_get_status_frames, { nr_frames: 9, dom: SELF })).toBe(-1);
    const [statusFrame] = grants.statusFrames;
    expect([setVersion(1), grants.entry(0)!.frame, calls.domain.frames.owns(statusFrame!)]).toEqual([0, consoleFrame, false]);
    expect([setVersion(2), grants.statusFrames[0]]).toEqual([0, statusFrame]);
    expect(faults()).toEqual([]);
  });

  test("the table grows when asked, up to its bound; sizes and others' tables are as they are", () => {
    const setup = (nr: number, dom = SELF): number =>
      calls.grant(grantCommands.setup_table, gnttab_setup_table, { dom, nr_frames: nr, frame_list: calls.list(0) });
    expect([setup(3), calls.listed(3)]).toEqual([0, calls.domain.grants.frames.slice(0, 3)]);
    expect([setup(65), setup(1, 0), setup(1, 9)]).toEqual([-1, -8, -2]);
    const read = calls.put(gnttab_query_size, { dom: 1 });
    expect([
      calls.call("grant_table_op", grantCommands.query_size, SCRATCH, 1),
      read().get("nr_frames"),
      read().get("max_nr_frames"),
    ]).toEqual([0, 3, 64]);
    expect(calls.call("grant_table_op", grantCommands.query_size, SCRATCH, 2)).toBe(-22);
    expect(calls.call("grant_table_op", grantCommands.dump_table, SCRATCH, 1)).toBe(-38);
    expect(calls.call("grant_table_op", grantCommands.map_grant_ref, SCRATCH, -1 >>> 0)).toBe(-22);
    expect(calls.call("grant_table_op", grantCommands.map_grant_ref | 0x1000, SCRATCH, 1)).toBe(-22);
    expect(calls.call("grant_table_op", grantCommands.map_grant_ref, bits === 64 ? 0xffff_8000_0000_0000n : 0xf580_0000, 1)).toBe(-14);
  });

  test("entries that nobody uses change places, and cache flushes are what they can be", () => {
    const [granted, place] = calls.spare(2);
    calls.entry(8, PERMIT, granted!.frame);
    calls.entry(9, PERMIT | GTF_RO, place!.frame);
    const swap = (a: number, b: number): number => calls.grant(grantCommands.swap_grant_ref, gnttab_swap_grant_ref, { ref_a: a, ref_b: b });
    expect([swap(8, 9), flagsOf(8), calls.domain.grants.entry(8)!.frame]).toEqual([0, PERMIT | GTF_RO, BigInt(place!.frame)]);
    calls.map({ host_addr: place!.linear, flags: HOST, ref: 9 });
    expect([swap(8, 9), swap(8, 8), swap(8, 5000)]).toEqual([-12, 0, -3]);
    const flush = (op: number, frame: number, length = 64): number => {
      calls.put(gnttab_cache_flush, { dev_bus_addr: BigInt(frame) * 4096n, length, op });
      return calls.call("grant_table_op", grantCommands.cache_flush, SCRATCH, 1);
    };
    const own = granted!.frame;
    expect([flush(1, own), flush(3, own), flush(2, own), flush(4, own), flush(1, 3), flush(1, 0xffffff), flush(1, own, 5000)]).toEqual([
      0, 0, -95, -22, -1, -22, -22,
    ]);
  });

  test("a frame that is given away is gone, unless the domain itself accepts it", () => {
    const [one, other, used] = calls.spare(3);
    const { frames, reservation, grants, machToPhys } = calls.domain;
    const before = reservation.pages;
    const transfer = (mfn: number, domid: number, ref: number): number =>
      calls.grant(grantCommands.transfer, gnttab_transfer, { mfn, domid, ref });
    calls.entry(8, 2, 0x123);
    expect([transfer(one!.frame, 1, 8), frames.owns(one!.frame), machToPhys.get(one!.frame), flagsOf(8)]).toEqual([
      0,
      true,
      0x123n,
      2 | 4 | 8,
    ]);
    expect(grants.entry(8)!.frame).toBe(BigInt(one!.frame));
    expect([transfer(other!.frame, 0, 8), frames.owns(other!.frame), reservation.pages]).toEqual([-1, false, before - 1]);
    calls.entry(9, PERMIT, used!.frame);
    calls.map({ flags: DEVICE, ref: 9 });
    expect([transfer(used!.frame, 1, 8), transfer(3, 1, 8), transfer(calls.leaf, 1, 8)]).toEqual([-9, -9, -9]);
    expect(faults()).toEqual([]);
  });
});
