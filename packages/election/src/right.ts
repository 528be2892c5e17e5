/**
 * The right to lead: how long it still runs, and from which instant the guard's permit counts.
 * A right exists only while the newest renewal *known to have committed*, or the newest complete
 * promise round, is young enough, counted from when it was sent.
 */
import { leaderElapsedMs, laterOf, type Instant } from "./instant.ts";
import type { Basis, ElectionState, Term } from "./state.ts";
import { permitMs, validityMs } from "./timing.ts";

/** Milliseconds for which this process may still lead; 0: it may not. */
export function rightMs(state: ElectionState, at: Instant): number {
  const term = state.term;
  if (term === null) return 0;
  const left = Math.max(leftMs(term.confirmed, at), leftMs(term.promised, at));
  return term.cap === null ? left : Math.min(left, leftMs(term.cap, at));
}

function leftMs(basis: Basis | null, at: Instant): number {
  if (basis === null) return 0;
  return Math.max(0, validityMs(basis.durationMs) - leaderElapsedMs(basis.from, at));
}

/**
 * Deadline for the permit file, on the boot clock in milliseconds: the send of the request that
 * gave the newest right, plus 0.9 D. Null without a term or right.
 */
export function permitDeadlineBootMs(state: ElectionState): number | null {
  const term = state.term;
  const basis = newestBasis(term);
  if (term === null || basis === null) return null;
  const deadline = basis.from.bootMs + permitMs(basis.durationMs);
  if (term.cap === null) return deadline;
  return Math.min(deadline, term.cap.from.bootMs + permitMs(term.cap.durationMs));
}

function newestBasis(term: Term | null): Basis | null {
  if (term === null) return null;
  const { confirmed, promised } = term;
  if (confirmed === null || promised === null) return confirmed ?? promised;
  return laterOf(confirmed.from, promised.from) === promised.from ? promised : confirmed;
}

/** True while the newest right comes from promises and not from the API. */
export function leadsByPromise(state: ElectionState, at: Instant): boolean {
  const term = state.term;
  if (term === null) return false;
  return leftMs(term.promised, at) > leftMs(term.confirmed, at);
}

/**
 * Ends the term of a holder whose Lease is gone and whose right is over: somebody else may have
 * held it since, so it waits like everybody (U9). With a right it re-creates the Lease at once.
 */
export function expireTerm(state: ElectionState, at: Instant): ElectionState {
  if (state.term === null || state.view.kind !== "missing" || rightMs(state, at) > 0) return state;
  return { ...state, term: null, round: null };
}
