/**
 * The promotion path: from a right that was won to a Redis that takes writes (docs/protocol.md,
 * section 3). Positions asked again, a restarted copy measured again, record and permit before the
 * promotion, writes paused until the new lineage is known to others, and only then open.
 */
import {
  comparePositions,
  isBehind,
  recordOf,
  waiterElapsedMs,
  type LineageEntry,
  type MemberName,
  type Offset,
} from "@leasehold/election";
import { MAX_SKEW_MS, bestRival, clockSkewMs, ineligibility } from "./members.ts";
import { judgeEmpty, mayBeAhead, silentMembers } from "./judge.ts";
import { uniteLineages } from "./lineage.ts";
import type { MemberReport } from "./observation.ts";
import { demoteSurely, inheritedMs, planLeadPermit } from "./plan-fence.ts";
import { beginHandoff } from "./plan-handoff.ts";
import { releaseLease } from "./plan-stop.ts";
import { askAgain, askPeers, isFreshSince } from "./plan-poll.ts";
import { ensureRecord } from "./plan-record.ts";
import { mayBeWritable, ownPosition, redisIsUp } from "./redis-view.ts";
import type { Lead, MemberState } from "./state.ts";
import { announce, right, role, set, type Turn } from "./turn.ts";

const ASK_TIMEOUT_MS = 150;
/** A holder that neither promotes nor loads this long after winning lets others try. */
const GIVE_UP_MS = 3000;

export function planLead(turn: Turn): void {
  dropLost(turn);
  if (turn.state.handoff !== null && turn.state.lead?.phase !== "open") return;
  if (turn.state.lead === null) beginLead(turn);
  planLeadPermit(turn);
  switch (turn.state.lead?.phase) {
    case "won":
    case "recording":
      return planWon(turn);
    case "promoting":
    case undefined:
      return;
    case "publishing":
      return planPublishing(turn);
    case "open":
      return planOpen(turn);
  }
}

/** The term is over: another one holds the Lease, or it was given away. */
function dropLost(turn: Turn): void {
  const { election, lead, handoff } = turn.state;
  if (election.term !== null || (lead === null && handoff === null)) return;
  if (handoff?.phase === "transferring") return;
  set(turn, { lead: null, handoff: null });
}

function beginLead(turn: Turn): void {
  const { election, handoff, stop, acquiring, promotedEpoch, broken } = turn.state;
  const { term } = election;
  if (term === null || handoff !== null || right(turn) <= 0 || broken.length > 0) return;
  if (term.epoch <= promotedEpoch || stop !== null) return;
  // A primary under its predecessor's permit is looked at before it is judged (B11).
  if (!turn.state.redis.seen && inheritedMs(turn) > 0) return;
  const lead: Lead = {
    epoch: term.epoch,
    way: acquiring?.way ?? "resume",
    phase: "won",
    since: turn.at,
    handover: acquiring?.handover ?? null,
    before: acquiring?.before ?? {
      holder: turn.state.start.member,
      position:
        recordOf(election.view)?.position ?? turn.state.record.saved?.leaderPosition ?? null,
      virgin: turn.state.lineage.length === 0,
    },
    replid: null,
    pausedAt: null,
    guarded: false,
    retryAt: null,
    deferred: [],
  };
  set(turn, { lead, acquiring: null, cutter: null });
  if (staysPrimary(turn, lead)) inherit(turn);
}

/** A predecessor's primary under its running permit, of a history that everybody knows (B11). */
function staysPrimary(turn: Turn, lead: Lead): boolean {
  const { redis, lineage, permit, start } = turn.state;
  const { info } = redis;
  if (redis.role.known !== "unknown" || info === null || info.role !== "primary" || redis.dead) {
    return false;
  }
  if (
    permit?.kind !== "lead" ||
    permit.nonce === start.nonce ||
    permit.deadlineBootMs <= turn.at.bootMs
  ) {
    return false;
  }
  if (lead.before.position?.runId !== info.runId) return false;
  return lineage.some((entry) => entry.replid === info.replid);
}

function inherit(turn: Turn): void {
  const { lead, redis } = turn.state;
  const { info } = redis;
  if (lead === null || info === null) return;
  set(turn, { redis: { ...redis, coldStart: false, role: { ...redis.role, known: "primary" } } });
  promoted(turn, { replid: info.replid, offset: info.offset, parent: info.replid });
  announce(turn, "resume", {
    words: `keeps its primary under epoch ${lead.epoch}: only the sidecar restarted`,
  });
}

