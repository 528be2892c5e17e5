/** What an event changes in the state before anything is planned. */
import { hearEpoch, observeChange, observeRead, observeWrite, recordOf } from "@leasehold/election";
import { controlObserved } from "./control.ts";
import type { MemberEvent, RoleOutcome } from "./event.ts";
import { uniteLineages } from "./lineage.ts";
import type { MemberReport, RedisObservation } from "./observation.ts";
import { beganByAcceptance, handoverAsked } from "./plan-acceptance.ts";
import { killRedis } from "./plan-fence.ts";
import { promiseAnswered, promiseAsked } from "./plan-failsafe.ts";
import { demoted, offsetAwaited, paused } from "./handoff-steps.ts";
import { leaveDead, pauseFailed } from "./plan-handoff.ts";
import { promoted } from "./plan-lead.ts";
import { observeRecord } from "./plan-record.ts";
import { observeSlice, sliceWritten } from "./plan-slice.ts";
import { settleMove, sourceAnswered, sourceContinued } from "./plan-cutover.ts";
import { requestStop, terminate } from "./plan-stop.ts";
import {
  isReplicaForCertain,
  mayBeWritable,
  observeGuard,
  observeRedis,
  setRedis,
} from "./redis-view.ts";
import type { MemberState, PendingRole } from "./state.ts";
import { announce, podOf, role, set, type Turn } from "./turn.ts";

/** Between two promotions of which the first failed. */
const PROMOTE_RETRY_MS = 300;

export function fold(turn: Turn, event: MemberEvent): void {
  switch (event.type) {
    case "tick":
      return;
    case "leaseChanged":
      return seen(turn, observeChange(turn.state.election, event.lease, turn.at));
    case "leaseRead":
      return seen(turn, observeRead(turn.state.election, event, turn.at));
    case "leaseWritten":
      set(turn, { election: observeWrite(turn.state.election, event, turn.at) });
      return leaseSeen(turn);
    case "redisObserved":
      return redisSeen(turn, event.observation);
    case "redisRoleDone":
      return roleDone(turn, event.id, event.outcome);
    case "offsetAwaited":
      return offsetAwaited(turn, event);
    case "sourceAnswered":
      return sourceAnswered(turn, event.id, event.outcome);
    case "guardObserved":
      return observeGuard(turn, event.guard);
    case "recordWritten":
      return recordWritten(turn, event);
    case "podsObserved":
      return podsSeen(turn, event);
    case "sliceObserved":
      return observeSlice(turn, event.slice);
    case "sliceWritten":
      return sliceWritten(turn, event.seq, event.outcome);
    case "controlObserved":
      return controlObserved(turn, event.control);
    case "peerReported":
      return peerReported(turn, event);
    case "peersDone":
      return peersDone(turn, event.round);
    case "promiseAsked":
      return promiseAsked(turn, event.requestId, event.request);
    case "handoverAsked":
      return handoverAsked(turn, event.requestId, event.question);
    case "promiseAnswered":
      return promiseAnswered(turn, event);
    case "stopRequested":
      return requestStop(turn);
    case "terminate":
      return terminate(turn);
  }
}

/** It may be the hand-over that was accepted in advance. */
function seen(turn: Turn, election: MemberState["election"]): void {
  const { acceptance } = turn.state.election;
  set(turn, { election });
  leaseSeen(turn);
  if (acceptance !== null && election.acceptance === null) beganByAcceptance(turn);
}

function leaseSeen(turn: Turn): void {
  const record = recordOf(turn.state.election.view);
  if (record === null) return settleMove(turn);
  const handledRequest = record.handover?.request ?? turn.state.handledRequest;
  set(turn, { handledRequest, lineage: uniteLineages(turn.state.lineage, record.lineage) });
  settleMove(turn);
}

function podsSeen(
  turn: Turn,
  event: { readonly pods: NonNullable<Turn["state"]["pods"]>; readonly seq?: number },
): void {
  const { podCheck, stop } = turn.state;
  const { pods, seq } = event;
  const checks = podCheck !== null && seq === podCheck.seq;
  const answersStop = stop !== null && seq === stop.podRead;
  set(turn, {
    pods,
    podCheck: checks ? { ...podCheck, confirmed: true } : podCheck,
    stop: answersStop ? { ...stop, podRead: "answered" } : stop,
  });
}

