/**
 * Puts one sidecar together, in the order that docs/protocol.md section 2 asks for: the members'
 * port first (a frozen predecessor still holds it), then what the predecessor left, then Redis,
 * the API and the others.
 *
 * Wires only: what is decided is decided in @leasehold/replication, what is done in runtime.ts.
 */
import { randomBytes, randomInt } from "node:crypto";
import { join } from "node:path";
import {
  createApiClient,
  createControlAnswers,
  createGroupWatcher,
  createJournal,
  createLeaseStore,
  createPodLabel,
  createSliceStore,
  rehearseWrites,
  type ApiClient,
  type ClusterAccess,
  type Journal,
  type PodLabel,
} from "@leasehold/kubernetes";
import { createRedisServer } from "@leasehold/redis";
import { formatIdentity, type HandoverQuestion, type MemberName } from "@leasehold/election";
import type {
  GroupWatcher,
  MemberConfig,
  MemberReport,
  MemberStatus,
  Peer,
  PodsObservation,
  RedisServer,
  StartFacts,
} from "@leasehold/replication";
import type { Secrets } from "./auth/secrets.ts";
import type { OffsetReply } from "./await-offset.ts";
import { withDeadline } from "./bounded.ts";
import { openClock, type Clock } from "./clock.ts";
import { DEADLINES_MS, PROBE_INTERVAL_MS } from "./deadlines.ts";
import { openRecordFile, type RecordFile } from "./files/record-file.ts";
import { openRunDirectory, type RunDirectory } from "./files/run-directory.ts";
import { createGroupReports } from "./http/group-reports.ts";
import { createPublicServer, currentTopology, type PublicView } from "./http/public-server.ts";
import { createTopologyStream } from "./http/topology-stream.ts";
import { listenPatiently } from "./listen.ts";
import type { Log } from "./log.ts";
import { createMetrics } from "./metrics.ts";
import { createPeerClient, type PeerClient } from "./peers/peer-client.ts";
import { createPeerServer } from "./peers/peer-server.ts";
import { tellOfChange, type PlannedChange } from "./planned-change.ts";
import { watchRedis, type RedisWatch } from "./redis-watch.ts";
import { followRole } from "./role-label.ts";
import { createRuntime, type Runtime } from "./runtime.ts";
import type { RuntimeEnd, RuntimeObserver, RuntimePorts } from "./runtime-ports.ts";
import { createSentinelPort, type SentinelPort } from "./sentinel/server.ts";
import { openSource, type Source } from "./source/source.ts";
import { memberConfig, ordinalOf, socketPath } from "./settings/member-config.ts";
import { podIpsOf } from "./settings/pod-ips.ts";
import type { Settings } from "./settings/schema.ts";
import type { SettingsOutcome } from "./settings/settings.ts";
import { openUpkeep, type Upkeep } from "./upkeep.ts";
import { openVolume } from "./volume.ts";

export interface SidecarParts {
  readonly settings: Settings;
  readonly secrets: Secrets;
  readonly access: ClusterAccess;
  /** The settings as they are mounted now. */
  readonly reload: () => Promise<SettingsOutcome>;
  readonly log: Log;
  readonly end: (end: RuntimeEnd) => void;
}

export interface Sidecar {
  /** SIGTERM came. */
  terminate(): void;
  /** Ends all it started. Writes what the journal still holds, for a short time. */
  close(): Promise<void>;
}

const JOURNAL_CLOSE_MS = 1_500;
const DRAWS = 2 ** 32;
const ANY_ADDRESS = new Set(["::", "0.0.0.0"]);

export async function startSidecar(parts: SidecarParts): Promise<Sidecar> {
  const { settings, log } = parts;
  const clock = openClock();
  let upkeep: Upkeep | null = null;
  const keys = (): readonly Buffer[] => upkeep?.keyring.peerKeys() ?? [parts.secrets.peerKey];
  const peerServer = createPeerServer({ keys, member: settings.member.name });
  await listenPatiently(peerServer.server, settings.peers, DEADLINES_MS.predecessor);

  const run = openRunDirectory(settings.directories.run, clock);
  upkeep = await openUpkeep(parts);
  const recordPath = join(settings.directories.data, "leasehold", "member.json");
  const record = openRecordFile(recordPath, (words) => log.error(words));
  const start = await findStart({ settings, clock, run, record });

  const source = await openSource(settings, log);
  const config = memberConfig(settings, source?.address ?? null);
  const wired = wire({ ...parts, clock, upkeep, run, record, start, config, source });
  peerServer.answer({
    report: () => wired.freshReport(),
    offset: (handover) => answerOffset(wired, handover),
    hint: () => wired.runtime.dispatch({ type: "leaseChanged", lease: null }),
    promise: (request) => wired.runtime.promise(request),
    credentials: () => wired.upkeep.credentials(),
    changing: (notice) => wired.view.stream.leaderChanging(notice),
  });
  const publicServer = createPublicServer(wired.view);
  await listenPatiently(publicServer, settings.http, DEADLINES_MS.predecessor);
  const { sentinel } = wired;
  if (sentinel) {
    // A port for a few clients: no member stands still for it.
    listenPatiently(sentinel.server, settings.sentinel, DEADLINES_MS.predecessor).catch(
      (error: unknown) => log.error({ error: String(error) }, "nobody answers clients of Sentinel"),
    );
  }
  return {
    terminate: () => wired.runtime.dispatch({ type: "terminate" }),
    async close() {
      peerServer.server.close();
      publicServer.close();
      sentinel?.close();
      source?.close();
      await wired.close();
      peerServer.server.closeAllConnections();
      publicServer.closeAllConnections();
    },
  };
}

