/**
 * `npm run sim`: seeds in, broken promises out. Exit code 1 if any promise was broken, 2 for wrong
 * usage.
 *
 *   --seeds N       seeds to run (default 200, and 1000 with --mutants), from --from S (default 1)
 *                   or from --random one
 *   --seed S        one seed with its whole timeline; --trace MS adds every decision from then on
 *   --profile NAME  only this kind of trouble     --members N   only this size
 *   --jobs N        workers (default: all cores)  --stop-after N broken seeds (default 5)
 *   --report NAME   writes .reports/NAME.json for the repository's count
 *   --mutants       breaks the protocol on purpose, rule by rule, and counts the seeds until a
 *                   checker notices; --subset a few of them; --only NAME one
 *   --brief         one line for each broken seed; --json only a machine's
 */
import { randomInt } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import { profileNamed } from "./faults/profiles.ts";
import { runMutants } from "./mutation-run.ts";
import { runSeed } from "./run.ts";
import { lineText } from "./timeline.ts";
import { runBatch, type RunSummary } from "./workers.ts";

const { values } = readFlags();

// A reader that has seen enough (`| head`) ends the run.
process.stdout.on("error", () => process.exit(1));

const profile = values.profile ?? null;
if (profile !== null) orExplain(() => profileNamed(profile));
const members = values.members === undefined ? null : wholeNumber("members", values.members);

if (values.mutants) process.exitCode = await mutants();
else if (values.seed !== undefined) process.exitCode = replay(wholeNumber("seed", values.seed));
else process.exitCode = await many();

function readFlags() {
  return orExplain(() =>
    parseArgs({
      options: {
        seeds: { type: "string" },
        from: { type: "string", default: "1" },
        seed: { type: "string" },
        trace: { type: "string" },
        profile: { type: "string" },
        members: { type: "string" },
        jobs: { type: "string", default: String(availableParallelism()) },
        "stop-after": { type: "string", default: "5" },
        random: { type: "boolean", default: false },
        report: { type: "string" },
        mutants: { type: "boolean", default: false },
        subset: { type: "boolean", default: false },
        only: { type: "string" },
        brief: { type: "boolean", default: false },
        json: { type: "boolean", default: false },
      },
    }),
  );
}

/** Wrong usage ends with a sentence: a stack of calls tells whoever typed it nothing. */
function orExplain<Value>(read: () => Value): Value {
  try {
    return read();
  } catch (error) {
    const words = error instanceof Error ? error.message : String(error);
    process.stderr.write(`${words}\nAll flags are listed at the top of ${import.meta.filename}\n`);
    process.exit(2);
  }
}

async function mutants(): Promise<number> {
  const plan = {
    subset: values.subset,
    only: values.only ?? null,
    seeds: wholeNumber("seeds", values.seeds ?? "1000"),
    jobs: wholeNumber("jobs", values.jobs),
  };
  const results = await runMutants(plan, ({ mutant, caught, error }) => {
    const result =
      caught === null
        ? (error ?? `NOT CAUGHT within ${plan.seeds} seeds`)
        : `${String(caught.seeds).padStart(4)} seeds  ${caught.checker}`;
    print(`${mutant.name.padEnd(62)} ${mutant.profile.padEnd(18)} ${result}`);
  });
  const missed = results.filter((result) => result.caught === null);
  print(`${results.length} mutants, ${missed.length} not caught`);
  report(results.length - missed.length, missed.length);
  return missed.length === 0 ? 0 : 1;
}

function replay(seed: number): number {
  const traceFromMs = values.trace === undefined ? Infinity : wholeNumber("trace", values.trace);
  const run = runSeed({ seed, profile, members, watch: { traceFromMs } });
  for (const line of run.timeline.lines) print(lineText(line));
  const { acknowledged, lost, promotions, fullSyncs, recoveryMs } = run.stats;
  print(
    `seed ${seed}: ${(run.virtualMs / 1_000).toFixed(1)} s, ${acknowledged} acknowledged, ` +
      `${lost} lost as allowed, ${promotions} promotions, ${fullSyncs} full syncs, ` +
      `whole ${(recoveryMs / 1_000).toFixed(1)} s after the faults, ${run.fingerprint}`,
  );
  if (run.violation === null) return 0;
  print(`BROKEN (${run.violation.checker}): ${run.violation.promise}\n  ${run.violation.words}`);
  return 1;
}

