/** Fast system calls: assembly/system/syscall. SDM Vol. 2, AMD APM Vol. 3. */
import { type Entry, outlined } from "../define.js";

export const systemCalls: Entry[] = [
  outlined("SYSCALL", "sys", "syscall", [["0F 05"]], { flags: true, feature: "syscall" }),
  outlined("SYSRET", "sys", "sysret", [["0F 07"]], { flags: true, feature: "syscall" }),
  outlined("SYSENTER", "sys", "sysenter", [["0F 34"]], { feature: "sep" }),
  outlined("SYSEXIT", "sys", "sysexit", [["0F 35"]], { feature: "sep" }),
];