async function answerOffset(
  { redis, runtime }: Wired,
  handover: HandoverQuestion | null,
): Promise<OffsetReply> {
  const [offset, accepted] = await Promise.all([
    redis.offset(DEADLINES_MS.ownOffset),
    handover === null ? null : runtime.acceptsHandover(handover),
  ]);
  return { offset, accepted };
}

interface Found {
  readonly settings: Settings;
  readonly clock: Clock;
  readonly run: RunDirectory;
  readonly record: RecordFile;
}

/** What this process is, and what its predecessor left. */
async function findStart({ settings, clock, run, record }: Found): Promise<StartFacts> {
  const { member, announce, redis, peers } = settings;
  return {
    at: clock(),
    member: member.name,
    podUid: member.podUid,
    nonce: randomBytes(6).toString("hex"),
    ordinal: ordinalOf(member.name),
    address: { host: announce.host || member.host, port: announce.port ?? redis.port },
    peerPort: peers.port,
    revision: member.revision,
    record: await withDeadline(record.read(), DEADLINES_MS.recordRead),
    permit: run.readPermit(),
    guard: run.readGuard(),
  };
}

interface Wiring extends SidecarParts {
  readonly clock: Clock;
  readonly upkeep: Upkeep;
  readonly run: RunDirectory;
  readonly record: RecordFile;
  readonly start: StartFacts;
  readonly config: MemberConfig;
  readonly source: Source | null;
}

interface Wired {
  readonly runtime: Runtime;
  readonly upkeep: Upkeep;
  freshReport(): Promise<MemberReport>;
  readonly redis: RedisServer;
  readonly view: PublicView;
  /** Null: nobody asked for it. */
  readonly sentinel: SentinelPort | null;
  close(): Promise<void>;
}

function wire(wiring: Wiring): Wired {
  const { settings, start, config, clock, log, run, record, upkeep } = wiring;
  const { group, namespace } = settings;
  const adapters = createAdapters(wiring);
  const { client, redis, peers, journal } = adapters;
  const metrics = createMetrics();
  const volume = openVolume(wiring.settings.directories.data);
  const reports = createGroupReports(peers, () => watches.others() ?? []);
  const stream = createTopologyStream(start.nonce, {
    current: () => currentTopology(view),
    refresh: () => reports.refresh(),
  });
  const change: PlannedChange = {
    identity: formatIdentity({ ...start, pod: start.member }),
    status: () => runtime.status(),
    others: () => watches.others() ?? [],
    peers,
    tell: (notice) => stream.leaderChanging(notice),
  };
  const observer: RuntimeObserver = {
    ...metrics.observer,
    acted(action) {
      metrics.observer.acted(action);
      tellOfChange(action, change);
    },
    handled(event) {
      metrics.observer.handled(event);
      // A role that was just changed is looked at now, not at the next question.
      if (event.type === "redisRoleDone") watches.redis.nudge();
    },
    turned() {
      stream.turned();
      sentinel?.turned();
    },
  };
  const runtime = createRuntime({
    start,
    config,
    ports: { ...adapters, clock, draw, log, run, record, observer, end: wiring.end },
  });
  const view: PublicView = {
    group,
    namespace,
    status: () => runtime.status(),
    report: () => runtime.report(),
    reports,
    isLive: () => runtime.idleMs() < 2 * config.leaseDurationMs,
    metrics: async () => metrics.render(view, upkeep.view(), await volume.usage()),
    stream,
  };
  const sentinel = settings.sentinel.enabled
    ? createSentinelPort({
        ...settings.sentinel,
        view: { current: () => currentTopology(view), refresh: () => reports.refresh() },
      })
    : null;
  const watches = watchEverything(runtime, { ...adapters, run, self: start.member });
  upkeep.start({
    peers,
    others: () => watches.others(),
    rehearse: () => rehearseWrites(client, group, DEADLINES_MS.rehearsal),
    isCalm: () => isCalm(runtime.status()),
    announce(reason, words) {
      const { epoch } = runtime.status();
      log.info({ reason, epoch }, words);
      journal.announce({ reason, epoch, words, change: null });
    },
  });
  const stopLabel = settings.roleLabels.enabled
    ? followRole({ label: adapters.podLabel, status: () => runtime.status(), log })
    : () => undefined;
  runtime.dispatch({ type: "tick" });
  return {
    runtime,
    upkeep,
    async freshReport() {
      await watches.redis.refresh(DEADLINES_MS.freshProbe);
      return { ...runtime.report(), listeners: stream.listeners() };
    },
    redis,
    view,
    sentinel,
    async close() {
      runtime.stop();
      upkeep.stop();
      stopLabel();
      watches.stop();
      stream.close();
      peers.close();
      await Promise.all([journal.close(JOURNAL_CLOSE_MS), redis.close()]);
      client.close();
    },
  };
}

