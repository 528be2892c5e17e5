/**
 * Row 27 on a real group: three members with real Redis and real sidecars against the fake
 * Kubernetes API, 200 jobs of BullMQ a second, and ten failovers of eight kinds. No job that was
 * acknowledged may be lost, none that was said to be not applied may be done, no worker may stand
 * idle for good.
 *
 * The group is as the demo's: append-only file each second, replication asynchronous, no
 * `min-replicas-to-write`. So a job that is acknowledged when its primary dies may be lost in
 * principle; what was seen is printed.
 *
 * Bounds: by push a job is done within two seconds of the word of a new leader; by the Service
 * alone within fifteen of the fault, the group's own time to elect included.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { startBalancer } from "@leasehold/testkit/balancer";
import { startGroup, whole, type Group } from "@leasehold/testkit/group";
import {
  createLeasehold,
  serviceTopology,
  statusTopology,
  type Leasehold,
  type TopologyProvider,
} from "../../src/index.ts";
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
  /** From the word of a new leader to the next job done; null: there was none. */
  readonly resumedMs: number | null;
  readonly added: number;
  readonly notApplied: number;
  readonly unknown: number;
}

/** How the client learns of a change. */
export type Way = "push" | "services";

const BOUNDS: Readonly<Record<Way, { readonly of: "resumedMs" | "idleMs"; readonly ms: number }>> =
  {
    push: { of: "resumedMs", ms: 2_000 },
    services: { of: "idleMs", ms: 15_000 },
  };

interface Source {
  readonly topology: TopologyProvider;
  close(): Promise<void>;
}

async function sourceOf(group: Group, way: Way): Promise<Source> {
  if (way === "push") {
    const endpoints = group.members.map(({ httpUrl }) => httpUrl);
    return { topology: statusTopology({ endpoints }), close: () => Promise.resolve() };
  }
  const balancer = await startBalancer({ host: "127.0.0.1", port: 0 });
  const lead = (): void => {
    const leader = group.currentLeader();
    balancer.setTarget(leader && { host: leader.realHost, port: leader.redisPort });
  };
  lead();
  const unfollow = group.api.objects.listen(lead);
  const topology = serviceTopology({ writer: `127.0.0.1:${balancer.address.port}` });
  const close = async (): Promise<void> => {
    unfollow();
    await balancer.close();
  };
  return { topology, close };
}

export async function playJobs(way: Way): Promise<Report> {
  const group = await startGroup({ members: 3, engine: ENGINE });
  let source: Source | null = null;
  try {
    await group.leader(20_000);
    source = await sourceOf(group, way);
    const client = createLeasehold({ topology: source.topology });
    const jobs = await startJobs(client);
    client.on("topologyChanged", ({ previous, current }) => {
      const isNewer =
        previous.epoch !== current.epoch || previous.generation !== current.generation;
      if (current.leader && isNewer) jobs.heard();
    });
    const rows: Row[] = [];
    await ready(group, client);
    for (const failover of FAILOVERS) {
      await sleep(CALM_MS);
      const leader = await group.leader(20_000);
      const before = jobs.counts();
      jobs.idleMs();
      jobs.resumedMs();
      const repair = await failover.play(group, leader);
      await jobs.goOn(IDLE_MS);
      const after = jobs.counts();
      const row = {
        failover: failover.name,
        isPlanned: failover.isPlanned,
        idleMs: jobs.idleMs(),
        resumedMs: jobs.resumedMs(),
        added: after.acknowledged - before.acknowledged,
        notApplied: after.notApplied - before.notApplied,
        unknown: after.unknown - before.unknown,
      };
      rows.push(row);
      console.error(cellsOf(row).join("  "));
      repair();
      await ready(group, client);
    }
    const report = await finish(jobs, rows, way);
    await client.close();
    return report;
  } finally {
    await source?.close();
    await group.close();
  }
}

/** Nobody may be handed the lead before, and the client has to know who has it. */
async function ready(group: Group, client: Leasehold): Promise<void> {
  const leader = await whole(group, WHOLE_MS);
  // By its name, or as it calls itself behind a Service.
  const names = [leader.name, `${leader.realHost}:${leader.redisPort}`];
  await until(() => names.includes(client.topology.leader?.id ?? ""), WHOLE_MS);
}

function cellsOf({ failover, idleMs, resumedMs, added, notApplied, unknown }: Row): string[] {
  const times = [idleMs, resumedMs].map((ms) => (ms === null ? "–" : `${Math.round(ms)} ms`));
  return [failover, ...times, ...[added, notApplied, unknown].map(String)];
}

async function finish(jobs: Jobs, rows: readonly Row[], way: Way): Promise<Report> {
  const end = await jobs.finish(DRAIN_MS);
  const columns = ["failover", "longest time without a job done", "from word to job"];
  const counts = ["adds acknowledged", "not applied", "unknown"];
  const table = markdown([...columns, ...counts], rows.map(cellsOf));
  const words =
    `${end.added} adds: ${end.acknowledged} acknowledged, ${end.notApplied} not applied, ` +
    `${end.unknown} unknown (${end.unknownDone} of them done)\n` +
    `${end.done} jobs done, ${end.lost} acknowledged ones lost, ${end.twice} done twice, ` +
    `${end.ghosts} done though "not applied", ${end.idleWorkers} workers idle at the end, ` +
    `a worker's longest pause ${Math.round(end.longestPauseMs)} ms`;
  const broken = (["lost", "ghosts", "idleWorkers"] as const)
    .filter((what) => end[what] > 0)
    .map((what) => `${what}: ${end[what]}`);
  const bound = BOUNDS[way];
  const late = rows
    .filter((row) => (row[bound.of] ?? 0) > bound.ms)
    .map(
      (row) => `${row.failover}: on after ${Math.round(row[bound.of] ?? 0)} ms, not ${bound.ms}`,
    );
  return {
    rows: [...rows, end],
    text: `${table}\n\n${words}`,
    broken: [...broken, ...late],
  };
}
