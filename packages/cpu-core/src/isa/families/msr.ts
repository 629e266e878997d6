/** Model-specific registers, CPUID, time stamp, counters, processor ID: assembly/system/{msr,cpuid,misc}. SDM Vol. 2. */
import { type Entry, outlined } from "../define.js";
import { RAX, RBX, RCX, RDX } from "../sem.js";

export const msr: Entry[] = [
  outlined("WRMSR", "stay", "wrmsr", [["0F 30"]], { feature: "msr", general: [RAX, RCX, RDX] }),
  outlined("RDMSR", "stay", "rdmsr", [["0F 32"]], { feature: "msr", general: [RAX, RCX, RDX] }),
  outlined("RDTSC", "stay", "rdtsc", [["0F 31"]], { feature: "tsc", general: [RAX, RDX] }),
  outlined("RDTSCP", "stay", "rdtscp", [["0F 01 F9"]], { feature: "rdtscp", general: [RAX, RCX, RDX] }),
  outlined("RDPMC", "stay", "rdpmc", [["0F 33"]], { feature: "msr" }),
  outlined("RDPID", "stay", "rdpid", [["F3 0F C7 /7 reg", "Ry"]], { feature: "rdpid" }),
  outlined("CPUID", "stay", "cpuid", [["0F A2"]], { general: [RAX, RCX, RDX, RBX] }),
];
