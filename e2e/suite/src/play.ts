/** Plays acts one after the other and says what each did to the clients. */
import type { Cluster } from "@leasehold/cluster";
import { runAct } from "@leasehold/testkit/acts";
import { formatMs, summarise, type Result } from "@leasehold/testkit/result";
import type { Act } from "./acts.ts";
import { openStage, type Stage } from "./stage.ts";

export interface Programme {
  readonly acts: readonly Act[];
  readonly runs: number;
  readonly say: (line: string) => void;
}

export interface Played {
  /** One per act over all runs. */
  readonly results: readonly Result[];
  /** Acts that this cluster cannot have. */
  readonly notRun: readonly string[];
}

const RELEASE = { namespace: "shop", release: "orders" } as const;

export async function play(cluster: Cluster, programme: Programme): Promise<Played> {
  const { acts, runs, say } = programme;
  const able = acts.filter((act) => cluster.canInjectFaults || !act.needsFaults);
  say("installing the chart without values, and the writers");
  const stage = await openStage(cluster, RELEASE);
  say("helm test");
  await stage.group.helmTest();
  const rows = new Map<Act, Result[]>(able.map((act) => [act, []]));
  for (let run = 1; run <= runs; run += 1) {
    for (const [index, act] of able.entries()) {
      say(`run ${run} of ${runs}, act ${index + 1} of ${able.length}: ${act.title}`);
      rows.get(act)?.push(await playOne(stage, act, say));
    }
  }
  return {
    results: [...rows].map(([act, results]) => summarise(results, act.bound)),
    notRun: acts.filter((act) => !able.includes(act)).map(({ name }) => name),
  };
}

async function playOne(stage: Stage, act: Act, say: Programme["say"]): Promise<Result> {
  const { result, notes } = await runAct(stage, act, CALM_MS);
  if (stage.cluster.canInjectFaults) await stage.cluster.healAll();
  say(
    `  ${result.held ? "held" : "NOT HELD"}: write gap ${formatMs(result.writeGapMs)}, ` +
      `${result.clientErrors} client errors, ${result.acknowledged} writes, ${result.lost} lost, ` +
      `${result.maxWritable} writable at once`,
  );
  for (const note of notes) say(`  ${note}`);
  return result;
}

/** Longer than on loopback: kube-proxy of every node has to be at rest. */
const CALM_MS = 1500;
