/** SSE2 and SSSE3 integer instructions on XMM registers. SDM Vol. 2; functions in assembly/sse/{integer,ssse3}.ts. */
import { type Entry, type OutlinedEntry, outlined } from "../define.js";

const sse2 = { feature: "sse2" };

/** xmm, xmm/m128 with prefix 66: `list` holds mnemonics and opcodes after 0F. */
export const packedInteger = (feature: string, list: string): OutlinedEntry[] =>
  list
    .trim()
    .split(/\s*,\s*/)
    .map((item) => {
      const [mnemonic, ...opcode] = item.split(" ") as [string, ...string[]];
      return outlined(mnemonic, "vec", mnemonic.toLowerCase(), [[`66 0F ${opcode.join(" ")} /r`, "Vx,Wx"]], { feature });
    });

const shift = (mnemonic: string, opcode: string, group: string): OutlinedEntry[] => [
  outlined(mnemonic, "vec", mnemonic.toLowerCase(), [[`66 0F ${opcode} /r`, "Vx,Wx"]], sse2),
  outlined(mnemonic, "vec", `${mnemonic.toLowerCase()}Imm`, [[`66 0F ${group} reg`, "Ux,Ib"]], sse2),
];

export const sseInteger: readonly Entry[] = [
  ...packedInteger(
    "sse2",
    `PUNPCKLBW 60, PUNPCKLWD 61, PUNPCKLDQ 62, PACKSSWB 63, PACKUSWB 67, PUNPCKHBW 68, PUNPCKHWD 69, PUNPCKHDQ 6A, PACKSSDW 6B,
    PUNPCKLQDQ 6C, PUNPCKHQDQ 6D, PCMPGTB 64, PCMPGTW 65, PCMPGTD 66, PCMPEQB 74, PCMPEQW 75, PCMPEQD 76,
    PADDB FC, PADDW FD, PADDD FE, PADDQ D4, PADDSB EC, PADDSW ED, PADDUSB DC, PADDUSW DD,
    PSUBB F8, PSUBW F9, PSUBD FA, PSUBQ FB, PSUBSB E8, PSUBSW E9, PSUBUSB D8, PSUBUSW D9,
    PMULLW D5, PMULHW E5, PMULHUW E4, PMULUDQ F4, PMADDWD F5, PSADBW F6,
    PAVGB E0, PAVGW E3, PMINUB DA, PMAXUB DE, PMINSW EA, PMAXSW EE, PAND DB, PANDN DF, POR EB, PXOR EF`,
  ),
  ...shift("PSRLW", "D1", "71 /2"),
  ...shift("PSRAW", "E1", "71 /4"),
  ...shift("PSLLW", "F1", "71 /6"),
  ...shift("PSRLD", "D2", "72 /2"),
  ...shift("PSRAD", "E2", "72 /4"),
  ...shift("PSLLD", "F2", "72 /6"),
  ...shift("PSRLQ", "D3", "73 /2"),
  ...shift("PSLLQ", "F3", "73 /6"),
  outlined("PSRLDQ", "vec", "psrldq", [["66 0F 73 /3 reg", "Ux,Ib"]], sse2),
  outlined("PSLLDQ", "vec", "pslldq", [["66 0F 73 /7 reg", "Ux,Ib"]], sse2),
  outlined("PSHUFD", "vec", "pshufd", [["66 0F 70 /r", "Vx,Wx,Ib"]], sse2),
  outlined("PSHUFHW", "vec", "pshufhw", [["F3 0F 70 /r", "Vx,Wx,Ib"]], sse2),
  outlined("PSHUFLW", "vec", "pshuflw", [["F2 0F 70 /r", "Vx,Wx,Ib"]], sse2),
  outlined(
    "PINSRW",
    "vec",
    "pinsrw",
    [
      ["66 0F C4 /r reg", "Vx,Ed,Ib"],
      ["66 0F C4 /r mem", "Vx,Mw,Ib"],
    ],
    sse2,
  ),
  outlined("PEXTRW", "vec", "pextrw", [["66 0F C5 /r reg", "Gd,Ux,Ib"]], sse2),
  outlined("PMOVMSKB", "vec", "pmovmskb", [["66 0F D7 /r reg", "Gd,Ux"]], sse2),

  ...packedInteger(
    "ssse3",
    `PSHUFB 38 00, PHADDW 38 01, PHADDD 38 02, PHADDSW 38 03, PMADDUBSW 38 04, PHSUBW 38 05, PHSUBD 38 06, PHSUBSW 38 07,
    PSIGNB 38 08, PSIGNW 38 09, PSIGND 38 0A, PMULHRSW 38 0B, PABSB 38 1C, PABSW 38 1D, PABSD 38 1E`,
  ),
  outlined("PALIGNR", "vec", "palignr", [["66 0F 3A 0F /r", "Vx,Wx,Ib"]], { feature: "ssse3" }),
];
