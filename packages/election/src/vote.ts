/**
 * Promises while the API is away: what a member answers, and what a leader gains when everybody
 * said yes in one round. A yes binds from its receipt for 1.02 D; the leader's right counts from
 * the first request of the round, so the right always ends first (docs/protocol.md, section 7).
 */
import type { Instant } from "./instant.ts";
import { leaderElapsedMs } from "./instant.ts";
import { hearEpoch, learnEpoch } from "./observe.ts";
import type { PromiseAnswer, PromiseRequest } from "./promise.ts";
import { parseIdentity, type Epoch, type LineageEntry, type MemberName } from "./record.ts";
import { recordOf, type ElectionState, type Term } from "./state.ts";
import { boundLeftMs } from "./bound.ts";
import { validityMs, waitMs } from "./timing.ts";
import { gaveWithUnknownOutcome } from "./write.ts";

export interface VoterFacts {
  readonly member: MemberName;
  /** This process leads, or its Redis may be writable. */
  readonly leads: boolean;
  /** Neither the Lease was read nor a record found: it knows nothing. */
  readonly knowsNothing: boolean;
}

/** Null: yes. Else the reason, in words. */
export function refusalOf(
  state: ElectionState,
  request: PromiseRequest,
  facts: VoterFacts,
): string | null {
  if (!request.asked.includes(facts.member)) return "I am not in the list that was asked";
  if (facts.leads) return "I lead";
  if (facts.knowsNothing) return "I know neither the Lease nor a record";
  if (state.epochSeen > request.epoch) return `I know epoch ${state.epochSeen}`;
  const other = state.epochSeen === request.epoch && state.holderSeen !== request.holder;
  if (other && state.holderSeen !== null) return `${state.holderSeen} holds that epoch`;
  if (state.tries.length > 0) return "I have a Lease write of unknown outcome";
  const record = recordOf(state.view);
  if (record?.handover != null) return "a hand-over is open";
  // A client of another kind: it is asked for no promise, and leads.
  const holder = record?.holder ?? null;
  if (holder !== null && parseIdentity(holder) === null) return `${holder} holds the Lease`;
  return null;
}

/** Binds this process; the caller makes epoch and lineage durable before it answers yes. */
export function bind(state: ElectionState, request: PromiseRequest, at: Instant): ElectionState {
  if (!request.binding) return state;
  const learned = learnEpoch(state, request.epoch, request.holder);
  const { holder, epoch, durationMs } = request;
  const { bound: before } = state;
  const longer = before !== null && boundLeftMs(before, at) > waitMs(durationMs);
  const span = longer ? before : { from: at, durationMs };
  const bound = { holder, epoch, from: span.from, durationMs: span.durationMs };
  // What is left of an own term is given up with the yes: its record is a stranger's from now on.
  return { ...learned, term: null, round: null, bound };
}

export interface RoundDraft {
  readonly asked: readonly MemberName[];
  readonly epoch: Epoch;
  readonly lineage: readonly LineageEntry[];
  readonly durationMs: number;
  readonly binding: boolean;
  readonly resumes: boolean;
  readonly me: MemberName;
}

/** Null: nothing may be asked now (a transfer of unknown outcome, U7). */
export function startRound(
  state: ElectionState,
  draft: RoundDraft,
  at: Instant,
): { readonly state: ElectionState; readonly request: PromiseRequest } | null {
  if (gaveWithUnknownOutcome(state)) return null;
  const round = state.roundCounter + 1;
  const { epoch, durationMs, binding, asked, lineage } = draft;
  // A round that binds uses its epoch up, whoever answers.
  const askedEpoch = binding ? Math.max(state.askedEpoch, epoch) : state.askedEpoch;
  const heard = binding ? { ...hearEpoch(state, epoch, at), askedEpoch } : state;
  const next: ElectionState = {
    ...heard,
    roundCounter: round,
    round: {
      round,
      startedAt: at,
      durationMs,
      epoch,
      binding,
      resumes: draft.resumes,
      asked,
      yes: asked.filter((name) => name === draft.me),
      lineageEpoch: lineage.at(-1)?.epoch ?? 0,
      refused: null,
    },
  };
  const request = {
    holder: state.me,
    epoch,
    round,
    lineage,
    asked,
    durationMs,
    binding,
  };
  return { state: next, request };
}

export function observePromise(
  state: ElectionState,
  answered: {
    readonly round: number;
    readonly member: MemberName;
    readonly answer: PromiseAnswer | null;
  },
): ElectionState {
  const round = state.round;
  if (round === null || round.round !== answered.round) return state;
  if (answered.answer === null || !answered.answer.yes) {
    const why = answered.answer?.reason ?? "no answer";
    return { ...state, round: { ...round, refused: `${answered.member}: ${why}` } };
  }
  const yes = round.yes.includes(answered.member) ? round.yes : [...round.yes, answered.member];
  return { ...state, round: { ...round, yes } };
}

export function roundIsComplete(state: ElectionState): boolean {
  const round = state.round;
  return round !== null && round.asked.every((name) => round.yes.includes(name));
}

/** A complete binding round gives the right; a round of an older epoch or too late gives none. */
export function gainByPromise(state: ElectionState, at: Instant): ElectionState {
  const round = state.round;
  if (round === null || !round.binding || !roundIsComplete(state)) return state;
  if (gaveWithUnknownOutcome(state) || round.epoch < state.epochSeen) return state;
  if (leaderElapsedMs(round.startedAt, at) >= validityMs(round.durationMs)) return state;
  const promised = { from: round.startedAt, durationMs: round.durationMs };
  const learned = learnEpoch(state, round.epoch, state.me);
  const before = state.term;
  if (before !== null) {
    const term: Term = { ...before, promised, epoch: Math.max(before.epoch, round.epoch) };
    return { ...learned, term };
  }
  const id = state.termCounter + 1;
  const term: Term = {
    id,
    epoch: round.epoch,
    firstCounter: state.counter + 1,
    confirmed: null,
    promised,
    cap: null,
    gaveSeq: null,
  };
  return { ...learned, term, termCounter: id };
}
