/** CVT*: conversions of SSE and SSE2. SDM Vol. 2A; functions in assembly/sse/convert.ts. 64-bit integers need REX.W. */
import { type Entry, type OutlinedEntry, outlined } from "../define.js";

const sse = { feature: "sse" };
const sse2 = { feature: "sse2" };

/** Scalar from a general register or memory. */
const fromGeneral = (mnemonic: string, prefix: string, options: { feature: string }): OutlinedEntry[] => [
  outlined(mnemonic, "vec", `${mnemonic.toLowerCase()}32`, [[`${prefix} 0F 2A /r W0`, "Vx,Ed"]], options),
  outlined(mnemonic, "vec", `${mnemonic.toLowerCase()}64`, [[`${prefix} REX.W 0F 2A /r`, "Vx,Eq"]], options),
];
/** Scalar to a general register. */
const toGeneral = (mnemonic: string, prefix: string, opcode: string, w: string, options: { feature: string }): OutlinedEntry[] => [
  outlined(mnemonic, "vec", `${mnemonic.toLowerCase()}32`, [[`${prefix} 0F ${opcode} /r W0`, `Gd,${w}`]], options),
  outlined(mnemonic, "vec", `${mnemonic.toLowerCase()}64`, [[`${prefix} REX.W 0F ${opcode} /r`, `Gq,${w}`]], options),
];
const packed = (mnemonic: string, pattern: string, operands: string, options: { feature: string }): OutlinedEntry =>
  outlined(mnemonic, "vec", mnemonic.toLowerCase(), [[pattern, operands]], options);
/** From an MMX register; a memory source does not touch the x87 state. */
const fromMmx = (mnemonic: string, fn: string, prefix: string, options: { feature: string }): OutlinedEntry =>
  outlined(
    mnemonic,
    "vec",
    fn,
    [
      [`${prefix} 0F 2A /r reg`, "Vx,Nq"],
      [`${prefix} 0F 2A /r mem`, "Vx,Mq"],
    ],
    options,
  );

export const sseConvert: readonly Entry[] = [
  packed("CVTDQ2PS", "NP 0F 5B /r", "Vx,Wx", sse2),
  packed("CVTPS2DQ", "66 0F 5B /r", "Vx,Wx", sse2),
  packed("CVTTPS2DQ", "F3 0F 5B /r", "Vx,Wx", sse2),
  packed("CVTDQ2PD", "F3 0F E6 /r", "Vx,Wq", sse2),
  packed("CVTPD2DQ", "F2 0F E6 /r", "Vx,Wx", sse2),
  packed("CVTTPD2DQ", "66 0F E6 /r", "Vx,Wx", sse2),
  packed("CVTPS2PD", "NP 0F 5A /r", "Vx,Wq", sse2),
  packed("CVTPD2PS", "66 0F 5A /r", "Vx,Wx", sse2),
  packed("CVTSS2SD", "F3 0F 5A /r", "Vx,Wd", sse2),
  packed("CVTSD2SS", "F2 0F 5A /r", "Vx,Wq", sse2),
  fromMmx("CVTPI2PS", "cvtpi2ps", "NP", sse),
  fromMmx("CVTPI2PD", "cvtdq2pd", "66", sse2),
  packed("CVTTPS2PI", "NP 0F 2C /r", "Pq,Wq", sse),
  packed("CVTPS2PI", "NP 0F 2D /r", "Pq,Wq", sse),
  packed("CVTTPD2PI", "66 0F 2C /r", "Pq,Wx", sse2),
  packed("CVTPD2PI", "66 0F 2D /r", "Pq,Wx", sse2),
  ...fromGeneral("CVTSI2SS", "F3", sse),
  ...fromGeneral("CVTSI2SD", "F2", sse2),
  ...toGeneral("CVTTSS2SI", "F3", "2C", "Wd", sse),
  ...toGeneral("CVTSS2SI", "F3", "2D", "Wd", sse),
  ...toGeneral("CVTTSD2SI", "F2", "2C", "Wq", sse2),
  ...toGeneral("CVTSD2SI", "F2", "2D", "Wq", sse2),
];
