/**
 * Adds up what all suites of the workspace report.
 *
 * A package declares its suites by its scripts: `test` leaves `.reports/unit.json`, `test:sim`
 * leaves `.reports/sim.json`, `test:a:b` leaves `.reports/a-b.json`. Guarantees: a declared suite
 * without a readable report, or with one that holds no test, is a failure; so is a phase whose
 * suites nobody declares, and one that failed without any of its suites saying why.
 */
import { globSync } from "node:fs";
import { readFile, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { parse as parseYaml } from "yaml";
import { parseSuiteReport } from "./suite-report.ts";
import type { SuiteReport } from "./suite-report.ts";

export interface PhaseResult {
  readonly name: string;
  readonly passed: boolean;
  /** The suites that the phase ran, which count by their reports; none: it counts as one check. */
  readonly suites: readonly string[];
}

export interface Summary {
  /** For people; the last one is exactly `N passed, N failed, N skipped`. */
  readonly lines: readonly string[];
  readonly failed: number;
}

interface Suite {
  readonly name: string;
  /** Relative to the root, "" for the repository itself. */
  readonly folder: string;
  readonly reportPath: string;
}

interface Outcome {
  readonly suite: string;
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  readonly lines: readonly string[];
}

/** Removes the reports of earlier runs, so that none of them can stand in for this one's. */
export async function removeReports(root: string): Promise<void> {
  for (const { reportPath } of await declaredSuites(root)) await rm(reportPath, { force: true });
}

export async function summarize(root: string, phases: readonly PhaseResult[]): Promise<Summary> {
  const outcomes = await Promise.all((await declaredSuites(root)).map(outcomeOf));
  const all = [...outcomes, ...phases.flatMap((phase) => outcomesOf(phase, outcomes))];
  const passed = sum(all, (outcome) => outcome.passed);
  const failed = sum(all, (outcome) => outcome.failed);
  const skipped = sum(all, (outcome) => outcome.skipped);
  const count = `${passed} passed, ${failed} failed, ${skipped} skipped`;
  return { failed, lines: [...all.flatMap((outcome) => outcome.lines), count] };
}

/** What a phase adds to the reports of its suites. */
function outcomesOf(phase: PhaseResult, reported: readonly Outcome[]): Outcome[] {
  const { name, passed, suites } = phase;
  if (suites.length === 0) {
    return [passed ? { ...NOTHING, suite: name, passed: 1 } : failure(name, "see above")];
  }
  const own = reported.filter((outcome) => suites.includes(outcome.suite));
  const undeclared = suites.filter((suite) => !own.some((outcome) => outcome.suite === suite));
  const found = undeclared.map((suite) => failure(name, `no package declares a suite "${suite}"`));
  const explained = passed || found.length > 0 || own.some((outcome) => outcome.failed > 0);
  return explained ? found : [failure(name, "no suite reports a failure, see above")];
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
  const path = dirname(manifestPath);
  const folder = path === "." ? "" : path;
  return Object.keys(manifest.scripts ?? {}).flatMap((script) => {
    const name = suiteOf(script, folder);
    if (name === null) return [];
    return [{ name, folder, reportPath: join(root, folder, ".reports", `${name}.json`) }];
  });
}

/** The suite that a script runs, or null. The repository's own `test` is the check as a whole. */
function suiteOf(script: string, folder: string): string | null {
  if (script === "test") return folder === "" ? null : "unit";
  return script.startsWith("test:") ? script.slice("test:".length).replaceAll(":", "-") : null;
}

async function outcomeOf({ name, folder, reportPath }: Suite): Promise<Outcome> {
  const title = `${folder || "repository"} ${name}`;
  const report = await readReport(reportPath);
  if (typeof report === "string") return { ...failure(title, report), suite: name };
  const { passed, failed, skipped, skippedTests } = report;
  const lines = skippedTests.map((test) => `skipped: ${title}: ${test.name}: ${test.reason}`);
  if (failed > 0) lines.push(`failed: ${title}: ${failed}, see above`);
  return { suite: name, passed, failed, skipped, lines };
}

const NOTHING = { passed: 0, failed: 0, skipped: 0, lines: [] };

function failure(title: string, why: string): Outcome {
  return { ...NOTHING, suite: title, failed: 1, lines: [`failed: ${title}: ${why}`] };
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
