/** A decoded block whose bytes have changed may be met once more through a link; nothing may be made of it. */
import { expect, it } from "vitest";
import * as L from "../../src/layout.js";
import { Bench, CODE } from "../system/bench.js";

it("a block whose bytes have changed is not translated when a link leads to it once more", async () => {
  const bench = (await Bench.create(undefined, { engine: "jit", translation: { heat: 1000, synchronous: true } })).start("long");
  bench.run("ffc0 ffc9 75fa f4"); // inc eax; dec ecx; jnz; hlt
  const { view } = bench;
  const host = bench.core.guestMemory.view(CODE as never, 1).byteOffset;
  const hash = view.getUint32(L.BLOCK_HASH_PTR, true);
  let header = 0;
  for (let chain = 0; chain < L.BLOCK_HASH_ENTRIES && header === 0; chain++)
    for (let at = view.getUint32(hash + chain * 4, true); at !== 0; at = view.getUint32(at + L.H_NEXT, true))
      if (view.getUint32(at + L.H_HOST, true) === host) header = at;
  expect(header).not.toBe(0);
  const units = (): number => bench.core.stats()["units"]!;
  bench.code(CODE, "ffc8"); // dec eax
  bench.set("rip", CODE);
  bench.vcpu.translator.hot(L.VCPU_BASE, header);
  expect(units()).toBe(0);
});
