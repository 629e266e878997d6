// A hostile guest with grants: random maps, copies, transfers and balloons between changes of its page tables. All counts stay what they must.
import type { RecordingHypervisor } from "@paravane/paravirt-ops/conformance";
import { expect, test } from "vitest";
import { Calls, SCRATCH } from "../../test/calls.js";
import { testDomain } from "../../test/frontend.js";
import { domainFaults } from "../../test/invariants.js";
import { gnttab_copy, gnttab_map_grant_ref, gnttab_transfer, gnttab_unmap_grant_ref } from "../abi/grant-table.js";
import { grantCommands, memory_reservation, memoryCommands } from "../abi/services.js";
import type { GuestBits } from "../abi/struct.js";
import { frameTypes } from "../mmu/frame-table.js";
import { random } from "../../test/random.js";

const STEPS = 1500;
const CHECK_EVERY = 15;
const [DOMAIN, SELF] = [1, 0x7ff0];

test.each([
  [64, 1],
  [64, 2],
  [32, 3],
] as const)("%i bit, seed %i", async (bits: GuestBits, seed) => {
  const domain = await testDomain(bits);
  const { protectedFrames } = domain.hypervisor as unknown as RecordingHypervisor;
  const below = random(seed * 0x9e3779b9);
  const { memory } = domain.environment;
  const calls = new Calls(domain);
  const call = calls.call.bind(calls);
  const put = calls.put.bind(calls);
  const status = (value: number): number => (value << 16) >> 16;
  // Frames that a test may play with, among them some that are tables.
  const pool = Array.from({ length: 24 }, () => 0x100 + below(0x700));
  const table = [...Array(domain.frames.ramFrames).keys()].find((frame) => domain.frames.typeOf(frame) === frameTypes.l1)!;
  const frame = (): number => (below(10) === 0 ? below(0x1000) : pool[below(pool.length)]!);
  const owner = (): number => [DOMAIN, DOMAIN, DOMAIN, DOMAIN, SELF, 0, 7][below(7)]!;
  const reference = (): number => (below(20) === 0 ? below(0x1_0000_0000) : 8 + below(12));
  const place = (contains: boolean): bigint => (contains ? BigInt(table * 4096 + 8 * below(520)) : BigInt(below(0x180) * 4096));
  let handles: number[] = [];
  let mapped = 0;
  for (let step = 0; step < STEPS; step++) {
    const kind = below(10);
    switch (kind) {
      case 0: {
        const { grants } = domain;
        if (below(8) === 0) {
          memory.writeU32(SCRATCH, 1 + below(3));
          call("grant_table_op", grantCommands.set_version, SCRATCH, 1);
          break;
        }
        const at = reference() % 20;
        const bytes = domain.hypervisor.frames.bytes(grants.frames[0]!);
        const view = new DataView(bytes.buffer, bytes.byteOffset + at * (grants.version === 1 ? 8 : 16), grants.version === 1 ? 8 : 16);
        if (at < 8) break;
        view.setUint16(0, [1, 1, 1, 5, 2, 0x101, 3, 0][below(8)]!, true);
        view.setUint16(2, below(5) === 0 ? owner() : DOMAIN, true);
        if (grants.version === 1) view.setUint32(4, frame(), true);
        else {
          view.setUint16(4, below(4096), true);
          view.setUint16(6, below(5000), true);
          view.setBigUint64(8, BigInt(frame()), true);
        }
        break;
      }
      case 1:
      case 2:
      case 3: {
        const flags = [2, 2, 2, 6, 1, 5, 3, 7, 0x12, 0x16, 0x0a, 0x70002][below(12)]!;
        const host = place((flags & 16) !== 0);
        const read = put(gnttab_map_grant_ref, { host_addr: host, flags, ref: reference(), dom: owner() });
        if (call("grant_table_op", grantCommands.map_grant_ref, SCRATCH, 1) === 0 && status(read().get("status")) === 0) {
          handles.push(read().get("handle"));
          mapped++;
        }
        break;
      }
      case 4:
      case 5: {
        const handle = handles[below(handles.length || 1)] ?? below(50);
        const grant = domain.activeGrants.get(domain.mapTrack.get(handle)?.reference ?? 0);
        const device = below(2) === 0 ? 0n : BigInt(grant?.frame ?? 0) * 4096n;
        // Most often where it is: the place is looked for, as a guest would remember it.
        const host = below(4) === 0 ? place(below(2) === 0) : placeOf(grant?.frame ?? 0, (domain.mapTrack.get(handle)?.flags ?? 0) & 16);
        const replace = below(6) === 0;
        put(gnttab_unmap_grant_ref, { host_addr: host, dev_bus_addr: replace ? place(false) : device, handle });
        call("grant_table_op", replace ? grantCommands.unmap_and_replace : grantCommands.unmap_grant_ref, SCRATCH, 1);
        handles = handles.filter((kept) => domain.mapTrack.get(kept) !== undefined);
        break;
      }
      case 6: {
        put(gnttab_copy, {
          "source.frame": below(2) === 0 ? reference() : frame(),
          "source.domid": owner(),
          "source.offset": below(4096),
          "dest.frame": below(2) === 0 ? reference() : frame(),
          "dest.domid": owner(),
          "dest.offset": below(4096),
          len: below(3000),
          flags: below(4),
        });
        call("grant_table_op", grantCommands.copy, SCRATCH, 1);
        break;
      }
      case 7:
        if (below(3) === 0) {
          put(gnttab_transfer, { mfn: frame(), domid: owner(), ref: reference() });
          call("grant_table_op", grantCommands.transfer, SCRATCH, 1);
        } else {
          put(memory_reservation, {
            extent_start: SCRATCH + 64,
            nr_extents: 1 + below(3),
            extent_order: below(5) === 0 ? 1 : 0,
            domid: SELF,
          });
          for (let index = 0; index < 4; index++) memory.writeU64(SCRATCH + 64 + index * 8, BigInt(frame()));
          const { increase_reservation, decrease_reservation, populate_physmap } = memoryCommands;
          call("memory_op", [increase_reservation, decrease_reservation, populate_physmap][below(3)]!, SCRATCH);
        }
        break;
      case 8:
        // A plain change of an entry, which may be one that a grant is mapped by.
        memory.writeU64(SCRATCH, BigInt(table * 4096 + 8 * below(512)));
        memory.writeU64(SCRATCH + 8, below(3) === 0 ? 0n : (BigInt(frame()) << 12n) | BigInt([1, 3, 7][below(3)]!));
        call("mmu_update", SCRATCH, 1, 0, SELF);
        break;
      default: {
        const target = frame();
        memory.writeU32(SCRATCH, below(2) === 0 ? below(4) : 4);
        if (bits === 64) memory.writeU64(SCRATCH + 8, BigInt(target));
        else memory.writeU32(SCRATCH + 4, target);
        if (domain.frames.typeOf(target) === frameTypes.none && domain.frames.owns(target)) memory.fill(target * 4096, 4096, 0);
        call("mmuext_op", SCRATCH, 1, 0, SELF);
      }
    }
    if (step % CHECK_EVERY === 0) {
      const faults = domainFaults(domain, protectedFrames);
      if (faults.length > 0) expect(faults, `step ${step}: kind ${kind}`).toEqual([]);
    }
  }
  // Worth something only when mappings come and go.
  expect(mapped).toBeGreaterThan(20);

  /** Where a frame is mapped in the table of the test: machine address of the entry, or its linear address. */
  function placeOf(target: number, contains: number): bigint {
    for (let index = 0; index < 512; index++) {
      const [low, high] = domain.paging.readEntry(table, index);
      if ((low & 1) === 0 || (low >>> 12) + (high & 0xfffff) * 0x10_0000 !== target) continue;
      return contains !== 0 ? BigInt(table * 4096 + index * 8) : BigInt(index * 4096);
    }
    return place(contains !== 0);
  }
});
