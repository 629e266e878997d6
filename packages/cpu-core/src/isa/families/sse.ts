/** Every vector instruction, and the few about MXCSR, ordering and caches that came with them. SDM Vol. 2; assembly/sse/system.ts. */
import { type Entry, family, outlined } from "../define.js";
import { crypto } from "./crypto.js";
import { mmx } from "./mmx.js";
import { sseConvert } from "./sse-convert.js";
import { sseFloat } from "./sse-float.js";
import { sseInteger } from "./sse-integer.js";
import { sseMove } from "./sse-move.js";
import { sse4 } from "./sse4.js";

/** Memory is always ordered here and there is no cache: fences and prefetches do nothing. PREFETCH never faults. */
const nothing = (mnemonic: string, pattern: string, operands: string, feature?: string): Entry =>
  family(mnemonic, { encodings: [[pattern, operands]], roles: "", ...(feature === undefined ? {} : { feature }), meaning: () => ({}) });

const sseSystem: readonly Entry[] = [
  outlined("LDMXCSR", "vec", "ldmxcsr", [["NP 0F AE /2 mem", "Md"]], { feature: "sse", unit: "sse" }),
  outlined("STMXCSR", "vecStore", "stmxcsr", [["NP 0F AE /3 mem", "Md"]], { feature: "sse", unit: "sse" }),
  outlined("CLFLUSH", "vec", "clflush", [["NP 0F AE /7 mem", "Mb"]], { feature: "clflush" }),
  outlined("CLFLUSHOPT", "vec", "clflush", [["66 0F AE /7 mem", "Mb"]], { feature: "clflushopt" }),
  nothing("LFENCE", "NP 0F AE /5 reg", "", "sse2"),
  nothing("MFENCE", "NP 0F AE /6 reg", "", "sse2"),
  nothing("SFENCE", "NP 0F AE /7 reg", "", "sse"),
  nothing("PREFETCH", "0F 0D /0 mem", "M"),
  nothing("PREFETCHW", "0F 0D /1 mem", "M"),
  nothing("PREFETCH", "0F 0D /r mem", "M"), // the reserved ones (AMD APM Vol. 3 "PREFETCHW")
];

export const sse: readonly Entry[] = [...sseMove, ...sseFloat, ...sseConvert, ...sseInteger, ...sse4, ...crypto, ...mmx, ...sseSystem];
