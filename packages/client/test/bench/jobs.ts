/**
 * Row 27 on a real group: three members with real Redis and real sidecars against the fake
 * Kubernetes API, 200 jobs of BullMQ a second, and ten failovers of eight kinds. No job that was
 * acknowledged may be lost, none that was said to be not applied may be done, no worker may stand
 * idle for good.
 *
 * The group is as the demo's: append-only file each second, replication asynchronous, no
 * `min-replicas-to-write`. So a job that is acknowledged when its primary dies may be lost in
 * principle; what was seen is printed.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { startGroup, whole, type Group } from "@leasehold/testkit/group";
import { createLeasehold, statusTopology, type Leasehold } from "../../src/index.ts";
import { ENGINE, until } from "../process/real-redis.ts";
import { FAILOVERS } from "./faults-of-a-group.ts";
import { startJobs, type Jobs } from "./job-load.ts";
import { markdown, type Report } from "./report.ts";

const WHOLE_MS = 60_000;
const CALM_MS = 2_000;
const DRAIN_MS = 60_000;
/** A job that was under way may run again once it counts as stalled. */
const IDLE_MS = 20_000;

interface Row {
  readonly failover: string;
  readonly isPlanned: boolean;
  /** Longest time without a job done. */
  readonly idleMs: number;
  readonly added: number;
  readonly notApplied: number;
  readonly unknown: number;
}

export async function playJobs(): Promise<Report> {
  const group = await startGroup({ members: 3, engine: ENGINE });
  try {
    await group.leader(20_000);
    const endpoints = group.members.map(({ httpUrl }) => httpUrl);
    const client = createLeasehold({ topology: statusTopology({ endpoints }) });
    const jobs = await startJobs(client);
    const rows: Row[] = [];
    await ready(group, client);
    for (const failover of FAILOVERS) {
      await sleep(CALM_MS);
      const leader = await group.leader(20_000);
      const before = jobs.counts();
      jobs.idleMs();
      const repair = await failover.play(group, leader);
      await jobs.goOn(IDLE_MS);
      const after = jobs.counts();
      const row = {
        failover: failover.name,
        isPlanned: failover.isPlanned,
        idleMs: jobs.idleMs(),
        added: after.acknowledged - before.acknowledged,
        notApplied: after.notApplied - before.notApplied,
        unknown: after.unknown - before.unknown,
      };
      rows.push(row);
      console.error(cellsOf(row).join("  "));
      repair();
      await ready(group, client);
    }
    const report = await finish(jobs, rows);
    await client.close();
    return report;
  } finally {
    await group.close();
  }
}

/** Nobody may be handed the lead before, and the client has to know who has it. */
async function ready(group: Group, client: Leasehold): Promise<void> {
  const leader = await whole(group, WHOLE_MS);
  await until(() => client.topology.leader?.id === leader.name, WHOLE_MS);
}

function cellsOf({ failover, idleMs, added, notApplied, unknown }: Row): string[] {
  return [failover, `${Math.round(idleMs)} ms`, ...[added, notApplied, unknown].map(String)];
}

async function finish(jobs: Jobs, rows: readonly Row[]): Promise<Report> {
  const end = await jobs.finish(DRAIN_MS);
  const columns = ["failover", "longest time without a job done", "adds acknowledged"];
  const table = markdown([...columns, "not applied", "unknown"], rows.map(cellsOf));
  const words =
    `${end.added} adds: ${end.acknowledged} acknowledged, ${end.notApplied} not applied, ` +
    `${end.unknown} unknown (${end.unknownDone} of them done)\n` +
    `${end.done} jobs done, ${end.lost} acknowledged ones lost, ${end.twice} done twice, ` +
    `${end.ghosts} done though "not applied", ${end.idleWorkers} workers idle at the end, ` +
    `a worker's longest pause ${Math.round(end.longestPauseMs)} ms`;
  const broken = (["lost", "ghosts", "idleWorkers"] as const)
    .filter((what) => end[what] > 0)
    .map((what) => `${what}: ${end[what]}`);
  return { rows: [...rows, end], text: `${table}\n\n${words}`, broken };
}
