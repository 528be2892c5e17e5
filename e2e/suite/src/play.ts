/**
 * Plays acts one after the other and says what each did to the clients.
 *
 * Guarantees: a group that does not come up, or is not whole again, breaks its own act's promise;
 * whatever an act hurt is healed before the next one begins.
 */
import { join } from "node:path";
import type { Cluster } from "@leasehold/cluster";
import { runAct, type ActReport } from "@leasehold/testkit/acts";
import { formatMs, judge, type Bound, type Result } from "@leasehold/testkit/result";
import { boundOf, RELEASE, WHOLE_MS } from "./acts/act.ts";
import type { Act } from "./acts/index.ts";
import { keepEvidence, keepLogs } from "./evidence.ts";
import { install } from "./group.ts";
import { handOverLines } from "./hand-over-lines.ts";
import { handOversIn } from "./hand-over.ts";
import { followLogs } from "./log-follower.ts";
import { stageFor } from "./opened.ts";
import { deployAgents } from "./pods.ts";
import { openStage, type Stage } from "./stage.ts";

export interface Play {
  readonly stage: Stage;
  /** Never throws for a broken group; heals the cluster at the end. */
  act(act: Act): Promise<ActReport>;
}

/** Longer than on loopback: kube-proxy of every node has to be at rest. */
const CALM_MS = 1500;

export interface PlayOptions {
  readonly say: (line: string) => void;
  /** Where to put what is worth reading after an act that was not held. Default: nowhere. */
  readonly evidence?: string | undefined;
  /** Bounds of a cluster whose other Services change all the time. */
  readonly isBusy?: boolean;
}

/** Installs the chart, and writers and readers on every node. */
export async function openPlay(
  cluster: Cluster,
  { say, evidence, isBusy = false }: PlayOptions,
): Promise<Play> {
  say("installing the chart, and the writers and readers");
  const group = await install(cluster, RELEASE);
  await deployAgents(cluster);
  const shared = await openStage(cluster, { group, clients: "nodes" });
  let number = 0;
  return {
    stage: shared,
    async act(act) {
      say(act.title);
      number += 1;
      const folder = evidence && join(evidence, `${number}-${act.name}`);
      const open = () => act.open?.(cluster, shared) ?? stageFor(cluster, act, shared);
      const plan = { act, bound: boundOf(act, isBusy), folder };
      const played = await playOn(plan, open);
      const problems = await problemsOf(
        async () => played.stage && act.after?.(played.stage),
        async () => cluster.canInjectFaults && cluster.healAll(),
        async () => played.stage?.close(),
        () => shared.whole(WHOLE_MS),
      );
      const report = broken(played.report, problems);
      for (const line of linesOf(report)) say(`  ${line}`);
      return report;
    },
  };
}

interface Plan {
  readonly act: Act;
  readonly bound: Bound;
  /** For evidence. */
  readonly folder: string | undefined;
}

interface Played {
  readonly report: ActReport;
  /** Null: it did not come up. */
  readonly stage: Stage | null;
}

async function playOn(plan: Plan, open: () => Promise<Stage>): Promise<Played> {
  const { act, bound, folder } = plan;
  const remarks: string[] = [];
  let stage: Stage | null = null;
  let report: ActReport;
  try {
    stage = { ...(await open()), remark: (words) => void remarks.push(words) };
    await act.before?.(stage);
    const played = await playWatched(stage, plan);
    report = { ...played, notes: [...remarks, ...played.notes] };
  } catch (error) {
    report = neverPlayed(act, bound, wordsOf(error));
  }
  if (stage !== null && folder !== undefined && !report.result.held) {
    await keepEvidence(stage.group, folder);
  }
  return { report, stage };
}

async function playWatched(stage: Stage, { act, bound, folder }: Plan): Promise<ActReport> {
  const logs = act.handsOver ? await followLogs(stage.cluster, stage.group) : null;
  const report = await runAct(stage, { ...act, bound }, CALM_MS);
  if (logs === null) return report;
  const said = await logs.end();
  if (!report.result.held && folder !== undefined) await keepLogs(said, folder);
  const handOvers = handOversIn(said);
  const states = await stage.states().catch(() => []);
  return { ...report, notes: [...handOverLines(handOvers, states), ...report.notes] };
}

function neverPlayed({ name }: Act, bound: Bound, why: string): ActReport {
  const nothing = { writeGapMs: 0, clientErrors: 0, acknowledged: 0, lost: 0, maxWritable: 0 };
  return { result: judge({ name, ...nothing }, bound, false), notes: [why] };
}

function broken({ result, notes }: ActReport, problems: readonly string[]): ActReport {
  const held = result.held && problems.length === 0;
  return { result: { ...result, held }, notes: [...notes, ...problems] };
}

/** Does all steps, whatever becomes of them. */
async function problemsOf(
  ...steps: readonly (() => Promise<unknown>)[]
): Promise<readonly string[]> {
  const problems: string[] = [];
  for (const step of steps) {
    await step().catch((error: unknown) => problems.push(wordsOf(error)));
  }
  return problems;
}

function wordsOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function linesOf({ result, notes }: ActReport): readonly string[] {
  const { held, writeGapMs, clientErrors, acknowledged, lost, maxWritable } = result;
  const gap = `${held ? "held" : "NOT HELD"}: write gap ${formatMs(writeGapMs)}`;
  const counts = `${clientErrors} client errors, ${acknowledged} writes, ${lost} lost`;
  return [`${gap}, ${counts}, ${maxWritable} writable at once`, ...readsOf(result), ...notes];
}

function readsOf({ reads }: Result): readonly string[] {
  if (reads === undefined) return [];
  const { gapMs, errors, repeated, oldestMs } = reads;
  return [
    `reads: a reader waited ${formatMs(gapMs)} at most, ${errors} errors, ${repeated} of them in ` +
      `a row, the oldest answer was ${formatMs(oldestMs)} old`,
  ];
}