function planWon(turn: Turn): void {
  const { state } = turn;
  const { lead } = state;
  if (lead === null) return;
  if (mayBeWritable(state)) {
    if (state.redis.process !== null) demoteSurely(turn, "startGated");
    return giveUpLate(turn, lead);
  }
  if (lead.retryAt !== null && lead.retryAt.monotonicMs > turn.at.monotonicMs) return;
  if (!redisIsUp(state)) return planWithoutRedis(turn, lead);
  if (clockSkewMs(state) > MAX_SKEW_MS) return giveUp(turn, "the guard's clock differs");
  if (!holdsWhatWasHandedOver(state, lead) && !isAskedAndBest(turn, lead)) return;
  if (turn.state.lead !== lead) return;
  promote(turn, lead);
}

/** Whoever may lead is welcome while the own Redis is down; loading is waited for (4.2). */
function planWithoutRedis(turn: Turn, lead: Lead): void {
  const { redis } = turn.state;
  if (!redis.dead && redis.info?.loading) return;
  askAgain(turn, 2 * ASK_TIMEOUT_MS);
  const best =
    redis.dead && isFreshSince(turn, lead.since) ? bestRival(turn.state, turn.config) : null;
  if (best !== null && !lead.deferred.includes(best.member)) return deferTo(turn, lead, best);
  giveUpLate(turn, lead);
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
    askPeers(turn, ASK_TIMEOUT_MS);
    return false;
  }
  askAgain(turn, 2 * ASK_TIMEOUT_MS);
  const own = ownPosition(turn.state);
  if (own === null) return emptyMayLead(turn, lead);
  const better = betterUntried(turn, lead);
  if (better !== null) {
    deferTo(turn, lead, better);
    return false;
  }
  return turn.state.redis.coldStart ? restartedMayLead(turn, lead) : true;
}

function betterUntried(turn: Turn, lead: Lead): MemberReport | null {
  const best = bestRival(turn.state, turn.config);
  if (best === null || lead.deferred.includes(best.member)) return null;
  return comparePositions(best.position, ownPosition(turn.state)) > 0 ? best : null;
}

function deferTo(turn: Turn, lead: Lead, better: MemberReport): void {
  set(turn, { lead: { ...lead, deferred: [...lead.deferred, better.member] } });
  beginHandoff(turn, { cause: "betterCopy", to: better.member, request: null });
}

function emptyMayLead(turn: Turn, lead: Lead): boolean {
  const first = lead.way === "missing" || lead.before.virgin || turn.config.mode === "none";
  const verdict = judgeEmpty(turn.state, first);
  if (verdict.go) return true;
  const best = bestRival(turn.state, turn.config);
  if (best !== null && !lead.deferred.includes(best.member)) deferTo(turn, lead, best);
  else giveUpLate(turn, lead);
  return false;
}

/** After any restart of its Redis the holder is a candidate like every other (4.2; U5). */
function restartedMayLead(turn: Turn, lead: Lead): boolean {
  const own = ownPosition(turn.state);
  const best = bestRival(turn.state, turn.config);
  if (best !== null && comparePositions(best.position, own) > 0) {
    giveUpLate(turn, lead);
    return false;
  }
  // The Lease's position is up to R old: a copy that lost its tail may lack what came after it.
  const complete = own !== null && !own.restored && !isBehind(own, lead.before.position);
  if (complete) return true;
  const ahead = silentMembers(turn.state).filter((name) => mayBeAhead(turn.state, name));
  const others = ahead.filter((name) => name !== turn.state.start.member);
  if (others.length === 0) return true;
  if (waiterElapsedMs(lead.since, turn.at) < GIVE_UP_MS) return false;
  giveUp(turn, `restarted with less than ${others.join(", ")} may have`);
  return false;
}

function giveUpLate(turn: Turn, lead: Lead): void {
  if (waiterElapsedMs(lead.since, turn.at) >= GIVE_UP_MS) giveUp(turn, "could not promote in time");
}

function giveUp(turn: Turn, why: string): void {
  const { lead, state } = { lead: turn.state.lead, state: turn.state };
  if (lead === null || mayBeWritable(state)) return;
  const best = bestRival(state, turn.config);
  if (best !== null && !lead.deferred.includes(best.member)) return deferTo(turn, lead, best);
  announce(turn, "releaseMissingCopy", { words: `gives the Lease back: ${why}` });
  releaseLease(turn, {
    position: lead.before.position,
    clean: false,
    reason: "releaseMissingCopy",
  });
}

