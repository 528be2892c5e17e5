/**
 * From a right that was won to the promotion: should this copy still lead? Positions are asked
 * again, a restarted copy is measured again, record and permit come before the promotion
 * (docs/protocol.md, sections 3 and 4.2). A holder that can do neither lets others try.
 */
import {
  isBehind,
  listsInForce,
  waiterElapsedMs,
  type LineageEntry,
  type Position,
} from "@leasehold/election";
import { isPaused } from "./control.ts";
import { callsUnlisted } from "./drafts.ts";
import { beginHandoff } from "./handoff.ts";
import { TURN_MS, judgeEmpty, lacksEverything, mayBeAhead } from "./judge.ts";
import { furthest, positionOf } from "./lineage.ts";
import {
  MAX_SKEW_MS,
  ableMembers,
  bestRival,
  comparisonOf,
  clockSkewMs,
  ineligibility,
  reports,
} from "./members.ts";
import type { MemberReport } from "./observation.ts";
import { demoteSurely, killRedis, planLeadPermit } from "./plan-fence.ts";
import { askAgain, askPeers, isFreshSince } from "./plan-poll.ts";
import { ensureRecord } from "./plan-record.ts";
import { ownsMoved } from "./plan-cutover.ts";
import { letJoin, planSource } from "./plan-source.ts";
import { releaseLease } from "./plan-stop.ts";
import {
  foundOnDisk,
  isBelowDisk,
  isReplicaForCertain,
  mayBeWritable,
  mayLackTail,
  ownPosition,
  redisIsUp,
} from "./redis-view.ts";
import { silentMembers } from "./silent.ts";
import { awaitsSource } from "./source-view.ts";
import type { Lead, MemberState } from "./state.ts";
import { announce, right, role, set, type Turn } from "./turn.ts";

export const ASK_TIMEOUT_MS = 150;
/** A holder that neither promotes nor loads this long after winning lets others try. */
const GIVE_UP_MS = 3000;

export function planWon(turn: Turn): void {
  const { state } = turn;
  const { lead } = state;
  // Nothing is decided about a lead without a right: a renewal, or the fence, does the rest.
  if (lead === null || right(turn) <= 0) return;
  if (mayBeWritable(state)) return stopFirst(turn, lead);
  // Won and deleted since: its list is in no Lease and, older, in the record. The renewal that
  // creates it anew comes first, so that promises are asked of the list in force (4.5).
  if (state.election.view.kind === "missing") return giveUpLate(turn, lead);
  if (lead.retryAt !== null && lead.retryAt.monotonicMs > turn.at.monotonicMs) {
    return giveUpLate(turn, lead);
  }
  if (awaitsSource(state, turn.config)) {
    if (planSource(turn) === "leaves") giveUp(turn, lead, "it stops");
    return;
  }
  if (!redisIsUp(state)) return planWithoutRedis(turn, lead);
  // A copy of a source that was found equal to it needs no further judgement.
  planPromotion(turn, lead, ownsMoved(turn));
}

function planPromotion(turn: Turn, lead: Lead, isEqual: boolean): void {
  const { state } = turn;
  // The guard has not spoken of this very process yet: an older word tells nothing of its clock.
  if (state.redis.guardBootId === null) return giveUpLate(turn, lead);
  if (clockSkewMs(state) > MAX_SKEW_MS) {
    return giveUp(turn, lead, "the guard says nothing, or its clock differs");
  }
  // A full sync that ended between this look and the promotion would put other data under it.
  if (state.redis.info?.syncing) {
    demoteSurely(turn, "promote");
    return giveUpLate(turn, lead);
  }
  const decided = isEqual || lead.forced !== null || holdsWhatWasHandedOver(state, lead);
  if (!decided && !isAskedAndBest(turn, lead)) return;
  if (turn.state.lead !== lead) return;
  promote(turn, lead);
}

/** Without a demotion nothing may be given away; a Redis that refuses it is killed (section 3). */
function stopFirst(turn: Turn, lead: Lead): void {
  if (turn.state.redis.process !== null) demoteSurely(turn, "startGated");
  // A replica is no danger, and its copy may be the last one (docs/adr/0016).
  if (isReplicaForCertain(turn.state.redis.role)) return;
  if (waiterElapsedMs(lead.since, turn.at) >= GIVE_UP_MS) killRedis(turn, "selfFence");
}

/** Whoever may lead is welcome while the own Redis is away; then its load is waited for (4.2). */
function planWithoutRedis(turn: Turn, lead: Lead): void {
  const { redis } = turn.state;
  // The first look at the own Redis comes within one probe: nothing is given away before it.
  if (!redis.seen && !redis.dead) return giveUpLate(turn, lead);
  askAgain(turn, 2 * ASK_TIMEOUT_MS);
  const isAsked = isFreshSince(turn, lead.since);
  if (isAsked && awaitsUnlisted(turn, lead)) return;
  const best = isAsked ? bestRival(turn.state, turn.config) : null;
  const onDisk = turn.state.record.saved?.durablePosition ?? null;
  const compare = comparisonOf(turn.state);
  const found = foundOnDisk(turn.state);
  // Who led goes first also where it claims bytes of the epoch before.
  const isAhead = best?.position?.led !== undefined && compare(best.position, found) > 0;
  const notWorse = best !== null && (isAhead || !isBehind(best.position, onDisk));
  if (best !== null && isWorthWaiting(turn, lead, best.position)) return;
  const isBelow = best !== null && isBelowDisk(turn.state, best.position, compare);
  if (isBelow && awaitsOwnDisk(turn, lead)) return;
  if (notWorse && mayDeferTo(turn, best)) return deferTo(turn, best);
  if (!redis.dead && redis.info?.loading) return;
  giveUpLate(turn, lead);
}

