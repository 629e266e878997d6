// Whole machines with real guests: slow, one at a time, each file says which host tools it needs.
import { defineConfig } from "vitest/config";
import { conditions } from "./vitest.config.js";

export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions } },
  test: {
    include: ["packages/*/test/**/*.guest.test.ts", "apps/*/test/**/*.guest.test.ts", "tests/**/*.guest.test.ts"],
    exclude: ["**/node_modules/**", "**/dist/**"],
    fileParallelism: false,
    testTimeout: 600_000,
    hookTimeout: 600_000,
  },
});
