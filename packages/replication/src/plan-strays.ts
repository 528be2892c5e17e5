/**
 * Clients of the write address that sit on a member that does not lead (docs/protocol.md, 5.6).
 * A proxy that was late has led them here after the last cut of a hand-over, or to a successor that
 * was never promoted; many clients keep a connection whatever its answers, and would get `READONLY`
 * for ever.
 *
 * Guarantees: only who wrote is cut, and only where the address names another member; whoever reads
 * here stays. At most one look at the clients a second, and none while no write is refused. Does
 * not find who never writes: to that one nothing is refused.
 */
import { waiterElapsedMs } from "@leasehold/election";
import { sameAddress } from "./members.ts";
import type { RedisAddress } from "./observation.ts";
import { cutsWriters } from "./plan-follow.ts";
import { isReplicaForCertain } from "./redis-view.ts";
import { role, set, type Turn } from "./turn.ts";

/** A look costs Redis a list of all its clients. */
const LOOK_EVERY_MS = 1000;

export function planStrays(turn: Turn): void {
  const { info } = turn.state.redis;
  if (info === null || info.refusedWrites === null) return;
  const { runId, refusedWrites: count } = info;
  const { refusals } = turn.state;
  const isKnown = refusals?.runId === runId && count >= refusals.count;
  // Who wrote before this member looked will write again.
  if (!isKnown) return set(turn, { refusals: { runId, count, lookedAt: null } });
  if (count === refusals.count || !mayCut(turn)) return;
  const { lookedAt } = refusals;
  if (lookedAt !== null && waiterElapsedMs(lookedAt, turn.at) < LOOK_EVERY_MS) return;
  set(turn, { refusals: { runId, count, lookedAt: turn.at } });
  role(turn, { kind: "cutWriters", scripts: false }, "strayWriters");
}

/** Soon after a hand-over plan-follow.ts cuts. Whom the address names has them back at once. */
function mayCut({ state }: Turn): boolean {
  const { lead, handoff, redis, slice, start } = state;
  if (lead !== null || handoff !== null || cutsWriters(state)) return false;
  if (!isReplicaForCertain(redis.role) || redis.role.pending.length > 0) return false;
  const address = slice.seen?.address ?? null;
  return address !== null && !sameAddress(address, start.address);
}

/**
 * The address was this member's, and is another's: its clients are cut as after a hand-over. Those
 * of a leader that fenced itself came back to it since, as long as the address had no other name.
 */
export function addressMoved(turn: Turn, from: RedisAddress | null, to: RedisAddress | null): void {
  const { lead, handoff, cutter, start } = turn.state;
  if (lead !== null || handoff !== null || cutter !== null) return;
  if (!sameAddress(from, start.address) || to === null || sameAddress(to, start.address)) return;
  set(turn, { cutter: { since: turn.at, unpaused: true, cuts: 0 } });
}
