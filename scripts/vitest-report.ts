/**
 * Vitest reporter that writes what a run came to, in the one shape that `summary.ts` adds up.
 *
 * Guarantees: whatever makes vitest fail (a test, a file that does not load, an error outside any
 * test) makes `failed` greater than zero. It prints nothing.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import type { Reporter, TestCase, TestModule } from "vitest/node";
import type { SkippedTest, SuiteReport } from "./suite-report.ts";

export function suiteReporter(file: string): Reporter {
  return {
    onTestRunEnd(modules, unhandledErrors) {
      const path = resolve(file);
      mkdirSync(dirname(path), { recursive: true });
      const report = reportOf(modules, unhandledErrors.length);
      writeFileSync(path, `${JSON.stringify(report, null, 2)}\n`);
    },
  };
}

function reportOf(modules: readonly TestModule[], unhandledErrors: number): SuiteReport {
  let passed = 0;
  let failed = unhandledErrors;
  const skippedTests: SkippedTest[] = [];
  for (const module of modules) {
    for (const test of module.children.allTests()) {
      const result = test.result();
      if (result.state === "passed") passed += 1;
      else if (result.state === "failed") failed += 1;
      else skippedTests.push({ name: test.fullName, reason: noteOf(result) });
    }
    // Errors of the file itself and of hooks belong to no test.
    failed += module.errors().length;
    for (const suite of module.children.allSuites()) failed += suite.errors().length;
  }
  return { passed, failed, skipped: skippedTests.length, skippedTests };
}

/** The words given to `context.skip("…")`; a test interrupted before its end is skipped as well. */
function noteOf(result: ReturnType<TestCase["result"]>): string {
  if (result.state === "skipped") return result.note ?? "no reason given";
  return "did not finish";
}
