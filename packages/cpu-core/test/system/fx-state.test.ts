/** The x87 and SSE image as whoever stands outside reads and writes it, against FXSAVE and FXRSTOR of the guest itself. */
import { beforeEach, describe, expect, it } from "vitest";
import { Bench } from "./bench.js";

let b: Bench;
beforeEach(async () => {
  b = await Bench.create();
});
const IMAGE = 0x3000;
const COMPARED = 416;
const saved = (): Uint8Array => b.core.guestMemory.view(IMAGE, COMPARED).slice();

describe("fxState", () => {
  it("is what FXSAVE64 stores, with the stack's top anywhere", () => {
    b.start("long", 0);
    // fld1; fldpi; movq xmm3, rax; fxsave64 [rbx]; hlt
    b.set("rax", 0x1122334455667788n);
    b.set("rbx", IMAGE);
    b.run("d9 e8 d9 eb 66 48 0f 6e d8 48 0f ae 03 f4");
    expect(b.vcpu.registers.fxState().subarray(0, COMPARED)).toEqual(saved());
    expect(b.vcpu.registers.fxState().length).toBe(512);
  });

  it("written from outside is what the guest's FXSAVE64 then stores", () => {
    b.start("long", 0);
    const image = b.vcpu.registers.fxState();
    const view = new DataView(image.buffer);
    view.setUint16(0, 0x27f, true);
    view.setUint16(2, 5 << 11, true);
    view.setUint8(4, 0xe0);
    view.setUint32(24, 0x9fc0, true);
    for (let i = 32; i < COMPARED; i++) if (i >= 160 || i % 16 < 10) image[i] = (i * 7) & 0xff;
    b.vcpu.registers.setFxState(image);
    b.set("rbx", IMAGE);
    b.run("48 0f ae 03 f4");
    expect(saved()).toEqual(image.slice(0, COMPARED));
  });
});

describe("debug registers from outside", () => {
  it("set a breakpoint that the guest runs into", () => {
    b.start("long", 0);
    const { registers } = b.vcpu;
    registers.set("dr0", registers.get("rip") + 1n);
    registers.set("dr7", 0x401n);
    const outcome = b.run("90 90 f4");
    expect(outcome.vector).toBe(1);
    expect(registers.get("dr6") & 0xfn).toBe(1n);
  });
});
