/**
 * Adds up what all suites of the workspace report.
 *
 * A package declares its suites by its scripts: `test` leaves `.reports/unit.json`, `test:sim`
 * leaves `.reports/sim.json`, `test:a:b` leaves `.reports/a-b.json`. Guarantees: a declared suite
 * without a readable report, or with one that holds no test, is a failure, and so is a phase that
 * failed without any of its suites saying why.
 */
import { globSync } from "node:fs";
import { readFile, rm } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { parse as parseYaml } from "yaml";
import { parseSuiteReport } from "./suite-report.ts";
import type { SuiteReport } from "./suite-report.ts";

export interface PhaseResult {
  readonly name: string;
  readonly passed: boolean;
  /** True if what the phase ran counts by reports; false: the phase counts as one check. */
  readonly suites: boolean;
}

export interface Summary {
  /** For people; the last one is exactly `N passed, N failed, N skipped`. */
  readonly lines: readonly string[];
  readonly failed: number;
}

interface Suite {
  /** "packages/redis process" */
  readonly name: string;
  readonly reportPath: string;
}

/** Removes the reports of earlier runs, so that none of them can stand in for this one's. */
export async function removeReports(root: string): Promise<void> {
  for (const { reportPath } of await declaredSuites(root)) await rm(reportPath, { force: true });
}

export async function summarize(root: string, phases: readonly PhaseResult[]): Promise<Summary> {
  const outcomes = await Promise.all((await declaredSuites(root)).map(outcomeOf));
  const checks = phases.filter((phase) => !phase.suites);
  const failedChecks = checks.filter((phase) => !phase.passed);
  const suitesFailed = sum(outcomes, ({ failed }) => failed);
  const unexplained = suitesFailed > 0 ? [] : phases.filter((p) => p.suites && !p.passed);
  const passed = checks.length - failedChecks.length + sum(outcomes, (outcome) => outcome.passed);
  const failed = failedChecks.length + unexplained.length + suitesFailed;
  const skipped = sum(outcomes, (outcome) => outcome.skipped);
  return {
    failed,
    lines: [
      ...outcomes.flatMap((outcome) => outcome.lines),
      ...failedChecks.map(({ name }) => `failed: ${name}`),
      ...unexplained.map(({ name }) => `failed: ${name}, though no suite reports a failure`),
      `${passed} passed, ${failed} failed, ${skipped} skipped`,
    ],
  };
}

async function declaredSuites(root: string): Promise<Suite[]> {
  const workspace = parseYaml(await readFile(join(root, "pnpm-workspace.yaml"), "utf8")) as {
    packages: string[];
  };
  const manifests = workspace.packages.map((pattern) => `${pattern}/package.json`);
  const paths = globSync(["package.json", ...manifests], { cwd: root });
  const suites = await Promise.all(paths.toSorted().map((path) => suitesOf(root, path)));
  return suites.flat();
}

async function suitesOf(root: string, manifestPath: string): Promise<Suite[]> {
  const manifest = JSON.parse(await readFile(join(root, manifestPath), "utf8")) as {
    scripts?: Record<string, string>;
  };
  const folder = join(root, dirname(manifestPath));
  return Object.keys(manifest.scripts ?? {}).flatMap((script) => {
    const suite = suiteOf(script, folder === join(root));
    if (suite === null) return [];
    const name = `${relative(root, folder) || "repository"} ${suite}`;
    return [{ name, reportPath: join(folder, ".reports", `${suite}.json`) }];
  });
}

/** The suite that a script runs, or null. The repository's own `test` is the check as a whole. */
function suiteOf(script: string, isRoot: boolean): string | null {
  if (script === "test") return isRoot ? null : "unit";
  return script.startsWith("test:") ? script.slice("test:".length).replaceAll(":", "-") : null;
}

async function outcomeOf(
  suite: Suite,
): Promise<Omit<SuiteReport, "skippedTests"> & { lines: string[] }> {
  const report = await readReport(suite.reportPath);
  if (typeof report === "string") {
    return { passed: 0, failed: 1, skipped: 0, lines: [`failed: ${suite.name}: ${report}`] };
  }
  const lines = report.skippedTests.map(
    ({ name, reason }) => `skipped: ${suite.name}: ${name}: ${reason}`,
  );
  if (report.failed > 0) lines.push(`failed: ${suite.name}: ${report.failed}, see above`);
  return { ...report, lines };
}

/** The report, or what is wrong with it. */
async function readReport(path: string): Promise<SuiteReport | string> {
  let text;
  try {
    text = await readFile(path, "utf8");
  } catch {
    return "left no report: it did not run, or broke before its end";
  }
  try {
    const report = parseSuiteReport(text);
    const tests = report.passed + report.failed + report.skipped;
    return tests > 0 ? report : "its report holds no test";
  } catch (error) {
    return `its report cannot be read: ${String(error)}`;
  }
}

function sum<T>(items: readonly T[], count: (item: T) => number): number {
  return items.reduce((total, item) => total + count(item), 0);
}
