/**
 * Following: replicas attach to the holder once it has shown itself promoted, never to one that is
 * merely named, and bounce where they were too early (docs/protocol.md, section 4.3; S9). After a
 * hand-over the old primary goes on cutting late clients for a while (5.6).
 */
import { waiterElapsedMs } from "@leasehold/election";
import type { RedisAddress } from "./observation.ts";
import { isInSync, promotedHolder, sameAddress } from "./members.ts";
import { ensureRecord } from "./plan-record.ts";
import { mayBeWritable, redisIsUp, setRedis } from "./redis-view.ts";
import { hasRelayedCopy, relayingHolder } from "./source-view.ts";
import type { MemberState } from "./state.ts";
import { right, role, set, type Turn } from "./turn.ts";

/**
 * Redis itself retries a refused link after a second: one bounce is faster, more would cut a full
 * sync for which the primary has not started to save yet (its link is down too, and says no more).
 */
const BOUNCE_AFTER_MS = 300;
const BOUNCE_AGAIN_MS = 15_000;
/** So long a volume may take for the record without which no restored copy follows. */
const UNRECORDED_MS = 2000;
/** From the end of a hand-over until held writes are answered, if the successor never shows. */
const LONGEST_HOLD_MS = 250;
const UNPAUSE_TO_CUT_MS = 50;
const ALL = { kind: "cutClients" } as const;
const WRITERS = { kind: "cutWriters", scripts: true } as const;
/**
 * All clients at first, and once more when the settle time is over; in between only who wrote: a
 * reader that came back by the read Service may be in its handshake still, and did nothing wrong.
 */
const CUTS = [
  { atMs: UNPAUSE_TO_CUT_MS, command: ALL },
  { atMs: 150, command: WRITERS },
  { atMs: 350, command: WRITERS },
  { atMs: 750, command: WRITERS },
] as const;

export function planFollow(turn: Turn): void {
  planCutter(turn);
  const { lead, handoff, redis, stop, broken } = turn.state;
  if (lead !== null || handoff !== null || mayBeWritable(turn.state)) return;
  if (!redisIsUp(turn.state) || redis.role.pending.length > 0 || broken.length > 0) return;
  if (isInSync(turn.state, turn.config)) return arrive(turn);
  if (stop?.reported || right(turn) > 0) return;
  if (hasRelayedCopy(turn.state, turn.config)) return arriveBehindSource(turn);
  const { info } = redis;
  const leading = promotedHolder(turn.state)?.address ?? relayingHolder(turn.state, turn.config);
  if (leading === null || info === null || info.syncing) return;
  if (sameAddress(info.upstream, leading)) return bounceOnce(turn, leading);
  const { at, upstream } = turn.state.follow;
  const told = sameAddress(upstream, leading) && at !== null;
  if (told && waiterElapsedMs(at, turn.at) < BOUNCE_AFTER_MS) return;
  if (!isOutlivedOnRecord(turn)) return;
  set(turn, { follow: { upstream: leading, at: turn.at, bounced: false } });
  role(turn, { kind: "follow", upstream: leading, bounce: false }, "follow");
}

/**
 * A restarted AOF knows no replid: what it follows replaces its data, but its files only once they
 * were written anew. Until then they must not pass for those of a copy that was with the others,
 * should all end now. A volume that takes no record keeps nobody from reading.
 */
function isOutlivedOnRecord(turn: Turn): boolean {
  const { data } = turn.state.redis;
  const isOfDisk = data?.kind === "restored" || data?.kind === "exact";
  if (turn.config.mode !== "aof" || !isOfDisk) return true;
  const since = turn.state.redis.outlivedSince ?? turn.at;
  setRedis(turn, { outlivedSince: since });
  return ensureRecord(turn, { outlived: true }) || waiterElapsedMs(since, turn.at) >= UNRECORDED_MS;
}

/** Attached to the right one, but its link is down. */
function bounceOnce(turn: Turn, upstream: RedisAddress): void {
  const { info } = turn.state.redis;
  const { at, bounced } = turn.state.follow;
  if (info?.linkUp) return;
  if (at === null) return set(turn, { follow: { upstream, at: turn.at, bounced } });
  if (waiterElapsedMs(at, turn.at) < (bounced ? BOUNCE_AGAIN_MS : BOUNCE_AFTER_MS)) return;
  set(turn, { follow: { upstream, at: turn.at, bounced: true } });
  role(turn, { kind: "follow", upstream, bounce: true }, "bounce");
}

/**
 * Should a cutover make it the group's, this copy came by the stream, and is what it is until a
 * later one is loaded. Before that it has no position: its history is in no lineage.
 */
function arriveBehindSource(turn: Turn): void {
  const { data, info } = turn.state.redis;
  arrive(turn);
  if (data === null || info === null || data.kind === "live") return;
  const { replid, offset } = info;
  const unsavedSync = turn.state.redis.unsavedSync || info.rewriting;
  setRedis(turn, { unsavedSync, data: { ...data, replid, offset, kind: "live", position: null } });
}

function arrive(turn: Turn): void {
  const { redis } = turn.state;
  if (redis.coldStart) setRedis(turn, { coldStart: false });
}

/**
 * Lifts the pause, and 50 ms later cuts; late ones again until the settle time is over. Held
 * writes are let go when there is somewhere to go: before that their clients would come back here
 * again and again, in the way of the hand-over that they wait for. A replica must not be paused
 * (S9), so that it is lifted before this one follows; and a Redis that may end now holds nobody.
 */
function planCutter(turn: Turn): void {
  const { cutter } = turn.state;
  if (cutter === null) return;
  const sinceMs = waiterElapsedMs(cutter.since, turn.at);
  if (!cutter.unpaused) {
    const mayHold = turn.state.stop === null && promotedHolder(turn.state) === null;
    if (mayHold && sinceMs < LONGEST_HOLD_MS) return;
    role(turn, { kind: "unpause" }, "transferSwitchover");
    return set(turn, { cutter: { ...cutter, since: turn.at, unpaused: true } });
  }
  if (sinceMs >= lastCutMs(turn)) {
    role(turn, ALL, "transferSwitchover");
    return set(turn, { cutter: null });
  }
  const next = CUTS[cutter.cuts];
  if (next === undefined || sinceMs < next.atMs) return;
  role(turn, next.command, "transferSwitchover");
  set(turn, { cutter: { ...cutter, cuts: cutter.cuts + 1 } });
}

/** Held writes are answered before, however short the settle time is. */
function lastCutMs({ config }: Turn): number {
  return Math.max(UNPAUSE_TO_CUT_MS, config.settleMs);
}

/** Who writes is still cut from time to time, whether or not anybody was refused. */
export function cutsWriters({ cutter }: MemberState): boolean {
  return cutter !== null && cutter.cuts < CUTS.length;
}

/** The next instant at which the cutter has work, in milliseconds from now. */
export function cutterDueMs(turn: Turn): number {
  const { cutter } = turn.state;
  if (cutter === null) return Infinity;
  if (!cutter.unpaused) {
    return Math.max(0, LONGEST_HOLD_MS - waiterElapsedMs(cutter.since, turn.at));
  }
  const dueMs = Math.min(CUTS[cutter.cuts]?.atMs ?? Infinity, lastCutMs(turn));
  return Math.max(1, dueMs - waiterElapsedMs(cutter.since, turn.at));
}
