// The quick tests: everything beside the code. Whole-guest tests are `*.guest.test.ts` and run by vitest.guests.config.ts.
import { defineConfig } from "vitest/config";

/** In the workspace packages are read as sources, by the export condition that the published manifests do not carry. */
export const conditions = ["@paravane/source", "node", "import", "module", "default"];

export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions } },
  test: {
    include: [
      "packages/*/{src,test,scripts,vectors}/**/*.test.ts",
      "apps/*/{src,test}/**/*.test.ts",
      "scripts/**/*.test.ts",
      "tests/**/*.test.ts",
    ],
    exclude: ["**/node_modules/**", "**/dist/**", "**/*.guest.test.ts"],
    testTimeout: 20_000,
  },
});
