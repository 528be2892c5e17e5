/**
 * Leading without the API, by the promise of every listed member; and answering such questions
 * (docs/protocol.md, section 7). Who gave a promise has made epoch and lineage durable first.
 */
import {
  bind,
  failsafeAfterMs,
  gainByPromise,
  isBound,
  gaveWithUnknownOutcome,
  leadsByPromise,
  listsInForce,
  observePromise,
  parseIdentity,
  recordOf,
  refusalOf,
  roundIsComplete,
  startRound,
  waiterElapsedMs,
  waitMs,
  type Epoch,
  type MemberName,
  type PromiseAnswer,
  type PromiseRequest,
} from "@leasehold/election";
import type { Peer } from "./action.ts";
import { uniteLineages } from "./lineage.ts";
import { inheritedMs } from "./plan-fence.ts";
import { recordIsStuck } from "./members.ts";
import { mayRenew } from "./plan-lease.ts";
import { ensureRecord, isRecorded } from "./plan-record.ts";
import { isReplicaForCertain, mayBeWritable } from "./redis-view.ts";
import type { MemberState } from "./state.ts";
import { act, announce, peerOf, right, set, type Turn } from "./turn.ts";

const MAX_PENDING = 16;

export function planFailsafe(turn: Turn): void {
  answerPending(turn);
  const active = leadsByPromise(turn.state.election, turn.at);
  if (active !== turn.state.failsafe.active) noteChange(turn, active);
  if (!turn.config.failsafe.enabled || !needsPromises(turn)) return;
  const { askedAt, notBefore } = turn.state.failsafe;
  if (askedAt !== null && waiterElapsedMs(askedAt, turn.at) < turn.config.renewIntervalMs) return;
  const leads = right(turn) > 0 && turn.state.lead !== null;
  if (!leads && letsOthersTry(turn)) return;
  if (!leads && notBefore !== null && notBefore.monotonicMs > turn.at.monotonicMs) return;
  ask(turn, leads);
}

/** A binding round that failed holds others down: they get their turn before the next one (S2). */
function letsOthersTry(turn: Turn): boolean {
  const { round } = turn.state.election;
  if (round === null || !round.binding || !round.resumes) return false;
  if (turn.state.election.term === null || roundIsComplete(turn.state.election)) return false;
  const { monotonicMs, bootMs } = turn.at;
  const restMs = 2 * waitMs(turn.config.leaseDurationMs);
  const notBefore = { monotonicMs: monotonicMs + restMs, bootMs };
  const election = { ...turn.state.election, round: null };
  set(turn, { election, failsafe: { ...turn.state.failsafe, notBefore } });
  return true;
}

function noteChange(turn: Turn, active: boolean): void {
  set(turn, { failsafe: { ...turn.state.failsafe, active } });
  const words = active
    ? "the API does not answer: leads by the promise of all listed members"
    : "does not lead by promises any more";
  announce(turn, "failsafe", { words });
}

/** The newest confirmed renewal is old, or a new process lives on its predecessor's permit. */
function needsPromises(turn: Turn): boolean {
  const { election, stop } = turn.state;
  const { term } = election;
  if (isBound(election.bound, turn.at) || somebodyLedSince(turn.state)) return false;
  if (stop !== null || gaveWithUnknownOutcome(election) || turn.state.broken.length > 0) {
    return false;
  }
  if (term === null) return isRestartedLeader(turn);
  const confirmed = term.confirmed?.from;
  if (confirmed === undefined) return true;
  // The API must be silent: who rests from renewing on purpose asks nobody to hold still.
  if (!mayRenew(turn)) return false;
  return waiterElapsedMs(confirmed, turn.at) > failsafeAfterMs(turn.config.renewIntervalMs);
}

/** The newest epoch that is this member's own: led, or asked for. */
function ownEpoch(state: MemberState): Epoch {
  const led = state.election.term?.epoch ?? state.record.saved?.epoch ?? 0;
  return Math.max(led, state.election.askedEpoch);
}

/**
 * A higher epoch was heard of: whoever leads by it may have the API, and members that this one does
 * not know. Promises of the own list would prove nothing about them.
 */
function somebodyLedSince(state: MemberState): boolean {
  const { epochSeen, epochHeard } = state.election;
  return Math.max(epochSeen, epochHeard) > ownEpoch(state);
}

function isRestartedLeader(turn: Turn): boolean {
  const { election, record, start } = turn.state;
  if (election.view.kind !== "unread" || inheritedMs(turn) <= 0) return false;
  const holder = record.saved?.holder == null ? null : parseIdentity(record.saved.holder);
  const aliveFor = waiterElapsedMs(start.at, turn.at);
  return holder?.podUid === start.podUid && aliveFor > failsafeAfterMs(turn.config.renewIntervalMs);
}

/** Every list that may be in force; where the Lease shows none, that of the record (U8). */
function askedMembers(state: MemberState): readonly MemberName[] {
  const { saved } = state.record;
  const recorded = recordedMembers(state);
  const listed = Object.keys(recordOf(state.election.view)?.members ?? {});
  const known = listed.length > 0 ? (saved?.membersSent ?? []) : recorded;
  return [...new Set([...known, ...listsInForce(state.election), state.start.member])].toSorted();
}

