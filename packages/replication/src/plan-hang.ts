/**
 * A Redis that does not answer. Silence for `hangTimeoutMs` is a hang, `BUSY` is life for
 * `busyTimeoutMs`; the guard kills, and only its report, or a refused socket, proves the death
 * (docs/protocol.md, section 6; red-team S7).
 */
import { waiterElapsedMs, type Instant } from "@leasehold/election";
import { killRedis } from "./plan-fence.ts";
import { isReplicaForCertain } from "./redis-view.ts";
import { announce, set, type Turn } from "./turn.ts";

const SECOND_KILL_MS = 60_000;
const LONGEST_HANG_MS = 30_000;
/** A replica's hang hurts nobody's writes, also that of one that is not promoted yet: more time. */
const REPLICA_FACTOR = 5;
const KEPT_KILLS = 8;

export function planHang(turn: Turn): void {
  const { redis } = turn.state;
  if (redis.dead || redis.process === null) return;
  const silentMs = Math.max(elapsed(turn, redis.silentSince), unsettledMs(turn));
  const busyMs = elapsed(turn, redis.busySince);
  const hangs = silentMs >= hangTimeoutMs(turn);
  const stuck = busyMs >= turn.config.busyTimeoutMs;
  if (!hangs && !stuck) return;
  const first = redis.killed === null;
  killRedis(turn, hangs ? "redisHung" : "redisBusy");
  if (!first || turn.state.redis.killed === null) return;
  const seconds = ((hangs ? silentMs : busyMs) / 1000).toFixed(1);
  const how = hangs ? "did not answer" : "was busy with one script";
  announce(turn, hangs ? "redisHung" : "redisBusy", {
    words: `its Redis ${how} for ${seconds} s: asked the guard to kill pid ${redis.process.pid}`,
  });
  set(turn, { hangKills: [...turn.state.hangKills, turn.at].slice(-KEPT_KILLS) });
}

/** It may answer probes, and yet nothing that would settle its role. */
function unsettledMs(turn: Turn): number {
  const { known, unsettledSince } = turn.state.redis.role;
  return known === "unsettled" ? elapsed(turn, unsettledSince) : 0;
}

function elapsed(turn: Turn, since: Instant | null): number {
  return since === null ? 0 : waiterElapsedMs(since, turn.at);
}

/** Doubles with a second kill within a minute, so that a slow command is not hunted for ever. */
export function hangTimeoutMs(turn: Turn): number {
  const { hangKills, lead, redis } = turn.state;
  const recent = hangKills.filter((at) => waiterElapsedMs(at, turn.at) < SECOND_KILL_MS).length;
  const base = turn.config.hangTimeoutMs * 2 ** Math.min(recent, 4);
  const isReplica = lead === null || isReplicaForCertain(redis.role);
  return Math.min(LONGEST_HANG_MS, isReplica ? base * REPLICA_FACTOR : base);
}
