import type { RecordingHypervisor } from "@paravane/paravirt-ops/conformance";
import { beforeEach, describe, expect, test } from "vitest";
import { Calls, SCRATCH } from "../../test/calls.js";
import { testDomain } from "../../test/frontend.js";
import { domainFaults } from "../../test/invariants.js";
import { machphys_mfn_list, memory_exchange, memory_reservation, memoryCommands, vnuma_topology_info } from "../abi/services.js";
import { INVALID_M2P_ENTRY } from "../abi/xen.js";
import { frameTypes } from "../mmu/frame-table.js";

const SELF = 0x7ff0;
let calls: Calls;
const faults = (): string[] => domainFaults(calls.domain, (calls.domain.hypervisor as unknown as RecordingHypervisor).protectedFrames);

function change(
  command: keyof typeof memoryCommands,
  list: number,
  count: number,
  more: { order?: number; domid?: number; flags?: number } = {},
): number {
  const { order = 0, domid = SELF, flags = 0 } = more;
  calls.put(memory_reservation, { extent_start: list, nr_extents: count, extent_order: order, domid, mem_flags: flags });
  return calls.call("memory_op", memoryCommands[command], SCRATCH);
}

function stat(command: keyof typeof memoryCommands): number {
  calls.memory.writeU32(SCRATCH, SELF);
  return calls.call("memory_op", memoryCommands[command], SCRATCH);
}

