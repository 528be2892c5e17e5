/**
 * `/metrics`: what the core knows, read at each scrape, and counts of what was done.
 *
 * The lists below are the documentation: `METRICS` is what `docs/metrics.md` is made of. Label
 * values are closed sets (reasons, kinds, member names). Looking on never changes a decision.
 */
import { Counter, Gauge, Histogram, Registry } from "prom-client";
import type { Action, MemberEventBody, MemberStatus, RedisUsage } from "@leasehold/replication";
import { currentTopology, type TopologySource } from "./http/public-server.ts";
import type { RuntimeObserver } from "./runtime-ports.ts";
import type { UpkeepView } from "./upkeep.ts";
import type { VolumeUsage } from "./volume.ts";

export interface MetricDescription {
  readonly name: string;
  readonly type: "gauge" | "counter" | "histogram";
  readonly labels: readonly string[];
  readonly help: string;
}

interface GaugeDescription extends MetricDescription {
  readonly read: (status: MemberStatus) => number;
}

function gauge(name: string, help: string, read: GaugeDescription["read"]): GaugeDescription {
  return { name: `leasehold_${name}`, type: "gauge", labels: [], help, read };
}

const flag = (holds: boolean): number => (holds ? 1 : 0);

const GAUGES: readonly GaugeDescription[] = [
  gauge("epoch", "Highest epoch this member knows of.", (s) => s.epoch),
  gauge("member_writable", "1: promoted, published and open for writes.", (s) => flag(s.writable)),
  gauge("member_ready", "1: may be read, as /probe/ready says.", (s) => flag(s.ready)),
  gauge("member_in_sync", "1: this replica is in sync with the holder.", (s) => flag(s.inSync)),
  gauge("lease_held", "1: this member holds the Lease.", (s) => flag(s.holdsLease)),
  gauge("lease_valid_seconds", "Time left of the right to lead.", (s) => s.validMs / 1_000),
  gauge("paused", "1: automatic changes of leader are switched off.", (s) => flag(s.paused)),
  gauge("failsafe_active", "1: leads by promises of the members.", (s) => flag(s.failsafe)),
  gauge("redis_up", "1: Redis answers.", (s) => flag(s.redis !== null)),
  gauge("redis_loading", "1: Redis loads its data.", (s) => flag(s.redis?.loading ?? false)),
  gauge("redis_aof_write_ok", "0: the last write to disk failed.", (s) =>
    flag(s.redis?.diskOk ?? true),
  ),
  gauge("replication_offset_bytes", "Offset of this Redis.", (s) => s.redis?.offset ?? 0),
  gauge("replication_link_up", "1: the link to the primary is up.", (s) =>
    flag(s.redis?.linkUp ?? false),
  ),
  gauge("replication_syncing", "1: a full sync is under way.", (s) =>
    flag(s.redis?.syncing ?? false),
  ),
  gauge("cold_start_undecided", "1: waits for members that may know more.", (s) =>
    flag(s.trouble?.startsWith("undecided") ?? false),
  ),
  gauge(
    "connected_replicas",
    "Replicas connected to this Redis.",
    (s) => s.redis?.connectedReplicas ?? 0,
  ),
];

/** Absent while Redis does not answer: 0 would be a measurement. */
const USAGE = {
  memoryBytes: describe("redis_memory_used_bytes", "gauge", [], "Memory that Redis has taken."),
  maxMemoryBytes: describe("redis_memory_max_bytes", "gauge", [], "`maxmemory`; 0: no limit."),
  clients: describe("redis_connected_clients", "gauge", [], "Clients connected to this Redis."),
  commands: describe("redis_commands_total", "counter", [], "Commands since Redis began."),
  evictedKeys: describe("redis_evicted_keys_total", "counter", [], "Keys given up for memory."),
} as const satisfies Record<keyof RedisUsage, MetricDescription>;

const VOLUME = {
  sizeBytes: describe("volume_size_bytes", "gauge", [], "Size of the file system of /data."),
  freeBytes: describe("volume_free_bytes", "gauge", [], "What is free of it for Redis."),
} as const satisfies Record<keyof VolumeUsage, MetricDescription>;

