/** SSE4.1 and SSE4.2 (CRC32 is with the general instructions). SDM Vol. 2; functions in assembly/sse/{sse41,round,strings}.ts. */
import { type Entry, type OutlinedEntry, outlined } from "../define.js";
import { RAX, RCX, RDX } from "../sem.js";
import { packedInteger } from "./sse-integer.js";

const sse41 = { feature: "sse4.1" };
const strings = { feature: "sse4.2", flags: true };
/** Lengths in RAX and RDX. */
const explicitMask = { ...strings, general: [RAX, RDX] };
const explicitIndex = { ...strings, general: [RAX, RCX, RDX] };
const implicitIndex = { ...strings, general: [RCX] };

/** PMOVSXxx, PMOVZXxx: the source is as wide as the elements need. */
const extend = (suffix: string, opcode: string, w: string): OutlinedEntry[] => [
  outlined(`PMOVSX${suffix}`, "vec", `pmovsx${suffix.toLowerCase()}`, [[`66 0F 38 2${opcode} /r`, `Vx,${w}`]], sse41),
  outlined(`PMOVZX${suffix}`, "vec", `pmovzx${suffix.toLowerCase()}`, [[`66 0F 38 3${opcode} /r`, `Vx,${w}`]], sse41),
];
const withImmediate = (mnemonic: string, opcode: string, w = "Wx"): OutlinedEntry =>
  outlined(mnemonic, "vec", mnemonic.toLowerCase(), [[`66 0F 3A ${opcode} /r`, `Vx,${w},Ib`]], sse41);

export const sse4: readonly Entry[] = [
  ...packedInteger(
    "sse4.1",
    `PBLENDVB 38 10, BLENDVPS 38 14, BLENDVPD 38 15, PMULDQ 38 28, PCMPEQQ 38 29, PACKUSDW 38 2B, PMINSB 38 38, PMINSD 38 39,
    PMINUW 38 3A, PMINUD 38 3B, PMAXSB 38 3C, PMAXSD 38 3D, PMAXUW 38 3E, PMAXUD 38 3F, PMULLD 38 40, PHMINPOSUW 38 41`,
  ),
  outlined("PTEST", "vec", "ptest", [["66 0F 38 17 /r", "Vx,Wx"]], { feature: "sse4.1", flags: true }),
  outlined("MOVNTDQA", "vec", "copy128", [["66 0F 38 2A /r mem", "Vx,Mx"]], { feature: "sse4.1", aligned: true }),
  ...extend("BW", "0", "Wq"),
  ...extend("BD", "1", "Wd"),
  ...extend("BQ", "2", "Ww"),
  ...extend("WD", "3", "Wq"),
  ...extend("WQ", "4", "Wd"),
  ...extend("DQ", "5", "Wq"),
  withImmediate("ROUNDPS", "08"),
  withImmediate("ROUNDPD", "09"),
  withImmediate("ROUNDSS", "0A", "Wd"),
  withImmediate("ROUNDSD", "0B", "Wq"),
  withImmediate("BLENDPS", "0C"),
  withImmediate("BLENDPD", "0D"),
  withImmediate("PBLENDW", "0E"),
  withImmediate("DPPS", "40"),
  withImmediate("DPPD", "41"),
  withImmediate("MPSADBW", "42"),
  outlined("PEXTRB", "vecStore", "pextrb", [["66 0F 3A 14 /r reg", "Ed,Vx,Ib"]], sse41),
  outlined("PEXTRB", "vecStore", "pextrbStore", [["66 0F 3A 14 /r mem", "Mb,Vx,Ib"]], sse41),
  outlined("PEXTRW", "vecStore", "pextrw", [["66 0F 3A 15 /r reg", "Ed,Vx,Ib"]], sse41),
  outlined("PEXTRW", "vecStore", "pextrwStore", [["66 0F 3A 15 /r mem", "Mw,Vx,Ib"]], sse41),
  outlined("PEXTRD", "vecStore", "pextrd", [["66 0F 3A 16 /r W0 reg", "Ed,Vx,Ib"]], sse41),
  outlined("PEXTRD", "vecStore", "pextrdStore", [["66 0F 3A 16 /r W0 mem", "Md,Vx,Ib"]], sse41),
  outlined("PEXTRQ", "vecStore", "pextrq", [["66 REX.W 0F 3A 16 /r", "Eq,Vx,Ib"]], sse41),
  outlined("EXTRACTPS", "vecStore", "pextrd", [["66 0F 3A 17 /r reg", "Ed,Vx,Ib"]], sse41),
  outlined("EXTRACTPS", "vecStore", "pextrdStore", [["66 0F 3A 17 /r mem", "Md,Vx,Ib"]], sse41),
  outlined(
    "PINSRB",
    "vec",
    "pinsrb",
    [
      ["66 0F 3A 20 /r reg", "Vx,Ed,Ib"],
      ["66 0F 3A 20 /r mem", "Vx,Mb,Ib"],
    ],
    sse41,
  ),
  outlined("INSERTPS", "vec", "insertps", [["66 0F 3A 21 /r reg", "Vx,Ux,Ib"]], sse41),
  outlined("INSERTPS", "vec", "insertpsMem", [["66 0F 3A 21 /r mem", "Vx,Md,Ib"]], sse41),
  outlined("PINSRD", "vec", "pinsrd", [["66 0F 3A 22 /r W0", "Vx,Ed,Ib"]], sse41),
  outlined("PINSRQ", "vec", "pinsrq", [["66 REX.W 0F 3A 22 /r", "Vx,Eq,Ib"]], sse41),

  ...packedInteger("sse4.2", "PCMPGTQ 38 37"),
  outlined("PCMPESTRM", "vec", "pcmpestrm32", [["66 0F 3A 60 /r W0", "Vx,Wu,Ib"]], explicitMask),
  outlined("PCMPESTRM", "vec", "pcmpestrm64", [["66 REX.W 0F 3A 60 /r", "Vx,Wu,Ib"]], explicitMask),
  outlined("PCMPESTRI", "vec", "pcmpestri32", [["66 0F 3A 61 /r W0", "Vx,Wu,Ib"]], explicitIndex),
  outlined("PCMPESTRI", "vec", "pcmpestri64", [["66 REX.W 0F 3A 61 /r", "Vx,Wu,Ib"]], explicitIndex),
  outlined("PCMPISTRM", "vec", "pcmpistrm", [["66 0F 3A 62 /r", "Vx,Wu,Ib"]], strings),
  outlined("PCMPISTRI", "vec", "pcmpistri", [["66 0F 3A 63 /r", "Vx,Wu,Ib"]], implicitIndex),
];