/**
 * All ended at once, and this member led: its own load is waited for, as long as others would wait
 * for a silent one. Who stops gives the Lease back, with what those are to wait for.
 */
function awaitsOwnDisk(turn: Turn, lead: Lead): boolean {
  const { state, at, config } = turn;
  if (waiterElapsedMs(lead.since, at) >= config.coldStartWaitMs) return false;
  if (state.stop !== null) giveBack(turn, lead, "it stops before its Redis is there");
  return true;
}

/**
 * The old primary saw this very copy at its own last offset: nobody can have more. (The own probe
 * may be older than that sight; a Redis that restarted since is measured anew.)
 */
function holdsWhatWasHandedOver(state: MemberState, lead: Lead): boolean {
  const { info, coldStart, data } = state.redis;
  if (lead.handover === null || !lead.handover.equal || info === null) return false;
  return !coldStart && data?.kind === "live" && info.replid === lead.handover.replid;
}

/** Positions are asked again: the old primary may have stopped only now (second review 10). */
function isAskedAndBest(turn: Turn, lead: Lead): boolean {
  if (!isFreshSince(turn, lead.since)) {
    askPeers(turn, ASK_TIMEOUT_MS, lead.since);
    return false;
  }
  askAgain(turn, 2 * ASK_TIMEOUT_MS);
  if (awaitsUnlisted(turn, lead)) return false;
  const own = ownPosition(turn.state);
  if (own === null) return emptyMayLead(turn, lead);
  const best = bestRival(turn.state, turn.config);
  const isBetter = best !== null && isBetterThan(turn, best, own);
  if (isWorthWaiting(turn, lead, isBetter ? best.position : own)) return false;
  if (isBetter && mayDeferTo(turn, best)) {
    deferTo(turn, best);
    return false;
  }
  if (!turn.state.redis.coldStart) return true;
  // Judged, and every better one has had its turn: else they would be waited for again and again.
  if (lead.judged && isBetter && !isPaused(turn)) {
    const next = bestRival(turn.state, turn.config, turn.state.deferred);
    if (next === null || !isBetterThan(turn, next, own)) return true;
    deferTo(turn, next);
    return false;
  }
  if (!isBetter && (lead.judged || restartedMayLead(turn, lead))) return true;
  giveUpLate(turn, lead);
  return false;
}

/** Its first sync is so young that no renewal has listed it yet: it is listed, and then offered. */
function awaitsUnlisted(turn: Turn, lead: Lead): boolean {
  if (isPaused(turn) || waiterElapsedMs(lead.since, turn.at) >= TURN_MS) return false;
  if (!callsUnlisted(turn)) return false;
  letJoin(turn);
  return true;
}

/** A better copy than the chosen one answers, without the API: it gets a turn to come back. */
function isWorthWaiting(turn: Turn, lead: Lead, chosen: Position | null): boolean {
  if (lead.judged || waiterElapsedMs(lead.since, turn.at) >= TURN_MS) return false;
  const compare = comparisonOf(turn.state);
  return ableMembers(turn.state).some((one) => compare(one.position, chosen) > 0);
}

/** A judgement may have preferred a restarted copy that has all to a live one that has not. */
function isBetterThan(turn: Turn, other: MemberReport, own: Position): boolean {
  const { lead } = turn.state;
  if (!isPreferred(turn, other, own)) return false;
  if (!lead?.judged || !own.restored || isBehind(own, other.position)) return true;
  return isDoubt(turn, other, own);
}

/** Once for each member until somebody was promoted: one that cannot act is not asked for ever. */
function mayDeferTo(turn: Turn, better: MemberReport): boolean {
  return !turn.state.deferred.includes(better.member) && !isPaused(turn);
}

function deferTo(turn: Turn, better: MemberReport): void {
  set(turn, { deferred: [...turn.state.deferred, better.member] });
  beginHandoff(turn, { cause: "betterCopy", to: better.member, request: null });
}

function emptyMayLead(turn: Turn, lead: Lead): boolean {
  const first = lead.way === "missing" || lead.before.virgin || turn.config.mode === "none";
  const waited = lead.judged && turn.config.onMissing === "best";
  if (judgeEmpty(turn.state, { mayBegin: first, waited }).go) return true;
  const best = bestRival(turn.state, turn.config);
  if (best !== null && mayDeferTo(turn, best)) deferTo(turn, best);
  else giveUpLate(turn, lead);
  return false;
}

