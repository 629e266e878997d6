/** AES-NI, PCLMULQDQ and the SHA extensions. SDM Vol. 2; functions in assembly/sse/{aes,sha}.ts. */
import { type Entry, type OutlinedEntry, outlined } from "../define.js";

/** Memory operands of SHA need no alignment on the processors that we follow. */
const sha = (mnemonic: string, opcode: string, immediate = ""): OutlinedEntry =>
  outlined(mnemonic, "vec", mnemonic.toLowerCase(), [[`NP 0F ${opcode} /r`, `Vx,Wu${immediate}`]], { feature: "sha" });

const aes = (mnemonic: string, opcode: string): OutlinedEntry =>
  outlined(mnemonic, "vec", mnemonic.toLowerCase(), [[`66 0F 38 ${opcode} /r`, "Vx,Wx"]], { feature: "aes" });

export const crypto: readonly Entry[] = [
  aes("AESIMC", "DB"),
  aes("AESENC", "DC"),
  aes("AESENCLAST", "DD"),
  aes("AESDEC", "DE"),
  aes("AESDECLAST", "DF"),
  outlined("AESKEYGENASSIST", "vec", "aeskeygenassist", [["66 0F 3A DF /r", "Vx,Wx,Ib"]], { feature: "aes" }),
  outlined("PCLMULQDQ", "vec", "pclmulqdq", [["66 0F 3A 44 /r", "Vx,Wx,Ib"]], { feature: "pclmulqdq" }),
  sha("SHA1NEXTE", "38 C8"),
  sha("SHA1MSG1", "38 C9"),
  sha("SHA1MSG2", "38 CA"),
  sha("SHA256RNDS2", "38 CB"),
  sha("SHA256MSG1", "38 CC"),
  sha("SHA256MSG2", "38 CD"),
  sha("SHA1RNDS4", "3A CC", ",Ib"),
];
