/**
 * Sending: when a renewal or a read is due, and how a try is written down before it leaves. Every
 * try carries its own `attempt`, so no two bodies are equal, and the uid and version it compares
 * with, so nothing but POST creates a Lease (docs/protocol.md, section 2; red-team U2, U3).
 */
import { waiterElapsedMs, type Instant } from "./instant.ts";
import type { LeaseWrite } from "./ports.ts";
import type { LeaseRecord, MemberName } from "./record.ts";
import { HEDGE_MS, MAX_OPEN_TRIES, MISSING_LOOK_MS, RETRY_MS, quietMs, waitMs } from "./timing.ts";
import { versionOf, type ElectionState, type Term, type Try, type TryPurpose } from "./state.ts";

/** Tries remembered for dating; older ones still count as ours by their counter. */
const REMEMBERED_TRIES = 32;
const MAX_OPEN_READS = 2;
/** A read that has been open this long gets another one beside it. */
const READ_HEDGE_MS = 800;
const READ_SPACING_MS = 100;
/** Who has just tried to write has a part in what happens. */
const TRIED_MS = 1000;

export interface Draft {
  readonly purpose: TryPurpose;
  readonly record: Omit<LeaseRecord, "attempt">;
}

export interface SentTry {
  readonly state: ElectionState;
  readonly seq: number;
  readonly attempt: string;
  readonly write: LeaseWrite;
  readonly connection: number;
}

/** Writes down a try and returns what to send. The caller sends it at once. */
export function startTry(state: ElectionState, draft: Draft, at: Instant): SentTry {
  const counter = state.counter + 1;
  const seq = state.seq + 1;
  const attempt = `${state.nonce}.${counter}`;
  const begins = draft.purpose === "acquire";
  const termId = begins ? nextTermId(state) : (state.term?.id ?? state.termCounter);
  const one: Try = {
    seq,
    attempt,
    termId,
    purpose: draft.purpose,
    sentAt: at,
    durationMs: draft.record.durationMs,
    epoch: draft.record.epoch,
    base: baseOf(state),
    members: Object.keys(draft.record.members),
    open: true,
  };
  const tries = remember([...state.tries, one]);
  const next: ElectionState = {
    ...state,
    counter,
    seq,
    tries,
    lastTryAt: at,
    termCounter: Math.max(state.termCounter, termId),
    term: state.term === null ? null : afterSending(state.term, one),
  };
  const record = { ...draft.record, attempt };
  const write = { record, base: one.base, acquires: begins || draft.purpose === "transfer" };
  return { state: next, seq, attempt, write, connection: openTries(state) % MAX_OPEN_TRIES };
}

/** A try that is forgotten leaves its names to the oldest one that is kept (U8). */
function remember(tries: readonly Try[]): readonly Try[] {
  const [gone, heir, ...rest] = tries;
  if (tries.length <= REMEMBERED_TRIES || gone === undefined || heir === undefined) return tries;
  const members = [...new Set([...heir.members, ...gone.members])].toSorted();
  return [{ ...heir, members }, ...rest];
}

/** Tries of one acquisition share a term, so that the one that committed begins it. */
function nextTermId(state: ElectionState): number {
  const base = baseOf(state);
  const sibling = state.tries.find(
    (one) =>
      one.purpose === "acquire" &&
      one.termId === state.termCounter &&
      one.base?.resourceVersion === base?.resourceVersion &&
      one.base?.uid === base?.uid,
  );
  return sibling === undefined ? state.termCounter + 1 : sibling.termId;
}

function baseOf(state: ElectionState): Try["base"] {
  if (state.view.kind !== "present") return null;
  const { uid, resourceVersion } = state.view.lease;
  return { uid, resourceVersion };
}

function afterSending(term: Term, one: Try): Term {
  if (one.purpose === "transfer" || one.purpose === "release") {
    // From here on the Lease may belong to another: the right ends with the send, not the answer.
    return { ...term, confirmed: null, promised: null, gaveSeq: one.seq };
  }
  const longest = Math.max(term.confirmed?.durationMs ?? 0, term.promised?.durationMs ?? 0);
  if (one.durationMs >= longest) return term;
  const cap = { from: one.sentAt, durationMs: one.durationMs };
  return term.cap === null ? { ...term, cap } : term;
}

export function openTries(state: ElectionState): number {
  return state.tries.filter((one) => one.open).length;
}

/**
 * A try is under way and its answer is near: it brings the version that the next one has to be
 * based on, so that what matters (a transfer, a release) does not lose against an own renewal.
 */
export function awaitsAnswer(state: ElectionState, at: Instant): boolean {
  if (openTries(state) === 0 || state.lastTryAt === null) return false;
  return waiterElapsedMs(state.lastTryAt, at) < HEDGE_MS;
}

