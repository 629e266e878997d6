/** State images: assembly/system/xsave. SDM Vol. 1 §13, Vol. 2. */
import { type Entry, outlined } from "../define.js";

export const xsave: Entry[] = [
  outlined("FXSAVE", "sysMem", "fxsave", [["NP 0F AE /0 mem", "M"]], { feature: "fxsr" }),
  outlined("FXRSTOR", "sysMem", "fxrstor", [["NP 0F AE /1 mem", "M"]], { feature: "fxsr" }),
  outlined("XSAVE", "sysMem", "xsave", [["NP 0F AE /4 mem", "M"]], { feature: "xsave" }),
  outlined("XRSTOR", "sysMem", "xrstor", [["NP 0F AE /5 mem", "M"]], { feature: "xsave" }),
  outlined("XSAVEOPT", "sysMem", "xsaveopt", [["NP 0F AE /6 mem", "M"]], { feature: "xsaveopt" }),
  outlined("XSAVEC", "sysMem", "xsavec", [["NP 0F C7 /4 mem", "M"]], { feature: "xsavec" }),
];
