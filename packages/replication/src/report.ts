/** What a member says of itself: to its peers, and to whoever looks at its status page. */
import {
  boundLeftMs,
  leadsByPromise,
  recordOf,
  rightMs,
  waiterElapsedMs,
  type Instant,
} from "@leasehold/election";
import type { MemberConfig } from "./config.ts";
import { isSyncUnsaved } from "./drafts.ts";
import { ineligibility, isInSync, lacksListOnly } from "./members.ts";
import type { MemberReport, RedisInfo, SliceObservation } from "./observation.ts";
import {
  isGate,
  isReplicaForCertain,
  mayBeWritable,
  ownPosition,
  redisIsUp,
} from "./redis-view.ts";
import { isReadable } from "./readiness.ts";
import { awaitsSource, followsSource, hasHeir } from "./source-view.ts";
import type { MemberState } from "./state.ts";
import { podOf } from "./turn.ts";

export function reportOf(state: MemberState, at: Instant, config: MemberConfig): MemberReport {
  const { start, election, redis, record, lead, stop } = state;
  const { info } = redis;
  const upstream = info?.upstream ?? null;
  return {
    member: start.member,
    identity: election.me,
    podUid: start.podUid,
    address: start.address,
    epoch: Math.max(election.epochSeen, election.epochHeard),
    leads: lead !== null && rightMs(election, at) > 0,
    // Not before the lineage is published: who followed earlier would carry a replid that nobody
    // knows (U14).
    promoted: lead?.phase === "open",
    relays: followsSource(state, config),
    redis: redisWord(state),
    runId: info?.runId ?? null,
    replid: info?.replid ?? null,
    position: ownPosition(state),
    offset: info?.offset ?? 0,
    empty: isEmpty(state),
    inSync: isInSync(state, config),
    follows: info?.linkUp && !isGate(upstream) ? upstream : null,
    ineligible: ineligibility(state, config, at),
    coldStart: redis.coldStart,
    boundUntilMs: boundLeftMs(election.bound, at),
    apiAgeMs:
      election.answeredAt === null
        ? Number.MAX_SAFE_INTEGER
        : waiterElapsedMs(election.answeredAt, at),
    hasRecord: start.record !== null || record.saved !== null,
    recordMembers: record.saved?.members ?? [],
    recordEpoch: record.saved?.epoch ?? 0,
    lineage: state.lineage,
    terminating: stop !== null || (podOf(state, start.member)?.terminating ?? false),
    priority: config.priority,
    revision: start.revision,
    unlisted: lacksListOnly(state, config, at),
    unsaved: isSyncUnsaved(state, config.mode),
  };
}

/** As far as it was seen just now: a link that is up may have filled it since. */
function isEmpty(state: MemberState): boolean {
  const { data, info } = state.redis;
  if (data?.kind !== "empty" || !redisIsUp(state)) return false;
  return info !== null && !info.linkUp && !info.syncing;
}

function redisWord(state: MemberState): MemberReport["redis"] {
  const { redis } = state;
  if (redis.process === null || redis.dead || redis.silentSince !== null) return "down";
  if (redis.info === null || redis.info.loading || redis.data === null) return "loading";
  return redis.role.known === "demoted" && isGate(redis.info.upstream) ? "gated" : "up";
}

/** What `/v1/topology`, probes and metrics show. */
export interface MemberStatus {
  readonly epoch: number;
  readonly holder: string | null;
  readonly holdsLease: boolean;
  /** Milliseconds until the right to lead ends; 0: none. */
  readonly validMs: number;
  readonly permitUntilBootMs: number | null;
  /** Promoted, published and open for writes. */
  readonly writable: boolean;
  /** To whom it hands the lead over now; null: to nobody. */
  readonly successor: string | null;
  /** It holds the Lease, but its right to lead is over, and it hands over to nobody. */
  readonly isOver: boolean;
  readonly failsafe: boolean;
  readonly paused: boolean;
  readonly inSync: boolean;
  readonly ready: boolean;
  readonly phase: string;
  /** In words, why there is no leader or no candidate; null: all well. */
  readonly trouble: string | null;
  readonly redis: RedisInfo | null;
  readonly members: readonly string[];
  readonly slice: SliceObservation | null;
  readonly peers: readonly MemberReport[];
}

export function statusOf(state: MemberState, at: Instant, config: MemberConfig): MemberStatus {
  const { election, lead, handoff, redis, permit } = state;
  const record = recordOf(election.view);
  const validMs = rightMs(election, at);
  const inSync = isInSync(state, config);
  const writable = lead?.phase === "open" && validMs > 0 && redis.role.known === "primary";
  return {
    epoch: Math.max(election.epochSeen, record?.epoch ?? 0),
    holder: record?.holder ?? null,
    holdsLease: record?.holder === election.me,
    validMs,
    permitUntilBootMs: permit?.kind === "lead" ? permit.deadlineBootMs : null,
    writable,
    successor: handoff?.successor?.member ?? handoff?.to ?? null,
    isOver: record?.holder === election.me && validMs <= 0 && handoff === null,
    failsafe: leadsByPromise(election, at),
    paused: record?.paused ?? false,
    inSync,
    ready: writable || (lead === null && isReadable(state, at, config)),
    phase:
      sourcePhase(state, config) ?? phaseOf(state, lead?.phase ?? null, handoff?.phase ?? null),
    trouble: state.broken[0] ?? state.holdBack?.why ?? sourcePhase(state, config),
    redis: redis.info,
    members: Object.keys(record?.members ?? {}),
    slice: state.slice.seen,
    peers: Object.values(state.peers)
      .filter((peer) => peer.answered && peer.report !== null)
      .map((peer) => peer.report as MemberReport),
  };
}

/** Of the holder of a group that moves in. */
function sourcePhase(state: MemberState, config: MemberConfig): string | null {
  if (state.lead === null || !awaitsSource(state, config)) return null;
  if (state.cutover !== null) return "cutting over from the source";
  if (!followsSource(state, config)) return "copies the source outside the group";
  const isReady = state.pods?.replicas === 1 || hasHeir(state, 0);
  const until = isReady ? ", until a cutover" : "; no other member has all of it yet";
  return `follows the source outside the group${until}`;
}

function phaseOf(state: MemberState, lead: string | null, handoff: string | null): string {
  if (handoff !== null) return `handing over: ${handoff}`;
  if (lead !== null) return lead === "open" ? "leading" : `taking the lead: ${lead}`;
  if (mayBeWritable(state) && !isReplicaForCertain(state.redis.role)) return "stopping writes";
  return redisIsUp(state) ? "following" : "waiting for Redis";
}
