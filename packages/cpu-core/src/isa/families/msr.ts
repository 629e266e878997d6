/** Model-specific registers, CPUID, time stamp, counters, processor ID: assembly/system/{msr,cpuid,misc}. SDM Vol. 2. */
import { type Entry, outlined } from "../define.js";

export const msr: Entry[] = [
  outlined("WRMSR", "stay", "wrmsr", [["0F 30"]], { feature: "msr" }),
  outlined("RDMSR", "stay", "rdmsr", [["0F 32"]], { feature: "msr" }),
  outlined("RDTSC", "stay", "rdtsc", [["0F 31"]], { feature: "tsc" }),
  outlined("RDTSCP", "stay", "rdtscp", [["0F 01 F9"]], { feature: "rdtscp" }),
  outlined("RDPMC", "stay", "rdpmc", [["0F 33"]], { feature: "msr" }),
  outlined("RDPID", "stay", "rdpid", [["F3 0F C7 /7 reg", "Ry"]], { feature: "rdpid" }),
  outlined("CPUID", "stay", "cpuid", [["0F A2"]]),
];
