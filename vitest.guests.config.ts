// Whole machines with real guests: slow, each file says which host tools it needs. Two at a time where the result is the same however slow the
// host is; one at a time where clocks, deadlines or other programs take part.
import { defineConfig } from "vitest/config";
import { conditions } from "./vitest.config.js";

const untimed = [
  "apps/cli/test/{lockstep,verify,zero-cost}.guest.test.ts",
  "tests/{check,kit,vmi,xen-headers}/*.guest.test.ts",
  "tests/system/verified.guest.test.ts",
  "tests/xen/hostile.guest.test.ts",
];
const never = ["**/node_modules/**", "**/dist/**"];

/** Files of one kind; the groups run one after the other. */
const project = (name: string, groupOrder: number, maxWorkers: number, include: string[], exclude: string[]) => ({
  resolve: { conditions },
  ssr: { resolve: { conditions } },
  test: { name, include, exclude, maxWorkers, sequence: { groupOrder }, testTimeout: 600_000, hookTimeout: 600_000 },
});

export default defineConfig({
  test: {
    projects: [
      project("untimed", 0, 2, untimed, never),
      project(
        "timed",
        1,
        1,
        ["packages/*/test/**/*.guest.test.ts", "apps/*/test/**/*.guest.test.ts", "tests/**/*.guest.test.ts"],
        [...never, ...untimed],
      ),
    ],
  },
});
