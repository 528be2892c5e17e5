/**
 * `npm run e2e`: plays acts on a real cluster and prints what they did to the clients.
 *
 * Exit codes: 0 all promises were kept, 1 one was broken or could not be measured, 2 wrong usage or
 * a machine that cannot run the cluster.
 */
import { writeFileSync } from "node:fs";
import { Command, InvalidArgumentError, Option } from "commander";
import { Cluster, clusterSupport } from "@leasehold/cluster";
import { renderJsonRows, renderTable, summarise, type Result } from "@leasehold/testkit/result";
import { boundOf } from "./acts/act.ts";
import { ACTS, type Act } from "./acts/index.ts";
import { startNoise } from "./noise-objects.ts";
import { claimNamespaces } from "./own-namespaces.ts";
import { openPlay } from "./play.ts";

interface Options {
  readonly act: readonly string[];
  readonly core: boolean;
  readonly busy: boolean;
  readonly runs: number;
  readonly json?: string;
  readonly evidence?: string;
}

function atLeastOne(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) throw new InvalidArgumentError("1 or more");
  return value;
}

const NETWORK_POLICY_NOT_RUN =
  "Not run: who may reach whom by the chart's NetworkPolicy, since our own cluster's network does " +
  "not enforce any. Use E2E_KUBECONFIG with a cluster whose network does.";

const names = ACTS.map(({ name }) => name);
const program = new Command("e2e")
  .description("hurt a group on a real cluster in every way, and show what clients saw")
  .addOption(
    new Option("--act <name...>", "only these acts").choices(names).default([], "all of them"),
  )
  .option("--core", "the acts that every check plays", false)
  .option("--busy", "other Services of the cluster change all the time", false)
  .option("--runs <n>", "play the acts n times; the table shows medians", atLeastOne, 1)
  .option("--json <file>", "write one JSON row for each act")
  .option("--evidence <folder>", "keep logs and objects of each act that was not held");
program.parse();
const options = program.opts<Options>();

const support = await clusterSupport();
if (!support.ok) {
  console.error(`The cluster cannot run here: ${support.why}`);
  process.exit(2);
}
const started = performance.now();
const say = (line: string): void =>
  console.log(`${((performance.now() - started) / 1000).toFixed(1).padStart(7)} s  ${line}`);
const chosen = ACTS.filter(
  (act) =>
    (options.act.length === 0 || options.act.includes(act.name)) &&
    (!options.core || act.isCore === true),
);
const cluster = await Cluster.up({ progress: (line) => say(`cluster: ${line}`) });
const release = await claimNamespaces(cluster).catch(async (error: unknown) => {
  console.error(error instanceof Error ? error.message : error);
  await cluster.down();
  process.exit(2);
});
const noise = options.busy ? await startNoise(cluster) : null;
try {
  const able = chosen.filter((act) => cluster.canInjectFaults || !act.needsFaults);
  const results = await playAll(able);
  console.log(`\n${renderTable(results)}`);
  const notRun = chosen.filter((act) => !able.includes(act)).map(({ name }) => name);
  if (notRun.length > 0) console.log(`Not run, since nodes are not ours: ${notRun.join(", ")}`);
  if (cluster.canInjectFaults) console.log(NETWORK_POLICY_NOT_RUN);
  if (options.json !== undefined) writeFileSync(options.json, renderJsonRows(results));
  process.exitCode = results.every(({ held }) => held) ? 0 : 1;
} finally {
  await noise?.end();
  await release();
  await cluster.down();
}

/** One row per act over all runs. */
async function playAll(acts: readonly Act[]): Promise<readonly Result[]> {
  const play = await openPlay(cluster, {
    say,
    evidence: options.evidence,
    isBusy: options.busy,
  });
  say("helm test");
  await play.stage.group.helmTest();
  const rows = new Map<Act, Result[]>(acts.map((act) => [act, []]));
  for (let run = 1; run <= options.runs; run += 1) {
    if (options.runs > 1) say(`run ${run} of ${options.runs}`);
    for (const act of acts) rows.get(act)?.push((await play.act(act)).result);
  }
  return [...rows].map(([act, results]) => summarise(results, boundOf(act, options.busy)));
}
