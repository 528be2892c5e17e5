/**
 * What every test suite leaves in `<package>/.reports/<suite>.json`, whatever ran it. Reading one
 * checks it: a report that says nothing must not count as a suite that passed.
 */
export interface SkippedTest {
  readonly name: string;
  readonly reason: string;
}

export interface SuiteReport {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  /** One for each skipped test; may be left out where there is none. */
  readonly skippedTests: readonly SkippedTest[];
}

/** Throws with the sentence that says what is wrong with `text`. */
export function parseSuiteReport(text: string): SuiteReport {
  const value: unknown = JSON.parse(text);
  if (typeof value !== "object" || value === null) throw new Error("it is not an object");
  const { passed, failed, skipped, skippedTests = [] } = value as Record<string, unknown>;
  if (!isCount(passed) || !isCount(failed) || !isCount(skipped)) {
    throw new Error("passed, failed and skipped must be counts");
  }
  if (!Array.isArray(skippedTests) || !skippedTests.every(isSkippedTest)) {
    throw new Error("skippedTests must list { name, reason }");
  }
  if (skippedTests.length !== skipped) {
    throw new Error(`it counts ${skipped} skipped tests and names ${skippedTests.length}`);
  }
  return { passed, failed, skipped, skippedTests };
}

function isCount(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 0;
}

function isSkippedTest(value: unknown): value is SkippedTest {
  if (typeof value !== "object" || value === null) return false;
  const { name, reason } = value as Record<string, unknown>;
  return typeof name === "string" && typeof reason === "string";
}