/** After any restart of its Redis the holder is a candidate like every other (4.2; U5). */
function restartedMayLead(turn: Turn, lead: Lead): boolean {
  const own = ownPosition(turn.state);
  // A better copy whose API is away cannot take over now; it may when it is back.
  if (reports(turn.state).some((one) => isPreferred(turn, one, own))) return false;
  // Who has not yet heard what the group moved in with has no position, and may have it all.
  const moved = turn.state.lineage.at(-1);
  const isMore = (one: MemberReport): boolean =>
    one.replid === moved?.replid && one.offset > (own?.offset ?? 0);
  if (moved?.moved && reports(turn.state).some((one) => isMore(one))) return false;
  // The Lease's position is up to R old: a copy that lost its tail may lack what came after it.
  const last = lastKnown(turn.state, lead);
  if (own !== null && !mayLackTail(turn.state) && !isBehind(own, last)) return true;
  if (lacksEverything(turn, last)) return false;
  // Who led before this one has what it handed over, and no note of its own in the Lease.
  return !silentMembers(turn.state).some(
    (name) => name === lead.before.holder || mayBeAhead(turn.state, name),
  );
}

/** Its copy has more; or may have, and it may lead with it. */
function isPreferred(turn: Turn, other: MemberReport, own: Position | null): boolean {
  if (comparisonOf(turn.state)(other.position, own) <= 0) return false;
  return !isDoubt(turn, other, own) || (other.ineligible === null && !isPaused(turn));
}

/** Nothing but that the own one may have been outlived puts it below. */
function isDoubt(turn: Turn, { position }: MemberReport, own: Position | null): boolean {
  if (own?.outlived !== true || position?.restored !== true) return false;
  return comparisonOf(turn.state)(position, { ...own, outlived: false }) === 0;
}

/** How far the group's data reached: by the Lease, by the hand-over, and as this copy was seen. */
function lastKnown(state: MemberState, { before, handover }: Lead): Position | null {
  const history = handover && { ...handover, replid2: null, secondOffset: -1 };
  const handed = history && positionOf(history, state.lineage);
  return furthest(furthest(before.position, handed), state.redis.peak);
}

function giveUpLate(turn: Turn, lead: Lead): void {
  if (waiterElapsedMs(lead.since, turn.at) < GIVE_UP_MS) return;
  giveUp(turn, lead, "could not promote in time");
}

/** To a copy that is not behind the own one; else the Lease goes back, with what it lacks. */
function giveUp(turn: Turn, lead: Lead, why: string): void {
  const { state } = turn;
  if (mayBeWritable(state) || isPaused(turn)) return;
  const best = bestRival(state, turn.config);
  const compare = comparisonOf(state);
  const notWorse = best !== null && compare(best.position, ownPosition(state)) >= 0;
  if (notWorse && mayDeferTo(turn, best)) return deferTo(turn, best);
  giveBack(turn, lead, why);
}

function giveBack(turn: Turn, lead: Lead, why: string): void {
  const { state } = turn;
  // Whoever takes it must lack nothing of what this copy has, nor of what it lacks itself.
  const position = furthest(lastKnown(state, lead), ownPosition(state));
  const released = releaseLease(turn, { position, clean: false, reason: "releaseMissingCopy" });
  if (released) announce(turn, "releaseMissingCopy", { words: `gives the Lease back: ${why}` });
}

function promote(turn: Turn, lead: Lead): void {
  const epoch = turn.state.election.term?.epoch ?? 0;
  if (epoch > lead.epoch) return set(turn, { lead: { ...lead, epoch } });
  if (lead.epoch <= turn.state.promotedEpoch) return giveUpLate(turn, lead);
  const able = lead.way === "handover" || lead.forced !== null;
  if (!able && ineligibility(turn.state, turn.config, turn.at) !== null) {
    return giveUpLate(turn, lead);
  }
  if (turn.state.redis.role.pending.length > 0) return giveUpLate(turn, lead);
  // With the list that is in force: should the Lease be deleted, it says whose promises are needed.
  const membersSent = listsInForce(turn.state.election);
  if (!ensureRecord(turn, { promotes: lead.epoch, membersSent })) {
    set(turn, { lead: { ...lead, phase: "recording" } });
    return giveUpLate(turn, lead);
  }
  if (right(turn) <= 0) return;
  set(turn, {
    lead: { ...lead, phase: "promoting", pausedAt: turn.at },
    promotedEpoch: lead.epoch,
  });
  planLeadPermit(turn);
  const pauseMs = 2 * turn.config.leaseDurationMs;
  role(turn, { kind: "promote", epoch: lead.epoch, pauseMs }, "promote");
}

/** True if others can know this promotion: by the Lease or slice that carries its lineage. */
export function names(lineage: readonly LineageEntry[] | undefined, lead: Lead): boolean {
  const isIt = (one: LineageEntry): boolean => {
    return one.epoch === lead.epoch && one.replid === lead.replid;
  };
  return lineage?.some(isIt) ?? false;
}
