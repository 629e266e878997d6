import { describe, expect, it } from "vitest";
import { DumpReader, parseDump } from "./dump.js";
import type { State } from "./state.js";

const NARROW = `EAX=2badb002 EBX=00000500 ECX=00000000 EDX=00060fb1
ESI=00000000 EDI=00000000 EBP=00000000 ESP=00007000
EIP=0010000c EFL=00000046 [---Z-P-] CPL=0 II=0 A20=1 SMM=0 HLT=0
ES =0010 00000000 ffffffff 00cf9300 DPL=0 DS   [-WA]
CS =0008 00000000 ffffffff 00cf9b00 DPL=0 CS32 [-RA]
SS =0010 00000000 ffffffff 00cf9300 DPL=0 DS   [-WA]
DS =0010 00000000 ffffffff 00cf9300 DPL=0 DS   [-WA]
FS =0010 00000000 ffffffff 00cf9300 DPL=0 DS   [-WA]
GS =0010 00000000 ffffffff 00cf9300 DPL=0 DS   [-WA]
LDT=0000 00000000 00000000 00008200 DPL=0 LDT
TR =0000 00000000 00000067 00008b00 DPL=0 TSS32-busy
GDT=     00001000 00000017
IDT=     00000000 00000000
CR0=00000011 CR2=00000000 CR3=00000000 CR4=00000000
DR0=0000000000000000 DR1=0000000000000000 DR2=0000000000000000 DR3=0000000000000000 
DR6=00000000ffff0ff0 DR7=0000000000000400
CCS=00000000 CCD=00000000 CCO=EFLAGS
EFER=0000000000000000
`;
const WIDE = `RAX=ffffffff81000000 RBX=0000000000000001 RCX=0000000000000002 RDX=0000000000000003
RSI=0000000000000004 RDI=0000000000000005 RBP=0000000000000006 RSP=ffffc90000013ef8
R8 =0000000000000008 R9 =0000000000000009 R10=000000000000000a R11=000000000000000b
R12=000000000000000c R13=000000000000000d R14=000000000000000e R15=000000000000000f
RIP=ffffffff81012345 RFL=00000246 [---Z-P-] CPL=0 II=0 A20=1 SMM=0 HLT=0
ES =0000 0000000000000000 ffffffff 00c00000
CS =0010 0000000000000000 ffffffff 00a09b00 DPL=0 CS64 [-RA]
SS =0018 0000000000000000 ffffffff 00c09300 DPL=0 DS   [-WA]
DS =0000 0000000000000000 ffffffff 00c00000
FS =0000 00007f1234567890 ffffffff 00c00000
GS =0000 ffff888007c00000 ffffffff 00c00000
LDT=0000 0000000000000000 ffffffff 00c00000
TR =0040 fffffe0000003000 00004087 00008b00 DPL=0 TSS64-busy
GDT=     fffffe0000001000 0000007f
IDT=     fffffe0000000000 00000fff
CR0=80050033 CR2=ffff888000001000 CR3=0000000002a0a000 CR4=000406b0
DR0=0000000000000000 DR1=0000000000000000 DR2=0000000000000000 DR3=0000000000000000 
DR6=00000000ffff0ff0 DR7=0000000000000400
EFER=0000000000000d01
FCW=037f FSW=0000 [ST=6] FTW=c0 MXCSR=00001f80
FPR0=0000000000000000 0000 FPR1=0000000000000000 0000
FPR2=0000000000000000 0000 FPR3=0000000000000000 0000
FPR4=0000000000000000 0000 FPR5=0000000000000000 0000
FPR6=8000000000000000 3fff FPR7=c000000000000000 4000
${Array.from({ length: 8 }, (_, i) => `XMM${String(2 * i).padStart(2, "0")}=00000000000000ff 0123456789abcdef XMM${String(2 * i + 1).padStart(2, "0")}=0000000000000000 0000000000000000`).join("\n")}
`;

describe("QEMU's text of a state", () => {
  it("is read in 32-bit form, with segments and tables", () => {
    const found: State[] = [];
    new DumpReader((state) => found.push(state), false).feed(NARROW);
    const [state] = found;
    expect(state!.get("rax")).toBe(0x2badb002n);
    expect(state!.rip).toBe(0x10000cn);
    expect(state!.rflags).toBe(0x46);
    expect(state!.get("cs.access")).toBe(0xc09bn);
    expect(state!.get("gdtr.base")).toBe(0x1000n);
    expect(state!.get("gdtr.limit")).toBe(0x17n);
    expect(state!.get("dr6")).toBe(0xffff0ff0n);
    expect(state!.bits).toBe(32);
  });

  it("is read in 64-bit form, with x87 registers as FXSAVE orders them", () => {
    const state = parseDump(WIDE);
    expect(state.get("r15")).toBe(15n);
    expect(state.get("gs.base")).toBe(0xffff888007c00000n);
    expect(state.get("tr.base")).toBe(0xfffffe0000003000n);
    expect(state.get("cr2")).toBe(0xffff888000001000n);
    expect(state.bits).toBe(64);
    const fx = new DataView(state.fx!.buffer);
    expect(fx.getUint16(2, true)).toBe(6 << 11);
    expect([fx.getBigUint64(32, true), fx.getUint16(40, true)]).toEqual([0x8000000000000000n, 0x3fff]); // ST0 = FPR6
    expect([fx.getBigUint64(48, true), fx.getUint16(56, true)]).toEqual([0xc000000000000000n, 0x4000]); // ST1 = FPR7
    expect([fx.getBigUint64(160, true), fx.getBigUint64(168, true)]).toEqual([0x0123456789abcdefn, 0xffn]);
  });

  it("arrives in pieces, many records in a row", () => {
    const found: bigint[] = [];
    const reader = new DumpReader((state) => found.push(state.rip), false);
    const text = NARROW + NARROW.replace("EIP=0010000c", "EIP=0010000d");
    for (let at = 0; at < text.length; at += 37) reader.feed(text.slice(at, at + 37));
    expect(found).toEqual([0x10000cn, 0x10000dn]);
  });

  it("that holds no registers is an error", () => {
    expect(() => parseDump("unknown command")).toThrow("no x86 registers");
  });
});