const LABELLED = {
  info: describe("info", "gauge", ["engine_version"], "Always 1."),
  role: describe("member_role", "gauge", ["role"], "1 for the role that Redis has."),
  leader: describe("leader", "gauge", ["identity"], "1 for the holder of the Lease."),
  members: describe("members", "gauge", ["state"], "Members by state, as seen from here."),
  addressHere: describe("write_address_here", "gauge", [], "1: the write address leads here."),
  candidates: describe("candidates", "gauge", [], "Members fit for promotion, as seen from here."),
  lag: describe("replication_lag_bytes", "gauge", ["replica"], "Bytes behind the leader."),
  loopLag: describe("loop_lag_seconds", "gauge", [], "Greatest lateness since the last scrape."),
  changes: describe("leader_changes_total", "counter", ["kind", "reason"], "Leader changes."),
  promotions: describe("promotions_total", "counter", [], "Times that this member began to lead."),
  refused: describe("switchovers_refused_total", "counter", ["reason"], "Refused or aborted."),
  fences: describe("fences_total", "counter", ["reason"], "Demotions that cut clients."),
  strays: describe("stray_writer_cuts_total", "counter", [], "Cuts of who wrote to a replica."),
  kills: describe("watchdog_kills_total", "counter", [], "Kills of Redis by the guard."),
  slices: describe("endpointslice_writes_total", "counter", ["result"], "Writes of the slice."),
  repairs: describe("endpointslice_repairs_total", "counter", [], "Slices put right."),
  renewErrors: describe("lease_renew_errors_total", "counter", ["reason"], "Refused or unknown."),
  lostBytes: describe("failover_lost_bytes_max", "gauge", [], "Upper bound at the last failover."),
  generation: describe(
    ...(["credentials_generation", "gauge"] as const),
    ...([["user"], "Counts the changes of a user's password that this member has taken."] as const),
  ),
  inSync: describe("credentials_in_sync", "gauge", [], "1: all members use the same passwords."),
  expiry: describe(
    ...(["certificate_expiry_timestamp_seconds", "gauge"] as const),
    ...([[], "When the certificate in use, or one that it rests on, expires."] as const),
  ),
  pending: describe("config_pending_restart", "gauge", [], "1: settings wait for a restart."),
  rights: describe("missing_rights", "gauge", [], "Rights that a promotion needs and lacks."),
  renew: describe("lease_renew_duration_seconds", "histogram", [], "From send to answer."),
} as const;

export const METRICS: readonly MetricDescription[] = [
  ...GAUGES,
  ...[LABELLED, USAGE, VOLUME].flatMap((table) => Object.values<MetricDescription>(table)),
];

export interface Metrics {
  readonly observer: Pick<RuntimeObserver, "acted" | "handled" | "lagged">;
  render(
    source: TopologySource,
    upkeep: UpkeepView,
    volume: VolumeUsage | null,
  ): Promise<{ readonly contentType: string; readonly text: string }>;
}

export function createMetrics(): Metrics {
  const registry = new Registry();
  const gauges = GAUGES.map((description) => ({
    description,
    metric: makeGauge(registry, description),
  }));
  const labelled = makeLabelled(registry);
  const usage = makeMeasured(registry, USAGE);
  const space = makeMeasured(registry, VOLUME);
  const observer = createObserver(labelled);
  return {
    observer,
    async render(source, upkeep, volume) {
      const status = source.status();
      for (const { description, metric } of gauges) metric.set(description.read(status));
      setLabelled(labelled, source);
      setUpkeep(labelled, upkeep);
      usage(status.redis?.usage ?? null);
      space(volume);
      const text = await registry.metrics();
      observer.scraped();
      return { contentType: registry.contentType, text };
    },
  };
}

type Labelled = ReturnType<typeof makeLabelled>;

/** The type is what the table says: written out it would be said twice. */
function makeLabelled(registry: Registry) {
  const counter = (d: MetricDescription): Counter =>
    new Counter({ name: d.name, help: d.help, labelNames: [...d.labels], registers: [registry] });
  const buckets = [0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 4];
  return {
    info: makeGauge(registry, LABELLED.info),
    role: makeGauge(registry, LABELLED.role),
    leader: makeGauge(registry, LABELLED.leader),
    members: makeGauge(registry, LABELLED.members),
    addressHere: makeGauge(registry, LABELLED.addressHere),
    candidates: makeGauge(registry, LABELLED.candidates),
    lag: makeGauge(registry, LABELLED.lag),
    loopLag: makeGauge(registry, LABELLED.loopLag),
    lostBytes: makeGauge(registry, LABELLED.lostBytes),
    generation: makeGauge(registry, LABELLED.generation),
    inSync: makeGauge(registry, LABELLED.inSync),
    expiry: makeGauge(registry, LABELLED.expiry),
    pending: makeGauge(registry, LABELLED.pending),
    rights: makeGauge(registry, LABELLED.rights),
    changes: counter(LABELLED.changes),
    promotions: counter(LABELLED.promotions),
    refused: counter(LABELLED.refused),
    fences: counter(LABELLED.fences),
    strays: counter(LABELLED.strays),
    kills: counter(LABELLED.kills),
    slices: counter(LABELLED.slices),
    repairs: counter(LABELLED.repairs),
    renewErrors: counter(LABELLED.renewErrors),
    renew: new Histogram({
      name: LABELLED.renew.name,
      help: LABELLED.renew.help,
      buckets,
      registers: [registry],
    }),
  };
}

/** Numbers that are measured elsewhere, or not at all: their metrics come and go with them. */
function makeMeasured<K extends string>(
  registry: Registry,
  table: Readonly<Record<K, MetricDescription>>,
): (values: Readonly<Record<K, number>> | null) => void {
  const entries = Object.entries<MetricDescription>(table).map(([key, d]) => {
    const options = { name: d.name, help: d.help, registers: [registry] };
    return [key as K, d.type === "counter" ? new Counter(options) : new Gauge(options)] as const;
  });
  return (values) => {
    for (const [key, metric] of entries) {
      metric.remove();
      if (values) metric.inc(values[key]);
    }
  };
}

