/**
 * What answers of the API mean. A GET replaces the view whatever its resourceVersion, unless a
 * request that was sent later has answered; a write counts from the send of *its own* try; 409 and
 * unknown outcomes ask for a read (docs/protocol.md, section 2; red-team U2, U17).
 */
import { beginAccepted } from "./acceptance.ts";
import { leaderElapsedMs, waiterElapsedMs, type Instant } from "./instant.ts";
import type { LeaseReadOutcome, LeaseWriteOutcome } from "./ports.ts";
import {
  isEarlierAttempt,
  nonceOfAttempt,
  parseIdentity,
  type Epoch,
  type Identity,
  type LeaseRecord,
  type VersionedLease,
} from "./record.ts";
import { rightMs } from "./right.ts";
import { wantRead } from "./write.ts";
import { MISSING_GAP_MS, POST_TRUST_MS } from "./timing.ts";
import { versionOf, type Basis, type ElectionState, type Term, type Try } from "./state.ts";

export function observeRead(
  state: ElectionState,
  answer: { readonly seq: number; readonly outcome: LeaseReadOutcome },
  at: Instant,
): ElectionState {
  const reads = state.reads.filter((read) => read.seq !== answer.seq);
  const { outcome } = answer;
  if (outcome.kind === "failed") {
    const lastRead = state.lastRead === null ? null : { ...state.lastRead, failed: true };
    return { ...state, reads, lastRead, readWanted: true };
  }
  // What this answer overtook is dropped when it comes: nobody waits for it any more.
  const younger = reads.filter((read) => read.seq > answer.seq);
  const answered = {
    ...state,
    reads: younger,
    answeredAt: at,
    firstReadAt: state.firstReadAt ?? at,
  };
  if (answer.seq <= viewSeq(state)) return answered;
  return sawLease({ ...answered, refusedVersion: null }, { seq: answer.seq, outcome }, at);
}

/**
 * What a watch brings may be old: it causes a read, and proves nothing. The one exception saves a
 * hand-over that read: an offer to this process, of an epoch above all that it knows, is no older
 * than its view, and accepting it is a compare-and-swap on exactly that version, which fails if
 * anything came after.
 */
export function observeChange(
  state: ElectionState,
  lease: VersionedLease | null,
  at: Instant,
): ElectionState {
  const isIdle = state.term === null && state.tries.length === 0 && state.view.kind === "present";
  if (lease === null || !isIdle || offerIn(state, lease) === null) {
    return wantRead(state, lease?.resourceVersion ?? null, at);
  }
  const seq = state.seq + 1;
  return beginAccepted(
    replaceView({ ...state, seq, refusedVersion: null }, { lease, seq }, at),
    at,
  );
}

/** An answer that is newer than the view; it settles what a refusal had put in doubt. */
function sawLease(
  answered: ElectionState,
  answer: { readonly seq: number; readonly outcome: Exclude<LeaseReadOutcome, { kind: "failed" }> },
  at: Instant,
): ElectionState {
  const { outcome } = answer;
  const { view } = answered;
  // Reads that were open together may be answered in any order: an older record among them is no
  // restored one. Only a read that was sent after the newer answer may turn the view back.
  const together = view.kind === "present" && answer.seq <= view.answeredSeq;
  if (together && outcome.kind === "present" && isOutdatedRecord(answered, outcome.lease.record)) {
    return { ...answered, readWanted: true };
  }
  if (outcome.kind === "missing") return observeMissing(answered, answer.seq, at);
  const before = versionOf(answered.view);
  const seen = replaceView(answered, { lease: outcome.lease, seq: answer.seq }, at);
  return beginAccepted(judge(seen, before, at), at);
}

function viewSeq(state: ElectionState): number {
  return state.view.kind === "unread" ? -1 : state.view.seq;
}

function observeMissing(state: ElectionState, seq: number, at: Instant): ElectionState {
  const view = state.view;
  // A version proves that nothing happened between two looks; "missing" has none.
  const seamless = view.kind === "missing" && waiterElapsedMs(view.seenAt, at) <= MISSING_GAP_MS;
  const since = seamless ? view.since : at;
  const maxDurationMs = view.kind === "unread" ? 0 : view.maxDurationMs;
  const next = { kind: "missing" as const, since, seenAt: at, seq, maxDurationMs };
  return { ...state, view: next, offer: null };
}

interface Sight {
  readonly lease: VersionedLease;
  readonly seq: number;
}

