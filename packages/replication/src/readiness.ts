/**
 * Whether this member may be read: `/probe/ready`, and with it the read Service and the pace of a
 * rollout (docs/protocol.md, section 4.3).
 *
 * Guarantees: a Redis that was never in sync since it started is not ready, so that no rollout
 * passes it; nor is a replica without its link while the group has a leader. Who may lead is
 * decided elsewhere (members.ts).
 */
import { waiterElapsedMs, type Instant } from "@leasehold/election";
import type { MemberConfig } from "./config.ts";
import { isStale, lagBytes } from "./lag.ts";
import { isInSync, promotedHolder, reportFrom } from "./members.ts";
import { redisIsUp } from "./redis-view.ts";
import type { MemberState } from "./state.ts";
import { set, type Turn } from "./turn.ts";

/** Keeps which process was in sync, and since when it is not any more. */
export function noteSynced(turn: Turn): void {
  const { synced, redis } = turn.state;
  const runId = redis.process?.runId ?? null;
  if (isInSync(turn.state, turn.config)) {
    if (synced?.runId === runId && synced.lostAt === null) return;
    return set(turn, { synced: runId === null ? null : { runId, lostAt: null } });
  }
  if (synced === null || synced.lostAt !== null) return;
  set(turn, { synced: { ...synced, lostAt: turn.at } });
}

/** As a replica. Who leads is ready when its Redis takes writes. */
export function isReadable(state: MemberState, at: Instant, config: MemberConfig): boolean {
  if (!isInSync(state, config)) return hasCredit(state, at, config);
  return (lagBytes(state) ?? 0) <= config.read.maxLagBytes;
}

/** Without a leader nothing newer can be read anywhere, for a while. */
function hasCredit(state: MemberState, at: Instant, config: MemberConfig): boolean {
  const { synced, redis } = state;
  const { info, data } = redis;
  if (synced === null || synced.lostAt === null) return false;
  if (!redisIsUp(state) || info?.runId !== synced.runId || info.syncing) return false;
  if (data?.kind !== "live" || isStale(state, config)) return false;
  if (waiterElapsedMs(synced.lostAt, at) > config.read.maxStalenessMs) return false;
  return !hasLeader(state, config, synced.lostAt);
}

/** A promoted holder, by its own word; where it is silent, by a renewal since the link was lost. */
function hasLeader(state: MemberState, config: MemberConfig, lostAt: Instant): boolean {
  const holder = promotedHolder(state);
  if (holder === null) return false;
  const report = reportFrom(state, holder.member);
  if (report !== null) return report.promoted;
  const { view } = state.election;
  // The renewal of a moment ago may still have been on its way when its Redis died.
  const afterMs = view.kind === "present" ? waiterElapsedMs(lostAt, view.since) : 0;
  return afterMs > config.renewIntervalMs;
}
