/**
 * How every package runs its tests; each package's own `vitest.config.ts` hands on to this one.
 *
 * `vitest run` runs the unit suite, `test/**` + `/*.test.ts`; `vitest run --mode process` runs
 * the process suite, `test/process/**` + `/*.process.ts`: real processes, one file after the
 * other. Each run leaves `.reports/<suite>.json` in the package for `scripts/summary.ts`.
 */
import { join } from "node:path";
import { defineConfig } from "vitest/config";
import { PATIENCE_MS } from "./scripts/patience.ts";
import { suiteReporter } from "./scripts/vitest-report.ts";

// Vitest keeps a token in the user's data folder; nothing of ours is written outside the clone.
process.env["XDG_DATA_HOME"] = join(import.meta.dirname, ".tmp");

const IN_PROCESS = { include: ["test/**/*.test.ts"], fileParallelism: true, testTimeout: 60_000 };

const SUITES = {
  unit: IN_PROCESS,
  /** The repository's own tests, beside this file. */
  repo: IN_PROCESS,
  process: {
    include: ["test/process/**/*.process.ts"],
    fileParallelism: false,
    testTimeout: 120_000,
  },
  /** On a real cluster, and by default not on the one that somebody works with by hand. */
  cluster: {
    include: ["test/cluster/**/*.cluster.ts"],
    fileParallelism: false,
    testTimeout: 300_000,
    env: { LEASEHOLD_CLUSTER_NAME: process.env["LEASEHOLD_CLUSTER_NAME"] ?? "leasehold-test" },
  },
};

function isSuite(mode: string): mode is keyof typeof SUITES {
  return Object.hasOwn(SUITES, mode);
}

export default defineConfig(({ mode }) => {
  const suite = isSuite(mode) ? mode : "unit";
  return {
    cacheDir: ".reports/.vite",
    test: {
      ...SUITES[suite],
      hookTimeout: 60_000,
      // A machine that starts nine suites at once may stand still for longer than Vitest's second.
      expect: { poll: { timeout: PATIENCE_MS } },
      setupFiles: [join(import.meta.dirname, "scripts/vitest-patience.ts")],
      teardownTimeout: 10_000,
      maxWorkers: 2,
      // A suite without tests must not pass for one whose tests passed.
      passWithNoTests: false,
      reporters: ["default", suiteReporter(`.reports/${suite}.json`)],
    },
  };
});
