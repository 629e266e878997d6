/** Flags that are not status flags, halt, pause, caches, random numbers, FS and GS bases, SMAP, hypercalls, UD. SDM Vol. 2. */
import { type Entry, outlined } from "../define.js";
import { cldCommon, cliCommon, stdCommon, stiCommon, swapgsCommon } from "./system-flags.js";

export const miscSystem: Entry[] = [
  outlined("CLI", "stay", "cli", [["FA"]], { common: cliCommon }),
  outlined("STI", "stay", "sti", [["FB"]], { common: stiCommon }),
  outlined("CLD", "stay", "cld", [["FC"]], { common: cldCommon }),
  outlined("STD", "stay", "std", [["FD"]], { common: stdCommon }),
  outlined("HLT", "sys", "hlt", [["F4"]]),
  outlined("PAUSE", "stay", "pause", [["F3 90"]]),
  outlined("INVD", "stay", "cacheControl", [["0F 08"]]),
  outlined("WBINVD", "stay", "cacheControl", [["0F 09"]]),
  outlined("CLWB", "vec", "clflush", [["66 0F AE /6 mem", "Mb"]], { feature: "clwb" }),
  outlined(
    "RDRAND",
    "stay",
    "randomNumber",
    [
      ["NP 0F C7 /6 reg", "Rv"],
      ["66 0F C7 /6 reg", "Rv"],
    ],
    { flags: true, feature: "rdrand" },
  ),
  outlined(
    "RDSEED",
    "stay",
    "randomNumber",
    [
      ["NP 0F C7 /7 reg", "Rv"],
      ["66 0F C7 /7 reg", "Rv"],
    ],
    { flags: true, feature: "rdseed" },
  ),
  outlined("RDFSBASE", "stay", "rdfsbase", [["F3 0F AE /0 reg o64", "Ry"]], { feature: "fsgsbase" }),
  outlined("RDGSBASE", "stay", "rdgsbase", [["F3 0F AE /1 reg o64", "Ry"]], { feature: "fsgsbase" }),
  outlined("WRFSBASE", "stay", "wrfsbase", [["F3 0F AE /2 reg o64", "Ry"]], { feature: "fsgsbase" }),
  outlined("WRGSBASE", "stay", "wrgsbase", [["F3 0F AE /3 reg o64", "Ry"]], { feature: "fsgsbase" }),
  outlined("SWAPGS", "stay", "swapgs", [["0F 01 F8 o64"]], { common: swapgsCommon }),
  outlined("CLAC", "stay", "clac", [["NP 0F 01 CA"]], { feature: "smap", translations: true }),
  outlined("STAC", "stay", "stac", [["NP 0F 01 CB"]], { feature: "smap", translations: true }),
  outlined("VMCALL", "sys", "vmcall", [["NP 0F 01 C1"]]),
  outlined("VMMCALL", "sys", "vmcall", [["0F 01 D9"]]),
  outlined("UD2", "sys", "undefinedOpcode", [["0F 0B"]]),
  outlined("UD1", "sys", "undefinedOpcode", [["0F B9 /r", "Gv,Ev"]]),
  outlined("UD0", "sys", "undefinedOpcode", [["0F FF /r", "Gv,Ev"]]),
];
