/**
 * The promotion path: from a right that was won to a Redis that takes writes (docs/protocol.md,
 * section 3). Positions asked again, a restarted copy measured again, record and permit before the
 * promotion, writes paused until the new lineage is known to others, and only then open.
 */
import {
  recordOf,
  waiterElapsedMs,
  type LineageEntry,
  type MemberName,
  type Offset,
} from "@leasehold/election";
import { abandon } from "./handoff.ts";
import { uniteLineages } from "./lineage.ts";
import { MAX_SKEW_MS, clockSkewMs } from "./members.ts";
import { inheritedMs, planLeadPermit } from "./plan-fence.ts";
import { dropCutover, endCutover } from "./plan-cutover.ts";
import { letJoin } from "./plan-source.ts";
import { names, planWon } from "./plan-won.ts";
import type { Lead, MemberState } from "./state.ts";
import { act, announce, right, role, set, type Turn } from "./turn.ts";

/** What an open primary was told and did not answer with "done" is told again. */
const SAY_AGAIN_MS = 100;

export function planLead(turn: Turn): void {
  dropLost(turn);
  dropCutover(turn);
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
  if (handoff?.phase === "transferring" || handoff?.phase === "settling") return;
  set(turn, { lead: null });
  abandon(turn, "another one holds the Lease");
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
      takenAt: null,
    },
    replid: null,
    pausedAt: null,
    guarded: false,
    guardAt: null,
    retryAt: null,
    judged: acquiring?.judged ?? false,
    forced: acquiring?.forced ?? null,
  };
  // The old leader answers the request that this hand-over fulfils.
  const handledRequest =
    acquiring?.forced ?? acquiring?.handover?.request ?? turn.state.handledRequest;
  set(turn, { lead, handledRequest, acquiring: null, cutter: null });
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
      outlivedSince: null,
      data: { runId, replid: answer.replid, offset: answer.offset, kind: "live", position: null },
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
  const record = recordOf(state.election.view);
  if (record?.holder === state.election.me && names(record.lineage, lead)) return true;
  const { seen } = state.slice;
  if (seen?.holder === state.election.me && names(seen.lineage, lead)) return true;
  return state.failsafe.lineageEpoch >= lead.epoch;
}

function open(turn: Turn, lead: Lead): void {
  role(turn, { kind: "unpause" }, "unfence");
  set(turn, { lead: { ...lead, phase: "open", pausedAt: turn.at }, deferred: [] });
  endCutover(turn);
  const { before, way, forced } = lead;
  if (forced !== null) {
    const result = { done: true, refused: false, words: "it leads, by force" };
    act(turn, { type: "finishRequest", reason: "acquireForced", requestId: forced, result });
  }
  const me = turn.state.start.member;
  const kind = kindOf(lead, me);
  announce(turn, "unfence", {
    words: `leads under epoch ${lead.epoch} (${way}), before it ${before.holder ?? "nobody"}`,
    change: {
      kind,
      from: before.holder,
      to: me,
      lostBytesMax: lostBytes(turn.state, lead),
      writeGapMs: writeGapMs(turn, lead),
    },
  });
}

/** Each member measures its own part; no clocks are compared. */
function writeGapMs(turn: Turn, { handover, before }: Lead): number | null {
  if (handover?.pausedMs === undefined || before.takenAt === null) return null;
  return handover.pausedMs + Math.round(waiterElapsedMs(before.takenAt, turn.at));
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
  if (clockSkewMs(turn.state) > MAX_SKEW_MS) return stepBack(turn, lead);
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
  unpauseAgain(turn);
  guardReplicas(turn);
  letJoin(turn);
}

/** A connection that was closed under the word leaves Redis paused, for 2 D. */
function unpauseAgain(turn: Turn): void {
  const { lead, redis, handoff } = turn.state;
  if (lead === null || lead.pausedAt === null || redis.role.pending.length > 0) return;
  if (handoff !== null && handoff.phase !== "choosing") return;
  if (waiterElapsedMs(lead.pausedAt, turn.at) < SAY_AGAIN_MS) return;
  set(turn, { lead: { ...lead, pausedAt: turn.at } });
  role(turn, { kind: "unpause" }, "unfence");
}

/** Its fence would come late: it stops, and leads no more beside this guard (section 2). */
function stepBack(turn: Turn, lead: Lead): void {
  announce(turn, "clockSkew", {
    words: `stops leading epoch ${lead.epoch}: its guard's clock differs`,
  });
  set(turn, { lead: { ...lead, phase: "won", since: turn.at, judged: false } });
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
  if (lead === null || lead.guarded || count === 0 || redis.role.pending.length > 0) return;
  if ((redis.info?.connectedReplicas ?? 0) < count) return;
  if (lead.guardAt !== null && waiterElapsedMs(lead.guardAt, turn.at) < SAY_AGAIN_MS) return;
  set(turn, { lead: { ...lead, guardAt: turn.at } });
  role(turn, { kind: "minReplicas", count }, "unfence");
}
