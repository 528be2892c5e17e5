/**
 * When the next tick may change something. Only a hint for the runtime's one timer: a tick too
 * many does nothing, and the step-down is among the instants, so no hung request delays it.
 */
import {
  readSpacingMs,
  rightMs,
  tryDueInMs,
  waiterElapsedMs,
  type Instant,
} from "@leasehold/election";
import type { MemberConfig } from "./config.ts";
import { currentClaim, mayRenew } from "./plan-lease.ts";
import { cutterDueMs } from "./plan-follow.ts";
import { inheritedMs } from "./plan-fence.ts";
import { hangTimeoutMs } from "./plan-hang.ts";
import { mayBeWritable } from "./redis-view.ts";
import type { MemberState } from "./state.ts";
import type { Turn } from "./turn.ts";

/** While a step is under way. */
const BUSY_MS = 50;
const SHORTEST_MS = 1;
const ASK_BEFORE_MS = 1000;
const ASK_EVERY_MS = 250;

export function nextWakeMs(state: MemberState, at: Instant, config: MemberConfig): number {
  const turn: Turn = { state, actions: [], at, config };
  const soonest = Math.min(
    config.renewIntervalMs,
    stepMs(state),
    rightEndMs(turn),
    claimMs(turn),
    readMs(turn),
    renewalMs(turn),
    cutterDueMs(turn),
    hangMs(turn),
  );
  return Math.max(SHORTEST_MS, soonest);
}

function stepMs(state: MemberState): number {
  const { lead, handoff, stop, holdBack, redis, pendingPromises } = state;
  if (redis.process !== null && lead === null && mayBeWritable(state)) return BUSY_MS;
  const busy =
    handoff !== null ||
    (lead !== null && lead.phase !== "open") ||
    stop !== null ||
    holdBack !== null ||
    redis.role.pending.length > 0 ||
    pendingPromises.length > 0;
  return busy ? BUSY_MS : Infinity;
}

function rightEndMs(turn: Turn): number {
  const left = Math.max(rightMs(turn.state.election, turn.at), inheritedMs(turn));
  return left > 0 ? left + SHORTEST_MS : Infinity;
}

function readMs({ state, at }: Turn): number {
  if (!state.election.readWanted) return Infinity;
  return readSpacingMs(state.election, at) || Infinity;
}

function claimMs(turn: Turn): number {
  const claim = currentClaim(turn);
  if (claim.kind === "none") return Infinity;
  if (claim.kind === "now") return BUSY_MS;
  if (claim.way === "missing") return ASK_EVERY_MS;
  return claim.leftMs > ASK_BEFORE_MS
    ? claim.leftMs - ASK_BEFORE_MS
    : Math.min(claim.leftMs, ASK_EVERY_MS);
}

function renewalMs(turn: Turn): number {
  if (!mayRenew(turn)) return Infinity;
  const due = tryDueInMs(turn.state.election, turn.config.renewIntervalMs, turn.at) ?? BUSY_MS;
  // What was due and was not sent waits for something else: no tick can hurry it.
  return due === 0 ? BUSY_MS : due;
}

function hangMs(turn: Turn): number {
  const { silentSince } = turn.state.redis;
  if (silentSince === null) return Infinity;
  return Math.max(SHORTEST_MS, hangTimeoutMs(turn) - waiterElapsedMs(silentSince, turn.at));
}