function replaceView(state: ElectionState, sight: Sight, at: Instant): ElectionState {
  const { lease, seq } = sight;
  const before = state.view;
  const same = versionOf(before) === `${lease.uid}/${lease.resourceVersion}`;
  const since = same && before.kind === "present" ? before.since : at;
  const sameHolder =
    before.kind === "present" && before.lease.record.holder === lease.record.holder;
  const longest = sameHolder ? before.maxDurationMs : 0;
  const maxDurationMs = Math.max(longest, lease.record.durationMs);
  const answeredSeq = state.seq;
  const view = { kind: "present" as const, lease, since, seq, answeredSeq, maxDurationMs };
  const next = { ...state, view };
  const offered = same ? state.offer : offerIn(state, lease);
  return settle(learnRecord({ ...next, offer: offered }, lease.record));
}

function learnRecord(state: ElectionState, record: LeaseRecord): ElectionState {
  if (isOutdatedRecord(state, record)) return state;
  const learned = learnEpoch(state, record.epoch, record.holder);
  const { epochSettled } = state;
  const settled = record.handover === null ? Math.max(epochSettled, record.epoch) : epochSettled;
  return { ...learned, attemptSeen: record.attempt, epochSettled: settled };
}

/** Older than what this process has read: somebody put a copy back. */
export function isOutdatedRecord(state: ElectionState, record: LeaseRecord): boolean {
  if (record.epoch !== state.epochSeen) return record.epoch < state.epochSeen;
  if (record.handover !== null && record.epoch <= state.epochSettled) return true;
  return isEarlierAttempt(record.attempt, state.attemptSeen);
}

/** A hand-over to this process, of an epoch above all that it has seen itself (U17). */
function offerIn(state: ElectionState, lease: VersionedLease): string | null {
  const { record } = lease;
  if (record.holder !== state.me || record.handover?.to !== state.me) return null;
  if (record.epoch <= state.epochSeen || record.epoch < state.epochHeard) return null;
  return `${lease.uid}/${lease.resourceVersion}`;
}

/** Folds in an epoch that was read first hand, with its holder where that is known. */
export function learnEpoch(
  state: ElectionState,
  epoch: Epoch,
  holder: Identity | null,
): ElectionState {
  if (epoch < state.epochSeen) return state;
  const holderSeen = holder ?? (epoch === state.epochSeen ? state.holderSeen : null);
  return { ...state, epochSeen: epoch, epochHeard: Math.max(state.epochHeard, epoch), holderSeen };
}

/**
 * Folds in an epoch that somebody mentioned. It may have been that of a Lease which was created and
 * deleted between two looks: the Lease is missing since now at the earliest.
 */
export function hearEpoch(state: ElectionState, epoch: Epoch, at: Instant): ElectionState {
  if (epoch <= state.epochHeard) return state;
  const view = state.view.kind === "missing" ? { ...state.view, since: at } : state.view;
  return { ...state, epochHeard: epoch, view };
}

/** Drops tries that can never commit any more: the version they compare with is gone. */
function settle(state: ElectionState): ElectionState {
  const view = state.view;
  if (view.kind !== "present") return state;
  const { uid, resourceVersion } = view.lease;
  const tries = state.tries.filter((one) => {
    if (one.seq > view.seq) return true;
    if (one.attempt === view.lease.record.attempt) return true;
    if (one.base === null) return one.open;
    return one.base.uid === uid && one.base.resourceVersion === resourceVersion;
  });
  return tries.length === state.tries.length ? state : { ...state, tries };
}

/** What the record says of this process' own term; `before` is the version that it knew. */
function judge(state: ElectionState, before: string | null, at: Instant): ElectionState {
  if (state.view.kind !== "present") return state;
  const { record } = state.view.lease;
  const own = state.tries.find((one) => one.attempt === record.attempt);
  if (own !== undefined) return judgeOwnTry(state, own, at);
  if (state.term === null) return state;
  if (record.holder === state.me && isOfTerm(state.term, state.nonce, record)) {
    // Without a right somebody else may have led since, and an own old record under a new version
    // is one that was put back (U17).
    const unchanged = before === versionOf(state.view);
    return unchanged || rightMs(state, at) > 0 ? state : endTerm(state);
  }
  if (leadsAfterPredecessor(state, record)) return state;
  return endTerm(state);
}

function judgeOwnTry(state: ElectionState, own: Try, at: Instant): ElectionState {
  const rest = { ...state, tries: state.tries.filter((one) => one !== own) };
  if (own.purpose === "transfer" || own.purpose === "release") return gaveAway(rest, own);
  // Somebody may have held the Lease, and lost it, while the creation was on its way: the record
  // is then like a stranger's, and waited for.
  const created = own.purpose === "acquire" && own.base === null;
  if (created && leaderElapsedMs(own.sentAt, at) > POST_TRUST_MS) return rest;
  return confirm(rest, own);
}

/** Attempts older than the remembered ones prove that the record is ours, and move nothing. */
function isOfTerm(term: Term, nonce: string, record: LeaseRecord): boolean {
  const attempt = record.handover?.accepted ?? record.attempt;
  if (nonceOfAttempt(attempt) !== nonce) return false;
  return Number(attempt?.slice(nonce.length + 1)) >= term.firstCounter;
}

