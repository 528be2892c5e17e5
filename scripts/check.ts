/**
 * Everything that CI runs, phase by phase; the last line is the count over all of them.
 *
 * Guarantees: a failed phase does not keep the later ones from running; the exit code is 0 only
 * if every phase passed and every suite that some package.json declares has left a report with
 * tests in it. Needs the tools on PATH: `npm test` sees to that. Turbo's cache makes a second
 * run repeat only what changed and what draws random seeds; cached suites count by their report.
 */
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { removeReports, summarize } from "./summary.ts";
import type { PhaseResult } from "./summary.ts";

const ROOT = fileURLToPath(new URL("..", import.meta.url));

interface Phase {
  readonly name: string;
  readonly command: readonly [string, ...string[]];
  /** The suites that it runs, which count by their reports; none: the phase counts as one check. */
  readonly suites: readonly string[];
}

const TURBO = ["turbo", "run", "--continue=always", "--log-prefix=task"] as const;

const SERIAL = [...TURBO, "--concurrency=1"] as const;

const PHASES: readonly Phase[] = [
  { name: "format", command: ["oxfmt", "--check"], suites: [] },
  { name: "lint", command: ["oxlint"], suites: [] },
  { name: "types", command: [...TURBO, "//#types"], suites: [] },
  { name: "bundles", command: [...TURBO, "build"], suites: [] },
  { name: "repository rules", command: [...TURBO, "//#test:repo"], suites: ["repo"] },
  { name: "unit tests", command: [...TURBO, "--concurrency=2", "test"], suites: ["unit"] },
  {
    name: "simulation",
    // One after the other: each takes all cores.
    command: [
      ...SERIAL,
      "test:simulation",
      "test:simulation:migrations",
      "test:simulation:ends",
      "test:simulation:random",
      "test:mutants",
    ],
    suites: [
      "simulation",
      "simulation-migrations",
      "simulation-ends",
      "simulation-random",
      "mutants",
    ],
  },
  // One package at a time: they start real processes and measure what happens.
  {
    name: "process tests",
    command: [...SERIAL, "test:process"],
    suites: ["process"],
  },
  { name: "cluster tests", command: [...SERIAL, "test:cluster"], suites: ["cluster"] },
];

let interrupted = false;
// A signal to the group reaches the running phase as well; here it only ends the sequence.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.on(signal, () => {
    interrupted = true;
  });
}

await removeReports(ROOT);
const results: PhaseResult[] = [];
for (const [index, { name, command, suites }] of PHASES.entries()) {
  if (interrupted) break;
  console.log(`\ncheck [${index + 1}/${PHASES.length}] ${name}`);
  results.push({ name, passed: await succeeds(command), suites });
}
const summary = await summarize(ROOT, results);
if (interrupted) console.log("\ninterrupted: what follows is not the whole");
console.log(`\n${summary.lines.join("\n")}`);
process.exitCode = summary.failed > 0 || interrupted ? 1 : 0;

function succeeds([file, ...args]: readonly [string, ...string[]]): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, { cwd: ROOT, stdio: ["ignore", "inherit", "inherit"] });
    child.once("error", reject);
    child.once("exit", (code) => {
      resolve(code === 0);
    });
  });
}
