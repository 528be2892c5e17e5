/**
 * A hand-over that is accepted in advance: the successor gives the old holder an attempt of its
 * own, the transfer carries it, and with the sight of that record the successor's term begins. The
 * transfer is then a try of the successor which the old holder writes for it, and like every try it
 * counts from before it was sent: from when the attempt was given (docs/protocol.md, section 5.5).
 *
 * Guarantees: one attempt is good for one hand-over, from that holder, under that epoch; the newest
 * one alone. Whatever does not fit leaves an offer, which is accepted by a write.
 */
import { isBound, isReleasedBy } from "./bound.ts";
import { leaderElapsedMs, type Instant } from "./instant.ts";
import type { Epoch, Identity, LeaseRecord } from "./record.ts";
import { recordOf, versionOf, type Acceptance, type ElectionState, type Term } from "./state.ts";
import { ACCEPTANCE_MS } from "./timing.ts";

/** What the old holder is about to write. */
export interface HandoverQuestion {
  readonly from: Identity;
  readonly epoch: Epoch;
}

/** Null: not now. */
export function acceptInAdvance(
  state: ElectionState,
  { from, epoch }: HandoverQuestion,
  at: Instant,
): { readonly state: ElectionState; readonly attempt: string } | null {
  if (state.term !== null || state.tries.length > 0) return null;
  if (recordOf(state.view)?.holder !== from) return null;
  if (epoch <= state.epochSeen || epoch < state.epochHeard) return null;
  if (isBound(state.bound, at) && !isReleasedBy(state.bound, { from, epoch })) return null;
  const counter = state.counter + 1;
  const attempt = `${state.nonce}.${counter}`;
  return { state: { ...state, counter, acceptance: { attempt, from, epoch, at } }, attempt };
}

/** To be asked of each new view: begins the term if it is the hand-over that was accepted. */
export function beginAccepted(state: ElectionState, at: Instant): ElectionState {
  const { acceptance, view } = state;
  if (acceptance === null || view.kind !== "present") return state;
  if (state.offer === null || state.offer !== versionOf(view)) return state;
  if (state.term !== null || state.tries.length > 0) return state;
  const { record } = view.lease;
  if (!isFor(acceptance, record)) return state;
  if (leaderElapsedMs(acceptance.at, at) > ACCEPTANCE_MS) return state;
  if (isBound(state.bound, at) && !isReleasedBy(state.bound, acceptance)) return state;
  const id = state.termCounter + 1;
  const term: Term = {
    id,
    epoch: record.epoch,
    firstCounter: Number(acceptance.attempt.slice(state.nonce.length + 1)),
    confirmed: { from: acceptance.at, durationMs: record.durationMs },
    promised: null,
    cap: null,
    gaveSeq: null,
  };
  return { ...state, term, termCounter: id, offer: null, acceptance: null, round: null };
}

function isFor(
  { attempt, from, epoch }: Acceptance,
  { handover, ...record }: LeaseRecord,
): boolean {
  return handover?.accepted === attempt && handover.from === from && record.epoch === epoch;
}