describe.each([64, 32] as const)("a %i-bit domain", (bits) => {
  const invalid = bits === 64 ? INVALID_M2P_ENTRY : INVALID_M2P_ENTRY & 0xffff_ffffn;

  beforeEach(async () => {
    calls = new Calls(await testDomain(bits));
  });

  test("gives frames back and has them again, with numbers of its own", () => {
    const spare = calls.spare(3);
    const frames = spare.map(({ frame }) => frame);
    const { machToPhys, reservation } = calls.domain;
    const before = stat("current_reservation");
    expect(change("decrease_reservation", calls.list(...frames), 3)).toBe(3);
    expect([stat("current_reservation"), stat("maximum_reservation")]).toEqual([before - 3, before]);
    expect(frames.map((frame) => machToPhys.get(frame))).toEqual([invalid, invalid, invalid]);
    expect(change("populate_physmap", calls.list(77, 78), 2)).toBe(2);
    const given = calls.listed(2);
    expect(given.map((frame) => machToPhys.get(frame))).toEqual([77n, 78n]);
    expect(given.every((frame) => calls.domain.hypervisor.frames.bytes(frame).every((byte) => byte === 0))).toBe(true);
    expect(change("increase_reservation", calls.list(0), 1)).toBe(1);
    expect(machToPhys.get(calls.listed(1)[0]!)).toBe(invalid);
    // No more than it had.
    expect([change("increase_reservation", calls.list(0), 1), change("populate_physmap", calls.list(5), 1)]).toEqual([0, 0]);
    expect([reservation.pages, faults()]).toEqual([before, []]);
  });

  test("a frame that is still mapped is gone when the last mapping is", () => {
    const [spare] = calls.spare(1);
    const { paging, frames } = calls.domain;
    const before = stat("current_reservation");
    paging.setEntry(calls.leaf, spare!.index, ((spare!.frame << 12) | 1) >>> 0, 0);
    expect(change("decrease_reservation", calls.list(spare!.frame), 1)).toBe(1);
    expect([frames.owns(spare!.frame), stat("current_reservation"), change("decrease_reservation", calls.list(spare!.frame), 1)]).toEqual([
      true,
      before,
      0,
    ]);
    expect([calls.domain.reservation.release(spare!.frame), faults()]).toEqual([false, []]);
    paging.setEntry(calls.leaf, spare!.index, 0, 0);
    expect([frames.owns(spare!.frame), stat("current_reservation"), faults()]).toEqual([false, before - 1, []]);
  });

  test("a pinned table is unpinned, and a frame of nobody's, of another, or of the hypervisor's ends the count", () => {
    const [table, plain] = calls.spare(2);
    calls.memory.fill(table!.frame * 4096, 4096, 0);
    expect(calls.domain.paging.pin(table!.frame, frameTypes.l1)).toBe(0);
    const shared = calls.domain.shared.frame;
    expect(change("decrease_reservation", calls.list(table!.frame, 3, plain!.frame), 3)).toBe(1);
    expect(change("decrease_reservation", calls.list(shared), 1)).toBe(0);
    expect(calls.domain.frames.owns(table!.frame)).toBe(false);
    expect(change("decrease_reservation", calls.list(plain!.frame), 1, { domid: 0 })).toBe(0);
    expect(change("decrease_reservation", calls.list(plain!.frame), 1, { order: 10 })).toBe(0);
    expect(change("populate_physmap", calls.list(1), 1, { flags: 12 })).toBe(0);
    expect(change("decrease_reservation", bits === 64 ? 0 : 0xf580_0000, 1)).toBe(0);
    expect(faults()).toEqual([]);
  });

  test("exchanges single frames for a run of them, all or nothing", () => {
    const spare = calls.spare(4);
    const frames = spare.map(({ frame }) => frame);
    const { machToPhys } = calls.domain;
    const before = stat("current_reservation");
    const width = bits / 8;
    const list = calls.list(...frames, 1000);
    const exchange = (out: Partial<Record<string, number>> = {}): number => {
      calls.put(memory_exchange, {
        "in.extent_start": list,
        "in.nr_extents": 4,
        "in.domid": SELF,
        "out.extent_start": list + 4 * width,
        "out.nr_extents": 1,
        "out.extent_order": 2,
        "out.domid": SELF,
        ...out,
      });
      return calls.call("memory_op", memoryCommands.exchange, SCRATCH);
    };
    expect([exchange({ "out.nr_extents": 2 }), exchange({ "out.extent_order": 10 }), exchange({ "out.domid": 1 })]).toEqual([-22, -1, -22]);
    // No frame lies that low: what was taken is given back as it was.
    const numbers = frames.map((frame) => machToPhys.get(frame));
    expect([exchange({ "out.mem_flags": 13 }), frames.map((frame) => machToPhys.get(frame))]).toEqual([-12, numbers]);
    expect([stat("current_reservation"), faults()]).toEqual([before, []]);
    expect(exchange()).toBe(0);
    const [first] = calls.listed(5).slice(4);
    expect([first! % 4, [0, 1, 2, 3].map((part) => machToPhys.get(first! + part))]).toEqual([0, [1000n, 1001n, 1002n, 1003n]]);
    expect([stat("current_reservation"), exchange(), faults()]).toEqual([before, -22, []]);
  });

  test("is told the sizes of machine and domain, and where the table of frames is", () => {
    expect(calls.call("memory_op", memoryCommands.maximum_ram_page, 0)).toBe(2048);
    const { bytes } = calls.domain.shared;
    new DataView(bytes.buffer, bytes.byteOffset).setUint32(bits === 64 ? 0xc10 : 0x90c, 500, true);
    expect(stat("maximum_gpfn")).toBe(499);
    const read = calls.put(machphys_mfn_list, { max_extents: 8, extent_start: calls.list(0) });
    expect([calls.call("memory_op", memoryCommands.machphys_mfn_list, SCRATCH), read().get("nr_extents")]).toEqual([0, 1]);
    expect(calls.listed(1)).toEqual([calls.domain.machToPhys.chunks[0]]);
    calls.memory.writeU32(SCRATCH, 9);
    expect(calls.call("memory_op", memoryCommands.current_reservation, SCRATCH)).toBe(-3);
    expect(calls.call("memory_op", memoryCommands.current_reservation | 0x40, SCRATCH)).toBe(-22);
    calls.put(vnuma_topology_info, { domid: SELF });
    expect([
      calls.call("memory_op", memoryCommands.get_vnumainfo, SCRATCH),
      calls.call("memory_op", memoryCommands.add_to_physmap, SCRATCH),
    ]).toEqual([-95, -13]);
  });
});
