import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    pool: "forks",
    poolOptions: { forks: { maxForks: 2 } },
    testTimeout: 120_000,
    hookTimeout: 120_000,
    // Tests leave nothing in the cache of the user who runs them; the processes that they start share one of their own.
    env: { ECHODUET_CACHE: "off" },
    globalSetup: "./test/support/program-cache.ts",
    reporters: ["default", "./test/support/closing-line-reporter.ts"],
  },
});
