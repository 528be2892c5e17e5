/**
 * When this process may try to take the Lease, as far as the Lease alone can tell. Which copy of
 * the data should lead is another question (replication). Every way but an accepted hand-over is
 * closed while a promise binds (docs/protocol.md, sections 2, 5.5, 5.7 and 7).
 */
import { boundLeftMs, isBound, isReleasedBy } from "./bound.ts";
import { waiterElapsedMs, type Instant } from "./instant.ts";
import { isOutdatedRecord, isOwnPredecessor } from "./observe.ts";
import { parseIdentity, type LeaseRecord } from "./record.ts";
import { recordOf, versionOf, type ElectionState } from "./state.ts";
import { JITTER_MS, MISSING_LOOK_MS, STALE_HANDOVER_MS, waitMs } from "./timing.ts";

export type ClaimWay =
  | "missing"
  | "expired"
  | "stranger"
  | "released"
  | "handover"
  | "staleHandover"
  | "ownPredecessor"
  | "provenDead";

export type Claim =
  | { readonly kind: "none" }
  | { readonly kind: "wait"; readonly way: ClaimWay; readonly leftMs: number }
  | { readonly kind: "now"; readonly way: ClaimWay };

export interface ClaimFacts {
  /** Own configured D. */
  readonly durationMs: number;
  /** Drawn from 0..1 once per process. */
  readonly jitter: number;
  /** No slice, no record anywhere, every Redis gated: nobody can have led before. */
  readonly firstInstall: boolean;
  /** Version that was in force when both containers of its holder's pod were seen terminated. */
  readonly deadHolderVersion: string | null;
}

export function claimOf(state: ElectionState, facts: ClaimFacts, at: Instant): Claim {
  const claim = unboundClaim(state, facts, at);
  if (claim.kind === "none" || !isBound(state.bound, at)) return claim;
  if (claim.way === "handover" && releasesBound(state)) return claim;
  return { kind: "wait", way: claim.way, leftMs: boundLeftMs(state.bound, at) };
}

function unboundClaim(state: ElectionState, facts: ClaimFacts, at: Instant): Claim {
  const view = state.view;
  if (view.kind === "unread" || isTermOfItsOwn(state)) return { kind: "none" };
  const wait = expiryMs(Math.max(view.maxDurationMs, facts.durationMs), facts.jitter);
  if (view.kind === "missing") {
    if (facts.firstInstall) return now("missing");
    // Not on an old look: the wait ends with one that is recent.
    if (waiterElapsedMs(view.seenAt, at) > 2 * MISSING_LOOK_MS) {
      return { kind: "wait", way: "missing", leftMs: MISSING_LOOK_MS };
    }
    return after("missing", wait, waiterElapsedMs(view.since, at));
  }
  const { record } = view.lease;
  const sinceMs = waiterElapsedMs(view.since, at);
  if (state.offer !== null && state.offer === versionOf(view)) return now("handover");
  // A record older than what this process has read is somebody's restored copy: whoever led since
  // may still lead, so no short way is open (U17).
  if (isOutdated(state, record)) return after("expired", wait, sinceMs);
  if (record.holder === null) return now("released");
  if (isOwnPredecessor(state, record)) return now("ownPredecessor");
  if (facts.deadHolderVersion === versionOf(view)) {
    const read = state.firstReadAt ?? at;
    return after("provenDead", waitMs(facts.durationMs), waiterElapsedMs(read, at));
  }
  if (isStale(state, record)) return after("staleHandover", STALE_HANDOVER_MS, sinceMs);
  return after(record.holder === state.me ? "stranger" : "expired", wait, sinceMs);
}

/**
 * A hand-over that its holder can lead by only once it has written. Other electors keep our
 * annotations: a hand-over to somebody else is not this holder's. And nobody may have led since:
 * then whoever did may still have a right.
 */
function isStale(state: ElectionState, { handover, holder, epoch }: LeaseRecord): boolean {
  if (handover === null || handover.to !== holder || epoch < state.epochHeard) return false;
  // Who accepted in advance leads as soon as it sees the record.
  return handover.accepted === undefined;
}

/** A holder renews; only one that resumed by promises alone has still to take its Lease. */
function isTermOfItsOwn(state: ElectionState): boolean {
  const { term } = state;
  return term !== null && (term.confirmed !== null || term.gaveSeq !== null);
}

/** Its own pod's later epochs do not count: a resume by promises is not in the Lease yet. */
function isOutdated(state: ElectionState, record: LeaseRecord): boolean {
  if (!isOutdatedRecord(state, record)) return false;
  const last = state.holderSeen === null ? null : parseIdentity(state.holderSeen);
  return last?.podUid !== state.podUid;
}

function expiryMs(durationMs: number, jitter: number): number {
  return waitMs(durationMs) + jitter * JITTER_MS;
}

function now(way: ClaimWay): Claim {
  return { kind: "now", way };
}

function after(way: ClaimWay, waitFor: number, sinceMs: number): Claim {
  if (sinceMs >= waitFor) return now(way);
  return { kind: "wait", way, leftMs: waitFor - sinceMs };
}

function releasesBound(state: ElectionState): boolean {
  const record = recordOf(state.view);
  if (record === null) return false;
  return isReleasedBy(state.bound, { from: record.handover?.from ?? null, epoch: record.epoch });
}