async function many(): Promise<number> {
  const from = values.random ? randomInt(2 ** 32) : wholeNumber("from", values.from);
  if (values.random) print(`random seeds from ${from}`);
  const seeds = Array.from(
    { length: wholeNumber("seeds", values.seeds ?? "200") },
    (_, i) => from + i,
  );
  const jobs = wholeNumber("jobs", values.jobs);
  const stopAfter = wholeNumber("stop-after", values["stop-after"]);
  const startedMs = performance.now();
  const runs: RunSummary[] = [];
  await runBatch({ seeds, profile, members, jobs, stopAfter }, (run) => {
    runs.push(run);
    if (run.broken !== null && !values.json) printBroken(run);
  });
  const broken = runs.filter((run) => run.broken !== null);
  if (values.json) {
    const list = broken.map((run) => ({ seed: run.seed, checker: run.broken?.checker ?? "" }));
    print(JSON.stringify({ broken: list.toSorted((a, b) => a.seed - b.seed) }));
    return broken.length === 0 ? 0 : 1;
  }
  print(summary(runs, broken.length, performance.now() - startedMs));
  report(runs.length - broken.length, broken.length);
  return broken.length === 0 ? 0 : 1;
}

function printBroken(run: RunSummary): void {
  const { broken } = run;
  if (broken === null) return;
  const name = `${run.profile}, ${run.members} members`;
  if (values.brief) {
    print(`${run.seed} (${name}) ${broken.checker}: ${broken.words.slice(0, 160)}`);
    return;
  }
  print(`\nseed ${run.seed} (${name}) broke a promise: ${broken.promise}`);
  print(`  ${broken.words}`);
  for (const line of run.tail) print(`  ${line}`);
  print(`  replay: npm run sim -- --seed ${run.seed}${profile ? ` --profile ${profile}` : ""}`);
}

function summary(runs: readonly RunSummary[], broken: number, tookMs: number): string {
  const sum = (pick: (run: RunSummary) => number): number =>
    runs.reduce((total, run) => total + pick(run), 0);
  const recoveries = runs.map((run) => run.stats.recoveryMs).filter((ms) => ms >= 0);
  recoveries.sort((a, b) => a - b);
  const p = (share: number): string =>
    ((recoveries[Math.floor(recoveries.length * share)] ?? 0) / 1_000).toFixed(1);
  const hours = sum((run) => run.virtualMs) / 3_600_000;
  return (
    `${runs.length} seeds, ${hours.toFixed(1)} virtual hours in ${(tookMs / 1_000).toFixed(0)} s: ` +
    `${broken} broken; ${sum((run) => run.stats.acknowledged)} writes acknowledged, ` +
    `${sum((run) => run.stats.lost)} lost as allowed, ${sum((run) => run.stats.promotions)} ` +
    `promotions; whole again after ${p(0.5)} s (p99 ${p(0.99)} s)`
  );
}

function report(passed: number, failed: number): void {
  if (values.report === undefined) return;
  const folder = new URL("../../.reports/", import.meta.url);
  mkdirSync(folder, { recursive: true });
  const result = { passed, failed, skipped: 0, skippedTests: [] };
  writeFileSync(new URL(`${values.report}.json`, folder), `${JSON.stringify(result)}\n`);
}

function wholeNumber(name: string, text: string): number {
  return orExplain(() => {
    const value = Number(text);
    if (Number.isSafeInteger(value) && value >= 0) return value;
    throw new Error(`--${name} must be a whole number, not "${text}"`);
  });
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}
