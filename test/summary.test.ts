import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { removeReports, summarize } from "../scripts/summary.ts";
import type { PhaseResult } from "../scripts/summary.ts";

const UNIT: PhaseResult = { name: "unit tests", passed: true, suites: ["unit"] };

const TWO_PASSED = { passed: 2, failed: 0, skipped: 0, skippedTests: [] };

/** A workspace of one package, `packages/a`, with a unit suite and the files given. */
async function workspaceWith(files: Readonly<Record<string, unknown>>): Promise<string> {
  const root = await mkdtemp(join(tmpdir(), "leasehold-summary-"));
  onTestFinished(() => rm(root, { recursive: true }));
  const all = {
    "pnpm-workspace.yaml": "packages:\n  - packages/*\n",
    "package.json": { scripts: { test: "everything" } },
    "packages/a/package.json": { scripts: { test: "vitest run", build: "build" } },
    ...files,
  };
  for (const [path, content] of Object.entries(all)) {
    await mkdir(join(root, dirname(path)), { recursive: true });
    const text = typeof content === "string" ? content : JSON.stringify(content);
    await writeFile(join(root, path), text);
  }
  return root;
}

async function lastLine(root: string, phases: readonly PhaseResult[] = [UNIT]): Promise<string> {
  return (await summarize(root, phases)).lines.at(-1) ?? "";
}

describe("the last line", () => {
  test("counts the tests of every suite that a package declares", async () => {
    const root = await workspaceWith({
      "packages/a/.reports/unit.json": TWO_PASSED,
      "packages/b/package.json": { scripts: { test: "vitest run", "test:sim:random": "sim" } },
      "packages/b/.reports/unit.json": TWO_PASSED,
      "packages/b/.reports/sim-random.json": TWO_PASSED,
    });
    expect(await lastLine(root)).toBe("6 passed, 0 failed, 0 skipped");
  });

  test("counts a phase without suites as one check", async () => {
    const root = await workspaceWith({ "packages/a/.reports/unit.json": TWO_PASSED });
    const lint: PhaseResult = { name: "lint", passed: true, suites: [] };
    expect(await lastLine(root, [UNIT, lint])).toBe("3 passed, 0 failed, 0 skipped");
    const failed = { ...lint, passed: false };
    expect(await lastLine(root, [UNIT, failed])).toBe("2 passed, 1 failed, 0 skipped");
  });

  test("follows one line for each skipped test with its reason", async () => {
    const report = {
      ...TWO_PASSED,
      skipped: 1,
      skippedTests: [{ name: "drains", reason: "needs Redis 8" }],
    };
    const root = await workspaceWith({ "packages/a/.reports/unit.json": report });
    expect((await summarize(root, [UNIT])).lines).toEqual([
      "skipped: packages/a unit: drains: needs Redis 8",
      "2 passed, 0 failed, 1 skipped",
    ]);
  });
});

describe("a failure is", () => {
  const broken: readonly { readonly what: string; readonly report: unknown }[] = [
    { what: "a suite with a failed test", report: { ...TWO_PASSED, passed: 0, failed: 1 } },
    { what: "a report without tests", report: { ...TWO_PASSED, passed: 0 } },
    { what: "a report that is no JSON", report: "{" },
    { what: "a report without counts", report: {} },
    {
      what: "a report that hides a skipped test",
      report: { ...TWO_PASSED, passed: 0, skipped: 1 },
    },
  ];
  test.each(broken)("$what", async ({ report }) => {
    const root = await workspaceWith({ "packages/a/.reports/unit.json": report });
    expect(await lastLine(root)).toBe("0 passed, 1 failed, 0 skipped");
  });

  test("a suite without a report", async () => {
    expect(await lastLine(await workspaceWith({}))).toBe("0 passed, 1 failed, 0 skipped");
  });

  test("a phase that failed though its suites report none", async () => {
    const root = await workspaceWith({ "packages/a/.reports/unit.json": TWO_PASSED });
    const phases = [{ ...UNIT, passed: false }];
    expect(await lastLine(root, phases)).toBe("2 passed, 1 failed, 0 skipped");
  });

  test("a phase whose suites no package declares", async () => {
    const root = await workspaceWith({ "packages/a/.reports/unit.json": TWO_PASSED });
    const simulation: PhaseResult = { name: "simulation", passed: true, suites: ["sim"] };
    expect(await lastLine(root, [UNIT, simulation])).toBe("2 passed, 1 failed, 0 skipped");
  });

  test("counted once when a suite and its phase both say so", async () => {
    const report = { ...TWO_PASSED, failed: 1 };
    const root = await workspaceWith({ "packages/a/.reports/unit.json": report });
    const phases = [{ ...UNIT, passed: false }];
    expect(await lastLine(root, phases)).toBe("2 passed, 1 failed, 0 skipped");
  });
});

test("no report of an earlier run stands in for this one's", async () => {
  const root = await workspaceWith({ "packages/a/.reports/unit.json": TWO_PASSED });
  await removeReports(root);
  expect(await readdir(join(root, "packages/a/.reports"))).toEqual([]);
});
