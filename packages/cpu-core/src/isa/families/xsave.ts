/** State images: assembly/system/xsave. SDM Vol. 1 §13, Vol. 2. */
import { type Entry, outlined } from "../define.js";
import { RAX, RDX } from "../sem.js";

export const xsave: Entry[] = [
  outlined("FXSAVE", "stay", "fxsave", [["NP 0F AE /0 mem", "M"]], { feature: "fxsr" }),
  outlined("FXRSTOR", "stay", "fxrstor", [["NP 0F AE /1 mem", "M"]], { feature: "fxsr" }),
  outlined("XSAVE", "stay", "xsave", [["NP 0F AE /4 mem", "M"]], { feature: "xsave", general: [RAX, RDX] }),
  outlined("XRSTOR", "stay", "xrstor", [["NP 0F AE /5 mem", "M"]], { feature: "xsave", general: [RAX, RDX] }),
  outlined("XSAVEOPT", "stay", "xsaveopt", [["NP 0F AE /6 mem", "M"]], { feature: "xsaveopt", general: [RAX, RDX] }),
  outlined("XSAVEC", "stay", "xsavec", [["NP 0F C7 /4 mem", "M"]], { feature: "xsavec", general: [RAX, RDX] }),
];