function makeGauge(registry: Registry, d: MetricDescription): Gauge {
  return new Gauge({
    name: d.name,
    help: d.help,
    labelNames: [...d.labels],
    registers: [registry],
  });
}

function describe(
  name: string,
  type: MetricDescription["type"],
  ...[labels, help]: [readonly string[], string]
): MetricDescription {
  return { name: `leasehold_${name}`, type, labels, help };
}

function setLabelled(metrics: Labelled, source: TopologySource): void {
  const status = source.status();
  const { nodes } = currentTopology(source);
  for (const metric of [metrics.info, metrics.role, metrics.leader, metrics.members, metrics.lag]) {
    metric.reset();
  }
  metrics.info.set({ engine_version: status.redis?.version ?? "" }, 1);
  for (const role of ["primary", "replica"]) {
    metrics.role.set({ role }, flag(status.redis?.role === role));
  }
  if (status.holder !== null) metrics.leader.set({ identity: status.holder }, 1);
  for (const state of ["up", "loading", "down"]) {
    metrics.members.set({ state }, nodes.filter((node) => node.state === state).length);
  }
  const { host, port } = source.report().address;
  const { address } = status.slice ?? { address: null };
  metrics.addressHere.set(flag(address?.host === host && address.port === port));
  metrics.candidates.set(nodes.filter((node) => node.ineligible === null).length);
  for (const node of nodes) {
    if (node.lagBytes !== null) metrics.lag.set({ replica: node.id }, node.lagBytes);
  }
}

/** What is not in use has no value: no alert may come of it. */
function setUpkeep(metrics: Labelled, upkeep: UpkeepView): void {
  const { rotation, certificateExpiresAtMs } = upkeep;
  metrics.pending.set(flag(upkeep.restartPending));
  metrics.rights.set(upkeep.missingRights.length);
  metrics.generation.reset();
  metrics.inSync.remove();
  metrics.expiry.remove();
  for (const [user, generation] of rotation?.generations ?? []) {
    metrics.generation.set({ user }, generation);
  }
  if (rotation) metrics.inSync.set(flag(rotation.inSync));
  if (certificateExpiresAtMs !== null) metrics.expiry.set(certificateExpiresAtMs / 1_000);
}

/** Renewals of unknown outcome are forgotten after this many: their answers never come. */
const MAX_OPEN_RENEWALS = 16;

function createObserver(metrics: Labelled): Metrics["observer"] & { scraped(): void } {
  const sent = new Map<number, number>();
  let lastKill = "";
  let greatestLagMs = 0;
  return {
    acted(action) {
      if (action.type === "announce") countAnnouncement(metrics, action);
      if (action.type === "writeSlice" && action.reason === "repairSlice") metrics.repairs.inc();
      if (action.type === "redisRole" && isFence(action)) {
        metrics.fences.inc({ reason: action.reason });
      }
      if (action.reason === "strayWriters") metrics.strays.inc();
      if (action.type !== "writeLease") return;
      sent.set(action.seq, performance.now());
      const [oldest] = sent.keys();
      if (sent.size > MAX_OPEN_RENEWALS && oldest !== undefined) sent.delete(oldest);
    },
    handled(event) {
      if (event.type === "sliceWritten") metrics.slices.inc({ result: event.outcome.kind });
      if (event.type === "leaseWritten") countRenewal(metrics, event, sent);
      if (event.type !== "guardObserved" || event.guard.state !== "killed") return;
      const kill = `${event.guard.bootId} ${event.guard.pid}`;
      if (kill !== lastKill) metrics.kills.inc();
      lastKill = kill;
    },
    lagged(lagMs) {
      greatestLagMs = Math.max(greatestLagMs, lagMs);
      metrics.loopLag.set(greatestLagMs / 1_000);
    },
    scraped() {
      greatestLagMs = 0;
      metrics.loopLag.set(0);
    },
  };
}

function isFence(action: Extract<Action, { readonly type: "redisRole" }>): boolean {
  return action.command.kind === "demote" && action.command.cutClients;
}

function countAnnouncement(
  metrics: Labelled,
  action: Extract<Action, { readonly type: "announce" }>,
): void {
  const { reason, change } = action;
  if (reason === "switchoverRefused" || reason === "switchoverAborted") {
    metrics.refused.inc({ reason });
  }
  if (!change) return;
  metrics.promotions.inc();
  metrics.changes.inc({ kind: change.kind, reason });
  if (change.kind === "failover") metrics.lostBytes.set(change.lostBytesMax ?? -1);
}

function countRenewal(
  metrics: Labelled,
  event: Extract<MemberEventBody, { readonly type: "leaseWritten" }>,
  sent: Map<number, number>,
): void {
  const sentMs = sent.get(event.seq);
  sent.delete(event.seq);
  if (event.outcome.kind !== "committed") metrics.renewErrors.inc({ reason: event.outcome.kind });
  else if (sentMs !== undefined) metrics.renew.observe((performance.now() - sentMs) / 1_000);
}