function knowsList(state: MemberState): boolean {
  return recordOf(state.election.view) !== null || recordedMembers(state).length > 0;
}

function recordedMembers(state: MemberState): readonly MemberName[] {
  const { saved } = state.record;
  return [...(saved?.members ?? []), ...(saved?.membersSent ?? [])];
}

function ask(turn: Turn, leads: boolean): void {
  const { state, config } = turn;
  // Who knows no list at all cannot tell who else might lead: its own promise proves nothing.
  if (!knowsList(state)) return;
  const asked = askedMembers(state);
  if (asked.length === 1 && !config.failsafe.alone) return;
  const round = state.election.round;
  const wouldAll = round !== null && !round.binding && roundIsComplete(state.election);
  const led = state.election.term?.epoch ?? 0;
  const epoch = leads ? led : ownEpoch(state) + 1;
  const binding = leads || wouldAll || asked.length === 1;
  const { member } = state.start;
  const { lineage } = state;
  const started = startRound(
    state.election,
    {
      asked,
      epoch,
      lineage,
      durationMs: config.leaseDurationMs,
      binding,
      resumes: !leads,
      me: member,
    },
    turn.at,
  );
  if (started === null) return;
  const failsafe = { ...state.failsafe, askedAt: turn.at };
  set(turn, { election: started.state, failsafe });
  const peers = peersOf(state, asked);
  if (peers.length === asked.length - 1 && peers.length > 0) {
    const timeoutMs = config.renewIntervalMs;
    act(turn, {
      type: "askPromises",
      reason: "failsafe",
      request: started.request,
      peers,
      timeoutMs,
    });
  }
  gain(turn);
}

function peersOf(state: MemberState, asked: readonly MemberName[]): readonly Peer[] {
  return asked
    .filter((name) => name !== state.start.member)
    .map((name) => peerOf(state, name))
    .filter((peer) => peer !== null);
}

export function promiseAnswered(
  turn: Turn,
  answered: {
    readonly round: number;
    readonly member: MemberName;
    readonly answer: PromiseAnswer | null;
  },
): void {
  const before = turn.state.election.round;
  set(turn, { election: observePromise(turn.state.election, answered) });
  if (before?.round !== answered.round) return;
  if (!roundIsComplete(turn.state.election)) return;
  if (before.binding) return gain(turn);
  // All would say yes: ask bindingly, now.
  if (turn.state.failsafe.askedAt !== null && needsPromises(turn)) ask(turn, false);
}

function gain(turn: Turn): void {
  const { round } = turn.state.election;
  if (round === null || !round.binding || !roundIsComplete(turn.state.election)) return;
  const election = gainByPromise(turn.state.election, turn.at);
  if (election === turn.state.election) return;
  const lineageEpoch = Math.max(turn.state.failsafe.lineageEpoch, round.lineageEpoch);
  set(turn, { election, failsafe: { ...turn.state.failsafe, lineageEpoch } });
}

export function promiseAsked(turn: Turn, requestId: number, request: PromiseRequest): void {
  const { state } = turn;
  const { view } = state.election;
  // An unsettled replica stays one: a yes promises no more than that.
  const isWritable = mayBeWritable(state) && !isReplicaForCertain(state.redis.role);
  const refusal = refusalOf(state.election, request, {
    member: state.start.member,
    leads: state.lead !== null || right(turn) > 0 || isWritable,
    knowsNothing: view.kind === "unread" && state.record.saved === null,
  });
  // Who cannot keep a promise says so at once, also to the question that binds nobody.
  const need = { epoch: request.epoch, lineage: request.lineage };
  const stuck = recordIsStuck(state, turn.at) && !isRecorded(turn, need);
  const full = state.pendingPromises.length >= MAX_PENDING || stuck;
  if (refusal !== null || full) {
    const reason = refusal ?? "its record cannot be made durable";
    return answer(turn, requestId, { yes: false, reason });
  }
  if (!request.binding) return answer(turn, requestId, { yes: true, reason: "would" });
  set(turn, {
    election: bind(state.election, request, turn.at),
    lineage: uniteLineages(state.lineage, request.lineage),
    pendingPromises: [...state.pendingPromises, { requestId, epoch: request.epoch }],
    holdBack: null,
  });
  answerPending(turn);
}

/** Epoch and lineage are in the record before the yes leaves. */
function answerPending(turn: Turn): void {
  for (const pending of turn.state.pendingPromises) {
    if (!isBound(turn.state.election.bound, turn.at)) {
      dropPending(turn, pending);
      answer(turn, pending.requestId, { yes: false, reason: "the record took too long" });
      continue;
    }
    if (!ensureRecord(turn, { epoch: pending.epoch, lineage: turn.state.lineage })) return;
    dropPending(turn, pending);
    answer(turn, pending.requestId, { yes: true, reason: "bound" });
  }
}

type Pending = MemberState["pendingPromises"][number];

function dropPending(turn: Turn, pending: Pending): void {
  const pendingPromises = turn.state.pendingPromises.filter((one) => one !== pending);
  set(turn, { pendingPromises });
}

function answer(turn: Turn, requestId: number, said: PromiseAnswer): void {
  const reason = said.yes ? "promiseGiven" : "promiseRefused";
  act(turn, { type: "answerPromise", reason, requestId, answer: said });
}
