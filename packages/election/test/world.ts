/** One process' view of a Lease that the test writes by hand. */
import {
  initialElection,
  observeRead,
  observeWrite,
  startRead,
  startTry,
  type Draft,
  type ElectionState,
  type Instant,
  type LeaseRecord,
  type LeaseWriteOutcome,
  type SentTry,
  type VersionedLease,
} from "../src/index.ts";

export const ME = "r-0_u0_n0";
export const OTHER = "r-1_u1_n1";

export function instant(ms: number, bootMs: number = ms): Instant {
  return { monotonicMs: ms, bootMs };
}

export function record(change: Partial<LeaseRecord> = {}): LeaseRecord {
  return {
    holder: OTHER,
    durationMs: 5000,
    transitions: 0,
    epoch: 1,
    attempt: "n1.1",
    lineage: [],
    members: {},
    position: null,
    handover: null,
    released: null,
    paused: false,
    ...change,
  };
}

export function lease(version: number, change: Partial<LeaseRecord> = {}): VersionedLease {
  return { uid: "lease", resourceVersion: `${version}`, record: record(change) };
}

export function fresh(): ElectionState {
  return initialElection({ me: ME, podUid: "u0", nonce: "n0", epoch: 0, holder: null });
}

/** A read that is sent and answered at once. */
export function see(state: ElectionState, seen: VersionedLease | null, at: Instant): ElectionState {
  const reading = startRead(state, at);
  return readAnswer(reading, { seq: reading.seq, lease: seen }, at);
}

export function draft(purpose: Draft["purpose"], change: Partial<LeaseRecord> = {}): Draft {
  const { attempt: _, ...body } = record({ holder: ME, epoch: 2, ...change });
  return { purpose, record: body };
}

export function send(state: ElectionState, wish: Draft, at: Instant): SentTry {
  return startTry(state, wish, at);
}

/** The answer to a try; `sent.state` is what the process knows when it comes. */
export function answer(sent: SentTry, outcome: LeaseWriteOutcome, at: Instant): ElectionState {
  return observeWrite(sent.state, { seq: sent.seq, outcome }, at);
}

/** What the API server makes of a try that committed. */
export function committed(sent: SentTry, version: number): LeaseWriteOutcome {
  const one = { uid: "lease", resourceVersion: `${version}`, record: sent.write.record };
  return { kind: "committed", lease: one };
}

/** Holder since 1000 ms under epoch 2, version 2. */
export function holder(): ElectionState {
  const seen = see(fresh(), lease(1, { holder: null }), instant(900));
  const sent = send(seen, draft("acquire"), instant(1000));
  return answer(sent, committed(sent, 2), instant(1010));
}

export const UNKNOWN: LeaseWriteOutcome = { kind: "unknown", status: null, message: "no answer" };
export const CONFLICT: LeaseWriteOutcome = { kind: "conflict" };

/** The answer to the read that was sent with `seq`. */
export function readAnswer(
  state: ElectionState,
  answered: { readonly seq: number; readonly lease: VersionedLease | null },
  at: Instant,
): ElectionState {
  const { seq, lease: seen } = answered;
  const outcome =
    seen === null ? { kind: "missing" as const } : { kind: "present" as const, lease: seen };
  return observeRead(state, { seq, outcome }, at);
}