/** A lead belongs to a process: another one that answers means that it is dead (U5). */
function redisSeen(turn: Turn, observation: RedisObservation): void {
  const before = turn.state.redis.process;
  observeRedis(turn, observation);
  const { redis, lead, handoff } = turn.state;
  if (before === null || redis.process?.runId === before.runId) return;
  if (before.runId === turn.state.offeredAfterDeath) return;
  // What was judged, was judged of the process before.
  const { acquiring } = turn.state;
  if (lead !== null) set(turn, { lead: { ...lead, judged: false, since: turn.at } });
  if (acquiring !== null) set(turn, { acquiring: { ...acquiring, judged: false } });
  const leads = lead !== null && lead.phase !== "won" && lead.phase !== "recording";
  const given = ["transferring", "settling", "leaving"];
  if (leads || (handoff !== null && !given.includes(handoff.phase))) leaveDead(turn, before);
}

function recordWritten(
  turn: Turn,
  event: { readonly seq: number; readonly ok: boolean; readonly message: string },
): void {
  const failedBefore = turn.state.record.failedAt !== null;
  observeRecord(turn, event);
  if (event.ok || failedBefore) return;
  announce(turn, "record", { words: `the record file could not be written: ${event.message}` });
}

function peerReported(
  turn: Turn,
  event: { readonly round: number; readonly member: string; readonly report: MemberReport | null },
): void {
  if (event.round !== turn.state.poll.round) return;
  const before = turn.state.peers[event.member];
  const report = event.report ?? before?.report ?? null;
  const answered = event.report !== null && isThatPod(turn, event.report);
  const peers = { ...turn.state.peers, [event.member]: { report, at: turn.at, answered } };
  set(turn, { peers });
  if (!answered || event.report === null) return;
  set(turn, {
    election: hearEpoch(turn.state.election, event.report.epoch, turn.at),
    lineage: uniteLineages(turn.state.lineage, event.report.lineage, turn.state.lineage),
  });
}

/** An address may have gone to another pod since. */
function isThatPod(turn: Turn, report: MemberReport): boolean {
  const pod = podOf(turn.state, report.member);
  return pod === null || pod.uid === report.podUid;
}

function peersDone(turn: Turn, round: number): void {
  const { poll } = turn.state;
  if (poll.round !== round) return;
  set(turn, { poll: { ...poll, doneAt: turn.at, freshFrom: poll.startedAt } });
}

function roleDone(turn: Turn, id: number, outcome: RoleOutcome): void {
  const { redis } = turn.state;
  const own = redis.role.pending.find((one) => one.id === id);
  if (own === undefined) return;
  const pending = redis.role.pending.filter((one) => one !== own);
  setRedis(turn, { role: { ...redis.role, pending, doneAt: turn.at } });
  if (outcome.ok) roleSucceeded(turn, own, outcome);
  else roleFailed(turn, own, outcome);
}

function roleSucceeded(
  turn: Turn,
  own: PendingRole,
  outcome: Extract<RoleOutcome, { readonly ok: true }>,
): void {
  const { kind } = own.command;
  const { info } = turn.state.redis;
  const { role: answeredRole, replid, offset } = outcome;
  if (info !== null) {
    // The answer is newer than the last probe.
    const fresh = kind === "promote" || kind === "demote";
    const upstream = kind === "promote" ? null : info.upstream;
    const next = { ...info, role: answeredRole, replid, offset };
    setRedis(turn, { info: fresh ? { ...next, upstream, linkUp: false } : { ...info, offset } });
  }
  if (own.command.kind === "promote") {
    const parent = info?.replid ?? null;
    return promoteAnswered(turn, outcome, { epoch: own.command.epoch, parent });
  }
  if (kind === "pause") return paused(turn);
  const { lead } = turn.state;
  const isOpen = lead?.phase === "open";
  if (kind === "unpause" && isOpen) return set(turn, { lead: { ...lead, pausedAt: null } });
  if (kind === "minReplicas" && isOpen) return set(turn, { lead: { ...lead, guarded: true } });
  if (kind !== "demote" && kind !== "verifyDemoted") return;
  demotionAnswered(turn, kind, outcome);
}