function promote(turn: Turn, lead: Lead): void {
  const epoch = turn.state.election.term?.epoch ?? 0;
  if (epoch > lead.epoch) return set(turn, { lead: { ...lead, epoch } });
  if (lead.epoch <= turn.state.promotedEpoch) return giveUpLate(turn, lead);
  if (ineligibility(turn.state, turn.config, turn.at) !== null && lead.way !== "handover") {
    return giveUpLate(turn, lead);
  }
  if (turn.state.redis.role.pending.length > 0) return;
  if (!ensureRecord(turn, { epoch: lead.epoch })) {
    return set(turn, { lead: { ...lead, phase: "recording" } });
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

export interface Promoted {
  readonly replid: string;
  readonly offset: Offset;
  readonly parent: string | null;
}

/** Redis confirmed its promotion: the epoch now names this replid. */
export function promoted(turn: Turn, answer: Promoted): void {
  const { lead, lineage, promotedEpoch } = turn.state;
  if (lead === null) return;
  const entry: LineageEntry = {
    epoch: lead.epoch,
    replid: answer.replid,
    startOffset: answer.offset,
    parent: answer.parent,
  };
  const { redis } = turn.state;
  const runId = redis.process?.runId ?? "";
  set(turn, {
    lineage: uniteLineages(lineage, [entry]),
    promotedEpoch: Math.max(promotedEpoch, lead.epoch),
    redis: {
      ...redis,
      coldStart: false,
      data: { runId, replid: answer.replid, kind: "live", position: null },
    },
    lead: { ...lead, phase: "publishing", replid: answer.replid },
  });
}

/** Writes stay paused until the lineage is in the slice, in the Lease, or with all (U14). */
function planPublishing(turn: Turn): void {
  const { lead } = turn.state;
  if (lead === null) return;
  if (isPublished(turn.state, lead)) return open(turn, lead);
  const pausedAt = lead.pausedAt;
  if (pausedAt === null || waiterElapsedMs(pausedAt, turn.at) < turn.config.renewIntervalMs) return;
  set(turn, { lead: { ...lead, pausedAt: turn.at } });
  role(turn, { kind: "pause", pauseMs: 2 * turn.config.leaseDurationMs }, "publish");
}

function isPublished(state: MemberState, lead: Lead): boolean {
  const names = (lineage: readonly LineageEntry[] | undefined): boolean =>
    lineage?.some((entry) => entry.epoch === lead.epoch && entry.replid === lead.replid) ?? false;
  const record = recordOf(state.election.view);
  if (record?.holder === state.election.me && names(record.lineage)) return true;
  const { seen } = state.slice;
  if (seen?.holder === state.election.me && names(seen.lineage)) return true;
  return state.failsafe.lineageEpoch >= lead.epoch;
}

function open(turn: Turn, lead: Lead): void {
  role(turn, { kind: "unpause" }, "unfence");
  set(turn, { lead: { ...lead, phase: "open" } });
  const { before, way } = lead;
  const me = turn.state.start.member;
  const kind = kindOf(lead, me);
  announce(turn, "unfence", {
    words: `leads under epoch ${lead.epoch} (${way}), before it ${before.holder ?? "nobody"}`,
    change: { kind, from: before.holder, to: me, lostBytesMax: lostBytes(turn.state, lead) },
  });
}

function kindOf(lead: Lead, me: MemberName): "bootstrap" | "switchover" | "failover" | "resume" {
  if (lead.before.holder === null) return "bootstrap";
  if (lead.before.holder === me) return "resume";
  return lead.handover?.equal ? "switchover" : "failover";
}

/** Upper bound of what the old primary had said it holds and this copy lacks. */
function lostBytes(state: MemberState, lead: Lead): number | null {
  const { position } = lead.before;
  const entry = state.lineage.find((one) => one.epoch === lead.epoch);
  if (position === null || entry === undefined) return null;
  return entry.parent === position.replid ? Math.max(0, position.offset - entry.startOffset) : null;
}

function planOpen(turn: Turn): void {
  const { lead, election, redis } = turn.state;
  if (lead === null) return;
  if (redis.role.known === "demoted") return demotedFromOutside(turn, lead);
  if (turn.state.acquiring !== null) set(turn, { acquiring: null });
  const epoch = election.term?.epoch ?? lead.epoch;
  if (epoch > lead.epoch && redis.info !== null && lead.replid !== null) {
    const entry = {
      epoch,
      replid: lead.replid,
      startOffset: redis.info.offset,
      parent: lead.replid,
    };
    set(turn, {
      lead: { ...lead, epoch },
      promotedEpoch: epoch,
      lineage: uniteLineages(turn.state.lineage, [entry]),
    });
  }
  guardReplicas(turn);
}

/** Somebody ran REPLICAOF on the primary (C22): lead again, by the whole path. */
function demotedFromOutside(turn: Turn, lead: Lead): void {
  announce(turn, "selfFence", {
    words: `its Redis is no primary any more under epoch ${lead.epoch}`,
  });
  set(turn, { lead: null });
}

/** `min-replicas-to-write` only once that many are attached (D15). */
function guardReplicas(turn: Turn): void {
  const { lead, redis } = turn.state;
  const count = turn.config.minReplicasToWrite;
  if (lead === null || lead.guarded || count === 0) return;
  if ((redis.info?.connectedReplicas ?? 0) < count) return;
  set(turn, { lead: { ...lead, guarded: true } });
  role(turn, { kind: "minReplicas", count }, "unfence");
}