/** Leads, or follows who leads, and no change is going on that it has a part in. */
function isCalm({ writable, successor, holdsLease, inSync }: MemberStatus): boolean {
  return writable ? successor === null : inSync && !holdsLease;
}

/** A number in [0, 1) for the core's jitter. */
function draw(): number {
  return randomInt(DRAWS) / DRAWS;
}

interface Adapters extends Pick<
  RuntimePorts,
  "leases" | "slices" | "pods" | "control" | "redis" | "source"
> {
  readonly peers: PeerClient;
  readonly client: ApiClient;
  readonly journal: Journal;
  readonly podLabel: PodLabel;
  readonly watcher: GroupWatcher;
}

function createAdapters(wiring: Wiring): Adapters {
  const { settings, access, start, config, upkeep, source } = wiring;
  const { group, namespace, member, peers } = settings;
  const client = createApiClient({ ...access, namespace });
  const pod = { name: member.name, uid: member.podUid, nodeName: member.nodeName || null };
  const podIps = podIpsOf({ ...member, host: start.address.host });
  const slices = createSliceStore({ client, group, pod, podIps });
  const ports = { redisPort: start.address.port, peerPort: peers.port };
  const watcher = createGroupWatcher({ client, group, ports, slices });
  return {
    client,
    slices,
    source,
    leases: createLeaseStore({ client, group, watchSilenceMs: 2.5 * config.renewIntervalMs }),
    pods: watcher,
    watcher,
    control: createControlAnswers({ client, group }),
    podLabel: createPodLabel({ client, pod }),
    journal: createJournal({ client, group, pod, restMs: DEADLINES_MS.afterHandover }),
    redis: createRedisServer({ socket: socketPath(settings), ...upkeep.keyring.login }),
    peers: createPeerClient({
      keys: () => upkeep.keyring.peerKeys(),
      localAddress: ANY_ADDRESS.has(peers.host) ? undefined : peers.host,
    }),
  };
}

interface Watches {
  readonly redis: RedisWatch;
  /** The other members that have an address; null: not known yet. */
  others(): readonly Peer[] | null;
  stop(): void;
}

/** Everything that tells the core something without having been asked. */
function watchEverything(
  runtime: Runtime,
  sources: Pick<Adapters, "leases" | "redis" | "watcher"> & {
    readonly run: RunDirectory;
    readonly self: MemberName;
  },
): Watches {
  let others: readonly Peer[] | null = null;
  const redis = watchRedis(sources.redis, {
    observe: (observation) => runtime.dispatch({ type: "redisObserved", observation }),
    intervalMs: () => probeIntervalMs(runtime.status()),
  });
  const stopLeases = sources.leases.watch((lease) =>
    runtime.dispatch({ type: "leaseChanged", lease }),
  );
  const stopRun = sources.run.watch({
    guard: (guard) => runtime.dispatch({ type: "guardObserved", guard }),
    stopRequested: () => runtime.dispatch({ type: "stopRequested" }),
  });
  sources.watcher.start({
    pods(pods) {
      others = othersOf(pods, sources.self);
      runtime.dispatch({ type: "podsObserved", pods });
    },
    slice: (slice) => runtime.dispatch({ type: "sliceObserved", slice }),
    control: (control) => runtime.dispatch({ type: "controlObserved", control }),
  });
  return {
    redis,
    others: () => others,
    stop() {
      redis.stop();
      stopLeases();
      stopRun();
      sources.watcher.stop();
    },
  };
}

function probeIntervalMs({ inSync, holdsLease }: MemberStatus): number {
  return inSync && !holdsLease ? PROBE_INTERVAL_MS.inSync : PROBE_INTERVAL_MS.else;
}

function othersOf({ pods }: PodsObservation, self: MemberName): readonly Peer[] {
  return pods.flatMap(({ member, address, peerPort }) =>
    member === self || !address ? [] : [{ member, host: address.host, peerPort }],
  );
}