function promoteAnswered(
  turn: Turn,
  outcome: Extract<RoleOutcome, { readonly ok: true }>,
  asked: { readonly epoch: number; readonly parent: string | null },
): void {
  if (outcome.role !== "primary") return doubt(turn);
  const { role: state, data } = turn.state.redis;
  setRedis(turn, { role: { ...state, known: "primary" } });
  const { replid, offset } = outcome;
  const isOwn = data?.kind === "live" || data?.kind === "saved";
  const moved = sourceContinued(turn.state, asked.parent);
  const parent = moved ?? (isOwn ? asked.parent : null);
  // Also if the right ended meanwhile: a replid that was told must not become an unknown one.
  const entry = { epoch: asked.epoch, replid, startOffset: offset, parent };
  set(turn, { lineage: uniteLineages(turn.state.lineage, [entry]) });
  promoted(turn, { replid, offset, parent });
}

/** Confirmed only if every older role command was answered on this connection (U6). */
function demotionAnswered(
  turn: Turn,
  kind: "demote" | "verifyDemoted",
  outcome: Extract<RoleOutcome, { readonly ok: true }>,
): void {
  const { role: state } = turn.state.redis;
  const unclear = state.known === "unknown" || state.known === "unsettled";
  const surely = kind === "verifyDemoted" || !unclear;
  if (outcome.role !== "replica") return doubt(turn);
  if (!surely) return;
  const later = state.pending.some((one) => one.command.kind === "promote");
  if (!later) setRedis(turn, { role: { ...state, known: "demoted" } });
  if (kind === "demote") demoted(turn, outcome);
}

function doubt(turn: Turn): void {
  const { role: state } = turn.state.redis;
  setRedis(turn, { role: { ...state, known: "unknown" } });
}

/** A replica stays one, whether or not it obeys, but may not lead before that is settled (U6). */
function followUnanswered(turn: Turn): void {
  const { role: state } = turn.state.redis;
  if (!isReplicaForCertain(state)) return doubt(turn);
  const unsettledSince = state.known === "unsettled" ? state.unsettledSince : turn.at;
  setRedis(turn, { role: { ...state, known: "unsettled", unsettledSince } });
}

function roleFailed(
  turn: Turn,
  own: PendingRole,
  outcome: Extract<RoleOutcome, { readonly ok: false }>,
): void {
  const { kind } = own.command;
  const changes = kind === "promote" || kind === "demote" || kind === "follow";
  if (kind === "promote") return promoteFailed(turn, outcome);
  if (kind === "pause") return pauseFailed(turn, outcome.message);
  if (!changes && kind !== "verifyDemoted") return;
  // A demotion that Redis refuses, or does not answer, is answered by a kill (section 3).
  const { lead, redis } = turn.state;
  const needed = mayBeWritable(turn.state) && lead === null && !isReplicaForCertain(redis.role);
  // One that was not answered may still be queued: an old REPLICAOF must not meet a new role.
  const late = kind === "follow" && outcome.error === "timeout";
  if (outcome.sent && late) followUnanswered(turn);
  else if (outcome.sent && changes && mayBeWritable(turn.state)) doubt(turn);
  if (kind === "verifyDemoted" || !needed) return;
  if (outcome.error === "timeout" || outcome.error === "busy") killRedis(turn, "selfFence");
}

function promoteFailed(turn: Turn, outcome: Extract<RoleOutcome, { readonly ok: false }>): void {
  const { lead, redis } = turn.state;
  const sent = outcome.sent && outcome.error !== "busy" && outcome.error !== "loading";
  const known = sent ? "unknown" : "demoted";
  setRedis(turn, { role: { ...redis.role, known } });
  announce(turn, "promote", { words: `promotion failed: ${outcome.message}` });
  // The epoch is used up whether or not Redis obeyed: the next try has a new one (U20).
  const { monotonicMs, bootMs } = turn.at;
  const retryAt = { monotonicMs: monotonicMs + PROMOTE_RETRY_MS, bootMs };
  if (lead !== null) set(turn, { lead: { ...lead, phase: "won", retryAt } });
  if (outcome.error === "timeout") killRedis(turn, "selfFence");
  else if (sent) role(turn, { kind: "demote", cutClients: true }, "selfFence");
}
