import { describe, expect, test } from "vitest";
import { vcpu_guest_context } from "./arch-x86.js";
import { hypercallName, hypercalls } from "./hypercalls.js";
import { manifest } from "./manifest.js";
import { type Layout, StructView } from "./struct.js";
import { shared_info, start_info, vcpu_info } from "./xen.js";

describe("layouts", () => {
  const entries = manifest.entries.filter(({ kind }) => kind === "field");
  const sizes = new Map(manifest.entries.filter(({ kind }) => kind === "structure").map(({ name, size }) => [name, size!]));

  test("every member lies inside its structure, aligned as a C compiler would", () => {
    expect(sizes.size).toBeGreaterThan(20);
    for (const { name, value, size } of entries) {
      const whole = sizes.get(name.split(".")[0]!);
      expect((value as number) + size!, name).toBeLessThanOrEqual(whole!);
      const alignment = name.startsWith("32") ? Math.min(4, size!) : Math.min(8, size!);
      expect((value as number) % alignment, name).toBe(0);
    }
  });

  test("members do not overlap, but for what a union shares", () => {
    const overlapping = (layout: Layout): string[] => {
      const fields = Object.entries(layout.fields).sort((a, b) => a[1].offset - b[1].offset);
      return fields.slice(1).flatMap(([name, { offset }], index) => {
        const [, before] = fields[index]!;
        return offset < before.offset + before.bytes ? [name] : [];
      });
    };
    for (const bits of [64, 32] as const) {
      for (const struct of [start_info, vcpu_info]) expect(overlapping(struct[bits]), struct[bits].name).toEqual([]);
    }
    expect(overlapping(vcpu_guest_context[64])).toEqual([]);
    expect(overlapping(shared_info[64])).toEqual([]);
  });

  test("a view reads and writes members of either width", () => {
    const wide = StructView.empty(vcpu_info[64]);
    wide.set("arch.cr2", 0xffff_8000_0000_1000n);
    wide.set("evtchn_upcall_mask", 1);
    expect([wide.wide("arch.cr2"), wide.bytes[1], wide.bytes[0x17]]).toEqual([0xffff_8000_0000_1000n, 1, 0xff]);
    const narrow = StructView.empty(vcpu_info[32]);
    narrow.set("evtchn_pending_sel", -1);
    expect([narrow.get("evtchn_pending_sel"), narrow.bytes[8]]).toEqual([0xffff_ffff, 0]);
  });
});

test("hypercalls have the numbers of public/xen.h", () => {
  expect(hypercalls).toMatchObject({ mmu_update: 1, iret: 23, mmuext_op: 26, sched_op: 29, event_channel_op: 32, hvm_op: 34 });
  expect(hypercallName(12)).toBe("memory_op");
  expect(hypercallName(11)).toBeUndefined();
});

test("no name stands twice in the manifest", () => {
  const names = manifest.entries.map(({ kind, name }) => `${kind} ${name}`);
  expect(names.filter((name, index) => names.indexOf(name) !== index)).toEqual([]);
});
