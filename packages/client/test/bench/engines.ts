/**
 * The process tests of this package with each engine of the chart's matrix: the servers of the
 * images that stand in for the official ones, made of Debian's packages. The first time needs a
 * network, root and apt.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { engineServer, ENGINES, enginesSupport } from "@leasehold/cluster/engines";
import { markdown, type Report } from "./report.ts";

const PACKAGE = join(import.meta.dirname, "../..");
const TIMEOUT_MS = 600_000;

interface Row {
  readonly engine: string;
  readonly passed: number;
  readonly failed: readonly string[];
}

export async function testEngines(only: string): Promise<Report> {
  const support = enginesSupport();
  if (!support.ok) throw new Error(`The engines cannot be tested here: ${support.why}`);
  const rows: Row[] = [];
  for (const engine of ENGINES) {
    const name = `${engine.name} ${engine.major}`;
    if (!name.includes(only)) continue;
    rows.push({ engine: name, ...(await testWith(await engineServer(engine))) });
    console.error(cellsOf(rows.at(-1) as Row).join("  "));
  }
  return {
    rows,
    text: markdown(["engine", "tests passed", "failed"], rows.map(cellsOf)),
    broken: rows.flatMap(({ engine, failed }) => failed.map((test) => `${engine}: ${test}`)),
  };
}

async function testWith(server: string): Promise<Omit<Row, "engine">> {
  const folder = mkdtempSync(join(tmpdir(), "leasehold-engines-"));
  const file = join(folder, "results.json");
  const vitest = join(
    dirname(createRequire(import.meta.url).resolve("vitest/package.json")),
    "vitest.mjs",
  );
  const args = [vitest, "run", "--mode", "process", "--reporter", "json", "--outputFile", file];
  try {
    const child = spawn(process.execPath, args, {
      cwd: PACKAGE,
      env: { ...process.env, LEASEHOLD_TEST_REDIS: server },
      stdio: ["ignore", "ignore", "inherit"],
      timeout: TIMEOUT_MS,
    });
    await once(child, "exit");
    return resultsIn(readFileSync(file, "utf8"));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

interface Results {
  readonly numPassedTests: number;
  readonly testResults: readonly {
    readonly name: string;
    readonly status: string;
    readonly assertionResults: readonly { readonly status: string; readonly fullName: string }[];
  }[];
}

function resultsIn(text: string): Omit<Row, "engine"> {
  const { numPassedTests, testResults } = JSON.parse(text) as Results;
  const failed = testResults.flatMap(({ name, status, assertionResults }) => {
    const tests = assertionResults.filter((one) => one.status === "failed");
    const isBroken = status === "failed" && tests.length === 0;
    return isBroken ? [`${name} did not run`] : tests.map(({ fullName }) => fullName);
  });
  return { passed: numPassedTests, failed };
}

function cellsOf({ engine, passed, failed }: Row): string[] {
  return [engine, String(passed), failed.length === 0 ? "none" : failed.join("; ")];
}