/** The view is in doubt: a write on this version was refused, or a read is wanted. */
export function viewIsInDoubt(state: ElectionState): boolean {
  return state.readWanted || state.refusedVersion === (versionOf(state.view) ?? "missing");
}

/** A release is under way: taking it back would undo what was wanted. */
export function isReleasing(state: ElectionState, at: Instant): boolean {
  const gaveSeq = state.term?.gaveSeq ?? null;
  const gave = state.tries.find((one) => one.seq === gaveSeq);
  if (gave === undefined || gave.purpose !== "release") return false;
  return waiterElapsedMs(gave.sentAt, at) < waitMs(gave.durationMs);
}

/** A transfer or release was sent and nothing has settled it: no right, no promises (U7). */
export function gaveWithUnknownOutcome(state: ElectionState): boolean {
  return state.term?.gaveSeq !== null && state.term?.gaveSeq !== undefined;
}

/** Every list that may be in force: the confirmed one and those of unsettled tries (U8). */
export function listsInForce(state: ElectionState): readonly MemberName[] {
  const confirmed =
    state.view.kind === "present" ? Object.keys(state.view.lease.record.members) : [];
  const names = new Set(confirmed);
  for (const one of state.tries) for (const name of one.members) names.add(name);
  return [...names].toSorted();
}

/**
 * Milliseconds until the next try of a kind that repeats (renewals each `intervalMs` from the send
 * of the last confirmed one); 0: now; null: not before an answer.
 */
export function tryDueInMs(state: ElectionState, intervalMs: number, at: Instant): number | null {
  const open = openTries(state);
  const last = state.lastTryAt;
  const sinceLast = last === null ? Infinity : waiterElapsedMs(last, at);
  if (open >= MAX_OPEN_TRIES) return null;
  if (open > 0) return Math.max(0, HEDGE_MS - sinceLast);
  const confirmed = state.term?.confirmed?.from;
  const rest = confirmed === undefined ? 0 : intervalMs - waiterElapsedMs(confirmed, at);
  return Math.max(0, rest, RETRY_MS - sinceLast);
}

/** True if the Lease should be read now: a doubt, or nothing heard for 1.75 R. */
export function readIsDue(state: ElectionState, renewIntervalMs: number, at: Instant): boolean {
  if (state.reads.length >= MAX_OPEN_READS) return false;
  const last = state.lastRead;
  const isOpen = state.reads.length > 0 && last !== null;
  if (isOpen) return waiterElapsedMs(last.at, at) >= READ_HEDGE_MS;
  if (last?.failed && waiterElapsedMs(last.at, at) < RETRY_MS) return false;
  if (state.readWanted) return readSpacingMs(state, at) === 0;
  if (state.answeredAt === null) return true;
  if (state.view.kind === "missing") {
    return waiterElapsedMs(state.view.seenAt, at) >= MISSING_LOOK_MS;
  }
  return waiterElapsedMs(state.answeredAt, at) >= quietMs(renewIntervalMs);
}

/**
 * How long a wanted read still waits, in milliseconds. A hand-over changes the Lease three times in
 * twenty milliseconds: who has no part in it reads once, and is not in the way of those who have.
 */
export function readSpacingMs(state: ElectionState, at: Instant): number {
  if (state.lastRead === null || state.term !== null) return 0;
  // Who is offered the lead takes nothing while a read is wanted, and writes stand still.
  if (state.offer !== null) return 0;
  const hasTried = state.lastTryAt !== null && waiterElapsedMs(state.lastTryAt, at) < TRIED_MS;
  if (hasTried) return 0;
  return Math.max(0, READ_SPACING_MS - waiterElapsedMs(state.lastRead.at, at));
}

export function startRead(state: ElectionState, at: Instant): ElectionState {
  const seq = state.seq + 1;
  return {
    ...state,
    seq,
    reads: [...state.reads, { seq, at }],
    lastRead: { at, failed: false },
    readWanted: false,
  };
}

/**
 * A sign that the Lease may have changed. Decides nothing. An own try that is under way answers
 * the question by itself, and a version already seen is no news.
 */
export function wantRead(
  state: ElectionState,
  resourceVersion: string | null,
  at: Instant,
): ElectionState {
  const young = state.tries.every((one) => !one.open || waiterElapsedMs(one.sentAt, at) < HEDGE_MS);
  if (young && openTries(state) > 0) return state;
  const view = state.view;
  if (view.kind === "present" && view.lease.resourceVersion === resourceVersion) return state;
  return state.readWanted ? state : { ...state, readWanted: true };
}
