/** MMX, and what SSE, SSE2 and SSSE3 added for MMX registers (EMMS is with the x87). SDM Vol. 2; functions in assembly/sse/mmx.ts. */
import { type Entry, type OutlinedEntry, outlined } from "../define.js";
import { RDI } from "../sem.js";

const name = (mnemonic: string): string => `mmx${mnemonic[0]}${mnemonic.slice(1).toLowerCase()}`;

/** mm, mm/m64: `list` holds mnemonics and opcodes after 0F. */
const plain = (feature: string, list: string): OutlinedEntry[] =>
  list
    .trim()
    .split(/\s*,\s*/)
    .map((item) => {
      const [mnemonic, ...opcode] = item.split(" ") as [string, ...string[]];
      return outlined(mnemonic, "vec", name(mnemonic), [[`NP 0F ${opcode.join(" ")} /r`, "Pq,Qq"]], { feature });
    });

/** Shift by register or memory, and by imm8 in group `group`. */
const shift = (mnemonic: string, opcode: string, group: string): OutlinedEntry[] => [
  outlined(mnemonic, "vec", name(mnemonic), [[`NP 0F ${opcode} /r`, "Pq,Qq"]], { feature: "mmx" }),
  outlined(mnemonic, "vec", `${name(mnemonic)}Imm`, [[`NP 0F ${group} reg`, "Nq,Ib"]], { feature: "mmx" }),
];

export const mmx: readonly Entry[] = [
  ...plain(
    "mmx",
    `PACKSSWB 63, PACKSSDW 6B, PACKUSWB 67, PUNPCKHBW 68, PUNPCKHWD 69, PUNPCKHDQ 6A,
    PCMPGTB 64, PCMPGTW 65, PCMPGTD 66, PCMPEQB 74, PCMPEQW 75, PCMPEQD 76, PMULLW D5, PMULHW E5, PMADDWD F5,
    PADDB FC, PADDW FD, PADDD FE, PADDSB EC, PADDSW ED, PADDUSB DC, PADDUSW DD,
    PSUBB F8, PSUBW F9, PSUBD FA, PSUBSB E8, PSUBSW E9, PSUBUSB D8, PSUBUSW D9, PAND DB, PANDN DF, POR EB, PXOR EF`,
  ),
  outlined("PUNPCKLBW", "vec", "mmxPunpcklbw", [["NP 0F 60 /r", "Pq,Qd"]], { feature: "mmx" }),
  outlined("PUNPCKLWD", "vec", "mmxPunpcklwd", [["NP 0F 61 /r", "Pq,Qd"]], { feature: "mmx" }),
  outlined("PUNPCKLDQ", "vec", "mmxPunpckldq", [["NP 0F 62 /r", "Pq,Qd"]], { feature: "mmx" }),
  ...shift("PSRLW", "D1", "71 /2"),
  ...shift("PSRAW", "E1", "71 /4"),
  ...shift("PSLLW", "F1", "71 /6"),
  ...shift("PSRLD", "D2", "72 /2"),
  ...shift("PSRAD", "E2", "72 /4"),
  ...shift("PSLLD", "F2", "72 /6"),
  ...shift("PSRLQ", "D3", "73 /2"),
  ...shift("PSLLQ", "F3", "73 /6"),
  outlined("MOVD", "vec", "mmxLoad32", [["NP 0F 6E /r W0", "Pq,Ed"]], { feature: "mmx" }),
  outlined(
    "MOVQ",
    "vec",
    "mmxLoad64",
    [
      ["NP REX.W 0F 6E /r", "Pq,Eq"],
      ["NP 0F 6F /r", "Pq,Qq"],
      ["NP 0F 7F /r reg", "Nq,Pq"],
    ],
    { feature: "mmx" },
  ),
  outlined("MOVD", "vecStore", "toGeneral32", [["NP 0F 7E /r W0 reg", "Ed,Pq"]], { feature: "mmx" }),
  outlined("MOVD", "vecStore", "copy32", [["NP 0F 7E /r W0 mem", "Md,Pq"]], { feature: "mmx" }),
  outlined(
    "MOVQ",
    "vecStore",
    "copy64",
    [
      ["NP REX.W 0F 7E /r", "Eq,Pq"],
      ["NP 0F 7F /r mem", "Mq,Pq"],
    ],
    { feature: "mmx" },
  ),

  // SSE
  ...plain("sse", "PAVGB E0, PAVGW E3, PMINUB DA, PMAXUB DE, PMINSW EA, PMAXSW EE, PMULHUW E4, PSADBW F6"),
  outlined("PSHUFW", "vec", "mmxPshufw", [["NP 0F 70 /r", "Pq,Qq,Ib"]], { feature: "sse" }),
  outlined(
    "PINSRW",
    "vec",
    "mmxPinsrw",
    [
      ["NP 0F C4 /r reg", "Pq,Ed,Ib"],
      ["NP 0F C4 /r mem", "Pq,Mw,Ib"],
    ],
    { feature: "sse" },
  ),
  outlined("PEXTRW", "vec", "mmxPextrw", [["NP 0F C5 /r reg", "Gd,Nq,Ib"]], { feature: "sse" }),
  outlined("PMOVMSKB", "vec", "mmxPmovmskb", [["NP 0F D7 /r reg", "Gd,Nq"]], { feature: "sse" }),
  outlined("MOVNTQ", "vecStore", "copy64", [["NP 0F E7 /r mem", "Mq,Pq"]], { feature: "sse" }),
  outlined("MASKMOVQ", "stay", "maskmovq", [["NP 0F F7 /r reg", "Pq,Nq"]], { feature: "sse", general: [RDI] }),

  // SSE2 and SSSE3
  ...plain("sse2", "PADDQ D4, PSUBQ FB, PMULUDQ F4"),
  outlined("MOVDQ2Q", "vec", "mmxLoad64", [["F2 0F D6 /r reg", "Pq,Ux"]], { feature: "sse2" }),
  outlined("MOVQ2DQ", "vec", "load64", [["F3 0F D6 /r reg", "Vx,Nq"]], { feature: "sse2" }),
  ...plain(
    "ssse3",
    `PSHUFB 38 00, PHADDW 38 01, PHADDD 38 02, PHADDSW 38 03, PMADDUBSW 38 04, PHSUBW 38 05, PHSUBD 38 06, PHSUBSW 38 07,
    PSIGNB 38 08, PSIGNW 38 09, PSIGND 38 0A, PMULHRSW 38 0B, PABSB 38 1C, PABSW 38 1D, PABSD 38 1E`,
  ),
  outlined("PALIGNR", "vec", "mmxPalignr", [["NP 0F 3A 0F /r", "Pq,Qq,Ib"]], { feature: "ssse3" }),
];