/** A restarted process that resumed by promises finds its predecessor in the Lease. */
function leadsAfterPredecessor(state: ElectionState, record: LeaseRecord): boolean {
  if (state.term === null || state.term.confirmed !== null) return false;
  return isOwnPredecessor(state, record);
}

/** Same pod, other process, and that process wrote this version. */
export function isOwnPredecessor(state: ElectionState, record: LeaseRecord): boolean {
  const holder = record.holder === null ? null : parseIdentity(record.holder);
  if (holder === null || holder.podUid !== state.podUid || holder.nonce === state.nonce) {
    return false;
  }
  return nonceOfAttempt(record.attempt) === holder.nonce;
}

function endTerm(state: ElectionState): ElectionState {
  return { ...state, term: null, round: null };
}

function gaveAway(state: ElectionState, own: Try): ElectionState {
  if (state.term === null || state.term.id !== own.termId) return state;
  return { ...state, term: null, round: null };
}

export function observeWrite(
  state: ElectionState,
  answer: { readonly seq: number; readonly outcome: LeaseWriteOutcome },
  at: Instant,
): ElectionState {
  const own = state.tries.find((one) => one.seq === answer.seq);
  if (own === undefined) return state;
  const { outcome } = answer;
  if (outcome.kind === "unknown") {
    const tries = state.tries.map((one) => (one === own ? { ...own, open: false } : one));
    return { ...state, tries, readWanted: true };
  }
  if (outcome.kind !== "committed") {
    const tries = state.tries.filter((one) => one !== own);
    const refusedVersion = own.base === null ? "missing" : baseVersion(own);
    return { ...state, tries, refusedVersion, readWanted: true, answeredAt: at };
  }
  return observeCommit({ ...state, answeredAt: at }, own, { lease: outcome.lease, at });
}

function observeCommit(
  state: ElectionState,
  own: Try,
  commit: { readonly lease: VersionedLease; readonly at: Instant },
): ElectionState {
  // Causality before the order of sends: a commit on version b comes right after b, so it is newer
  // than a view that still is b, whatever was asked and answered in between (U2, U8).
  const follows = own.base !== null && versionOf(state.view) === baseVersion(own);
  if (own.seq > viewSeq(state) || follows) {
    // A read that was sent before this answer may have been served before the write: it is asked
    // again, or it would turn the view back.
    const seen = replaceView(state, { lease: commit.lease, seq: state.seq }, commit.at);
    const readWanted = seen.readWanted || seen.reads.length > 0;
    return judge({ ...seen, readWanted }, versionOf(state.view), commit.at);
  }
  // A request sent later has shown what came after: a read decides.
  const rest = { ...state, tries: state.tries.filter((one) => one !== own), readWanted: true };
  return own.purpose === "renew" ? confirm(rest, own) : rest;
}

function baseVersion(own: Try): string | null {
  return own.base === null ? null : `${own.base.uid}/${own.base.resourceVersion}`;
}

/** The try is known to have committed: its right counts from its own send. */
function confirm(state: ElectionState, own: Try): ElectionState {
  const basis: Basis = { from: own.sentAt, durationMs: own.durationMs };
  const term = state.term;
  if (own.purpose === "acquire" && term?.id !== own.termId) return begin(state, own, basis);
  if (term === null || term.id !== own.termId) return state;
  if (term.gaveSeq !== null && own.seq < term.gaveSeq) return state;
  const epoch = Math.max(term.epoch, own.epoch);
  const firstCounter = Math.max(term.firstCounter, counterOf(state, own));
  const next = { ...renewed(term, basis), epoch, firstCounter };
  return { ...learnEpoch(state, epoch, state.me), term: next };
}

function counterOf(state: ElectionState, own: Try): number {
  return Number(own.attempt.slice(state.nonce.length + 1));
}

function begin(state: ElectionState, own: Try, basis: Basis): ElectionState {
  // A try of an ended term that surfaces now is a stranger's record (U17).
  if (own.termId !== state.termCounter) return state;
  const carried = state.term?.promised ?? null;
  const term: Term = {
    id: own.termId,
    epoch: own.epoch,
    firstCounter: counterOf(state, own),
    confirmed: basis,
    promised: carried,
    cap: null,
    gaveSeq: null,
  };
  return { ...state, term, offer: null, round: null };
}

function renewed(term: Term, basis: Basis): Term {
  const before = term.confirmed;
  const newer = before === null || basis.from.monotonicMs >= before.from.monotonicMs;
  const confirmed = newer ? basis : before;
  const capOver = term.cap !== null && basis.from.monotonicMs >= term.cap.from.monotonicMs;
  return {
    ...term,
    confirmed,
    cap: capOver ? null : term.cap,
    gaveSeq: newer ? null : term.gaveSeq,
  };
}
