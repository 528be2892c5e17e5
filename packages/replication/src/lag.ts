/**
 * How far the own copy is behind the leader's, in bytes and in time, by what the Lease tells of the
 * leader's position (docs/protocol.md, section 4.3).
 *
 * A link whose peer went silent stays up until Redis' `repl-timeout`, a minute. A position in the
 * Lease that this copy does not reach says so within seconds, and says it of this member alone: a
 * leader whose Redis hangs, is busy, paused or fenced moves no position, so that nobody lacks
 * anything. Without the API nothing new is told, and nobody becomes stale. Being stale decides
 * nothing about who may lead.
 */
import { recordOf, waiterElapsedMs, type LineageEntry, type Position } from "@leasehold/election";
import type { MemberConfig } from "./config.ts";
import { ownPosition } from "./redis-view.ts";
import type { MemberState } from "./state.ts";
import { set, type Turn } from "./turn.ts";

/** Kept in this many steps of D, so that a copy that trails for ever is seen to trail. */
const STEPS = 8;
const MISSED_MAX = 2 * STEPS;

/** Bytes behind the last position in the Lease; null: not known. */
export function lagBytes(state: MemberState): number | null {
  const position = ownPosition(state);
  const last = recordOf(state.election.view)?.position ?? null;
  return position === null || last === null ? null : lagBetween(position, last, state.lineage);
}

/** Within one stream of offsets exact; across a new stream at least what was written in that. */
function lagBetween(position: Position, last: Position, lineage: readonly LineageEntry[]): number {
  if (position.epoch > last.epoch) return 0;
  const newer = lineage.filter((one) => one.epoch > position.epoch && one.epoch <= last.epoch);
  const reset = newer.findLast((one) => one.parent === null);
  return last.offset - (reset === undefined ? position.offset : reset.startOffset);
}

/** Keeps since when this copy lacks which position of the leader's. */
export function noteMissed(turn: Turn): void {
  const { state, at, config } = turn;
  const last = recordOf(state.election.view)?.position ?? null;
  const own = ownPosition(state);
  if (last === null || own === null) return;
  const lacks = (copy: Position, position: Position): boolean =>
    lagBetween(copy, position, state.lineage) > 0;
  // What the leader of today does not have either was lost with the one before.
  const missed = state.missed.filter(
    ({ position }) => lacks(own, position) && !lacks(last, position),
  );
  const newest = missed.at(-1);
  const stepMs = config.leaseDurationMs / STEPS;
  const isDue = newest === undefined || waiterElapsedMs(newest.at, at) >= stepMs;
  if (isDue && missed.length < MISSED_MAX && lacks(own, last)) missed.push({ at, position: last });
  if (missed.length > 0 || state.missed.length > 0) set(turn, { missed });
}

/**
 * True if Redis' newest answer still lacked what the Lease had told D before it. As long as a
 * leader is waited for: what delays a healthy stream (a slow command at either end, lost packets,
 * a probe) is over by then.
 */
export function isStale(state: MemberState, config: MemberConfig): boolean {
  const { infoAt } = state.redis;
  const [oldest] = state.missed;
  if (oldest === undefined || infoAt === null) return false;
  return waiterElapsedMs(oldest.at, infoAt) > config.leaseDurationMs;
}
