import { test } from "vitest";
import { createCore } from "../src/core.js";
import { planMemory } from "../src/memory-plan.js";
import * as L from "../src/layout.js";
test("entry", async () => {
  const RAM = 1 << 20;
  const bytes = planMemory({ ramBytes: RAM, vcpus: 2 }).memoryBytes;
  const memory = new WebAssembly.Memory({ initial: bytes / 65536, maximum: bytes / 65536 });
  const view = new DataView(memory.buffer);
  const none = { attach: () => {}, detach: () => {} };
  const core = await createCore({
    memory,
    ramBytes: RAM,
    vcpus: 2,
    pio: { ...none, read: () => 255, write: () => {} },
    mmio: { ...none, read: () => 255, write: () => {} },
    localInterrupts: { acknowledge: () => -1, readTaskPriority: () => 0, writeTaskPriority: () => {} },
    msrs: { msrRead: () => undefined, msrWrite: () => false },
    readTsc: () => 0,
    tscHz: 1e9,
    random: () => {},
  } as never);
  core.guestMemory.write(0x8000 as never, Uint8Array.from([0xf3, 0x90, 0xeb, 0xfc]));
  core.guestMemory.write(0x9000 as never, Uint8Array.from([0x90, 0x90, 0xeb, 0xfc]));
  const v0 = core.vcpus[0]!,
    v1 = core.vcpus[1]!;
  v0.registers.setSegment("cs", { selector: 0x800, base: 0x8000n, limit: 0xffff, access: 0x9b });
  v0.registers.set("rip", 0n);
  v1.startup(9);
  for (let i = 0; i < 3; i++) console.log("zz0", v0.run(1000), v0.retired, v0.registers.get("rip"));
  const mode = (c: number) => view.getUint32(L.VCPU_BASE + c * L.VCPU_STRIDE + L.MODE, true);
  console.log(
    "zz",
    mode(0),
    mode(1),
    v1.registers.get("cr0"),
    view.getBigUint64(L.VCPU_BASE + L.VCPU_STRIDE + L.LIN_MASK, true).toString(16),
  );
  for (let i = 0; i < 8; i++) console.log("zz", v1.run(i < 4 ? 1 : 300), v1.retired, v1.registers.get("rip"));
  const base = view.getUint32(L.RAM_BASE_PTR, true);
  for (let h = view.getUint32(L.CODE_POOL_PTR, true), n = 0; n < 8; n++) {
    const u = h + 32;
    console.log(
      "blk",
      (view.getUint32(h + L.H_HOST, true) - base).toString(16),
      view.getUint32(h + 4, true).toString(16),
      view.getUint32(h + 12, true),
      view.getUint32(h + 28, true),
      h,
    );
    let k = 0;
    for (; k < view.getUint32(h + 12, true); k++)
      console.log("   uop", view.getUint16(u + k * 32, true), view.getUint32(u + k * 32 + 28, true), view.getUint32(u + k * 32 + 24, true));
    h = u + k * 32;
    if (view.getUint32(h, true) - base > 0x100000) h += 32;
    if (h >= view.getUint32(L.CODE_NEXT_PTR, true)) break;
  }
});
