import { Decoder, DecoderOptions, Formatter, FormatterSyntax } from "iced-x86";
import { describe, expect, it } from "vitest";
import { disassemble } from "./disasm.js";

const bytes = (text: string): Uint8Array => Uint8Array.from(text.split(" "), (byte) => Number.parseInt(byte, 16));

describe("disassemble", () => {
  it.each<[string, 16 | 32 | 64, string]>([
    ["01 d8", 32, "add eax, ebx"],
    ["48 8b 44 8b 10", 64, "mov rax, qword [rbx+rcx*4+0x10]"],
    ["65 48 8b 04 25 28 00 00 00", 64, "mov rax, qword [gs:0x28]"],
    ["f3 a4", 32, "rep movsb"],
    ["f0 0f b1 0a", 32, "lock cmpxchg dword [edx], ecx"],
    ["0f 22 d8", 64, "mov cr3, rax"],
    ["8e d8", 16, "mov ds, ax"],
    ["66 0f ef c1", 64, "pxor xmm0, xmm1"],
    ["40 80 c6 01", 64, "add sil, 0x1"],
    ["83 c0 ff", 64, "add eax, -0x1"],
    ["8b 05 00 01 00 00", 64, "mov eax, dword [0x1106]"],
    ["75 fe", 64, "jne 0x1000"],
    ["0f 24 c0", 64, "(bad)"],
  ])("%s as %i-bit code is %s", (code, bits, text) => {
    expect(disassemble(bytes(code), bits, 0x1000n).text).toBe(text);
  });

  it("tells where a memory operand is", () => {
    expect(disassemble(bytes("48 8b 44 8d 10"), 64).memory).toEqual({
      segment: 2,
      base: 5,
      index: 1,
      scale: 2,
      displacement: 16n,
      bits: 64,
    });
    expect(disassemble(bytes("8b 05 00 01 00 00"), 64, 0x1000n).memory).toMatchObject({
      base: undefined,
      displacement: 0x1106n,
      segment: 3,
    });
    expect(disassemble(bytes("8b c3"), 32).memory).toBeUndefined();
  });

  it("tells the same lengths as another disassembler for whatever exists", () => {
    let seed = 1;
    const next = (): number => {
      seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
      return seed >>> 16;
    };
    for (let round = 0; round < 3000; round++) {
      const code = Uint8Array.from({ length: 15 }, () => next() & 0xff);
      for (const bits of [16, 32, 64] as const) {
        const ours = disassemble(code, bits);
        if (ours.mnemonic === "(bad)") continue;
        const decoder = new Decoder(bits, code, DecoderOptions.None);
        const theirs = decoder.decode();
        const formatter = new Formatter(FormatterSyntax.Intel);
        if (theirs.length !== 0 && formatter.format(theirs) !== "(bad)")
          expect([ours.length, ours.text, [...code]], formatter.format(theirs)).toEqual([theirs.length, ours.text, [...code]]);
        formatter.free();
        theirs.free();
        decoder.free();
      }
    }
  });
});
