/** Plays acts one after the other and says what each did to the clients. */
import { join } from "node:path";
import type { Cluster } from "@leasehold/cluster";
import { runAct, type ActReport } from "@leasehold/testkit/acts";
import { formatMs, type Result } from "@leasehold/testkit/result";
import type { Act } from "./acts/index.ts";
import { keepEvidence } from "./evidence.ts";
import { openStage, type Stage } from "./stage.ts";

export interface Play {
  readonly stage: Stage;
  /** Never throws for a broken group; heals the cluster at the end. */
  act(act: Act): Promise<ActReport>;
}

const RELEASE = { namespace: "shop", release: "orders" } as const;
/** Longer than on loopback: kube-proxy of every node has to be at rest. */
const CALM_MS = 1500;

export interface PlayOptions {
  readonly say: (line: string) => void;
  /** Where to put what is worth reading after an act that was not held. Default: nowhere. */
  readonly evidence?: string | undefined;
}

/** Installs the chart, and writers on every node. */
export async function openPlay(cluster: Cluster, { say, evidence }: PlayOptions): Promise<Play> {
  say("installing the chart without values, and the writers");
  const stage = await openStage(cluster, RELEASE);
  let played = 0;
  return {
    stage,
    async act(act) {
      say(act.title);
      await act.before?.(stage);
      const report = await runAct(stage, act, CALM_MS);
      played += 1;
      if (!report.result.held && evidence !== undefined) {
        await keepEvidence(stage.group, join(evidence, `${played}-${act.name}`));
      }
      await act.after?.(stage);
      if (cluster.canInjectFaults) await cluster.healAll();
      for (const line of linesOf(report)) say(`  ${line}`);
      return report;
    },
  };
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
