/**
 * Following: replicas attach to the holder once it has shown itself promoted, never to one that is
 * merely named, and bounce where they were too early (docs/protocol.md, section 4.3; S9). After a
 * hand-over the old primary goes on cutting late clients for a while (5.6).
 */
import { waiterElapsedMs } from "@leasehold/election";
import { isInSync, promotedHolder, sameAddress } from "./members.ts";
import { mayBeWritable, redisIsUp, setRedis } from "./redis-view.ts";
import { right, role, set, type Turn } from "./turn.ts";

/** Redis itself retries a refused link after a second. */
const BOUNCE_AFTER_MS = 300;
const UNPAUSE_TO_CUT_MS = 50;
const CUTS_AT_MS = [50, 150, 350, 750, 1500];

export function planFollow(turn: Turn): void {
  planCutter(turn);
  const { lead, handoff, redis, stop, broken } = turn.state;
  if (lead !== null || handoff !== null || mayBeWritable(turn.state)) return;
  if (!redisIsUp(turn.state) || redis.role.pending.length > 0 || broken.length > 0) return;
  if (isInSync(turn.state, turn.config)) return arrive(turn);
  if (stop?.reported || right(turn) > 0) return;
  const holder = promotedHolder(turn.state);
  const { info } = redis;
  if (holder === null || info === null || info.syncing) return;
  const attachedTo = sameAddress(info.upstream, holder.address);
  const { at, upstream } = turn.state.follow;
  const sinceMs = at === null ? Infinity : waiterElapsedMs(at, turn.at);
  if (attachedTo && info.linkUp) return;
  const told = sameAddress(upstream, holder.address);
  if (told && sinceMs < BOUNCE_AFTER_MS) return;
  set(turn, { follow: { upstream: holder.address, at: turn.at } });
  const bounce = attachedTo || told;
  role(turn, { kind: "follow", upstream: holder.address, bounce }, bounce ? "bounce" : "follow");
}

function arrive(turn: Turn): void {
  const { redis } = turn.state;
  if (redis.coldStart) setRedis(turn, { coldStart: false });
}

/** Lifts the pause, and 50 ms later cuts; late ones again until the settle time is over. */
function planCutter(turn: Turn): void {
  const { cutter } = turn.state;
  if (cutter === null) return;
  const sinceMs = waiterElapsedMs(cutter.since, turn.at);
  if (sinceMs > turn.config.settleMs) return set(turn, { cutter: null });
  if (!cutter.unpaused) {
    role(turn, { kind: "unpause" }, "transferSwitchover");
    return set(turn, { cutter: { ...cutter, unpaused: true } });
  }
  const next = CUTS_AT_MS[cutter.cuts];
  if (next === undefined || sinceMs < next || sinceMs < UNPAUSE_TO_CUT_MS) return;
  role(turn, { kind: "cutClients" }, "transferSwitchover");
  set(turn, { cutter: { ...cutter, cuts: cutter.cuts + 1 } });
}

/** The next instant at which the cutter has work, in milliseconds from now. */
export function cutterDueMs(turn: Turn): number {
  const { cutter } = turn.state;
  if (cutter === null) return Infinity;
  if (!cutter.unpaused) return 0;
  const next = CUTS_AT_MS[cutter.cuts] ?? turn.config.settleMs;
  return Math.max(1, next - waiterElapsedMs(cutter.since, turn.at));
}
