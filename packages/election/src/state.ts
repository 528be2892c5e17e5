/**
 * What one process knows of the Lease: the newest view of it, its own tries whose outcome is open,
 * its term as holder, and the promises it gave. Readonly and serialisable; only this package
 * changes it.
 */
import type { Instant } from "./instant.ts";
import type { Epoch, Identity, LeaseRecord, MemberName, VersionedLease } from "./record.ts";

export interface ElectionState {
  readonly me: Identity;
  readonly podUid: string;
  readonly nonce: string;
  /** Of the newest attempt; `<nonce>.<counter>`. */
  readonly counter: number;
  /** Of the newest request of any kind: orders answers by when they were *sent*. */
  readonly seq: number;
  readonly view: LeaseView;
  /** Reads under way, by seq, with their start. */
  readonly reads: readonly OpenRead[];
  /** The newest read that was started. */
  readonly lastRead: { readonly at: Instant; readonly failed: boolean } | null;
  /** A doubt that only a read can settle: 409, unknown outcome, a watch event. */
  readonly readWanted: boolean;
  /** First definite answer to a read: a promise forgotten in a restart is over 1.02 D later. */
  readonly firstReadAt: Instant | null;
  /** Newest definite answer of the API to anything. */
  readonly answeredAt: Instant | null;
  readonly tries: readonly Try[];
  /** Version (or "missing") on which a write was refused: nothing is tried on it again. */
  readonly refusedVersion: string | null;
  readonly lastTryAt: Instant | null;
  readonly term: Term | null;
  readonly termCounter: number;
  /** Highest epoch read from the Lease, slice, own record or a promise: first hand. */
  readonly epochSeen: Epoch;
  /** Newest attempt read under `epochSeen`: an older one of the same process was put back. */
  readonly attemptSeen: string | null;
  /** Highest epoch seen without a hand-over: its hand-over is over for good. */
  readonly epochSettled: Epoch;
  /** Highest epoch anybody mentioned. */
  readonly epochHeard: Epoch;
  /** Who led `epochSeen`, as far as known. */
  readonly holderSeen: Identity | null;
  readonly bound: Bound | null;
  readonly round: PromiseRound | null;
  readonly roundCounter: number;
  /** Highest epoch for which this process itself asked bindingly. */
  readonly askedEpoch: Epoch;
  /** A hand-over to this process that it may accept, by version. */
  readonly offer: string | null;
  /** The hand-over that it has accepted before it is in the Lease. */
  readonly acceptance: Acceptance | null;
}

/** A try of this process that another one writes for it: the right counts from `at`. */
export interface Acceptance {
  readonly attempt: string;
  readonly from: Identity;
  readonly epoch: Epoch;
  readonly at: Instant;
}

export type LeaseView =
  | { readonly kind: "unread" }
  | {
      readonly kind: "missing";
      /** Missing at every look since, without a long gap between two looks. */
      readonly since: Instant;
      /** The newest look. */
      readonly seenAt: Instant;
      readonly seq: number;
      readonly maxDurationMs: number;
    }
  | {
      readonly kind: "present";
      readonly lease: VersionedLease;
      /** When this process first saw this version. */
      readonly since: Instant;
      /** The request that showed it. */
      readonly seq: number;
      /** Newest request that had been sent when that answer came: those were open together. */
      readonly answeredSeq: number;
      /** Greatest duration seen under this holder. */
      readonly maxDurationMs: number;
    };

export interface OpenRead {
  readonly seq: number;
  readonly at: Instant;
}

export type TryPurpose = "renew" | "acquire" | "transfer" | "release";

/** A write whose outcome this process does not know for certain yet. */
export interface Try {
  readonly seq: number;
  readonly attempt: string;
  readonly termId: number;
  readonly purpose: TryPurpose;
  readonly sentAt: Instant;
  readonly durationMs: number;
  readonly epoch: Epoch;
  readonly base: { readonly uid: string; readonly resourceVersion: string } | null;
  readonly members: readonly MemberName[];
  /** No answer of any kind yet. */
  readonly open: boolean;
}

/** The time as holder, from an acquisition to the sight of another holder. */
export interface Term {
  readonly id: number;
  /** Epoch of the newest right, confirmed or promised. */
  readonly epoch: Epoch;
  /** Counter of the newest confirmed attempt: an older one in the Lease was put back by hand. */
  readonly firstCounter: number;
  /** Newest renewal known to have committed. */
  readonly confirmed: Basis | null;
  /** Newest promise round in which everybody said yes. */
  readonly promised: Basis | null;
  /** A try with a shorter duration ends validity early, whatever its outcome. */
  readonly cap: Basis | null;
  /** seq of a transfer or release that was sent: older tries give no right any more. */
  readonly gaveSeq: number | null;
}

/** From which instant a right counts, and for which D. */
export interface Basis {
  readonly from: Instant;
  readonly durationMs: number;
}

/** A promise not to lead, on this process' monotonic clock. */
export interface Bound {
  readonly holder: Identity;
  readonly epoch: Epoch;
  readonly from: Instant;
  readonly durationMs: number;
}

export interface PromiseRound {
  readonly round: number;
  readonly startedAt: Instant;
  readonly durationMs: number;
  readonly epoch: Epoch;
  readonly binding: boolean;
  /** Asked by one that stopped and wants to lead again. */
  readonly resumes: boolean;
  readonly asked: readonly MemberName[];
  readonly yes: readonly MemberName[];
  /** Lineage that the request carried, by its newest epoch: recorded by all if all say yes. */
  readonly lineageEpoch: Epoch;
  readonly refused: string | null;
}

export interface ElectionStart {
  readonly me: Identity;
  readonly podUid: string;
  readonly nonce: string;
  readonly epoch: Epoch;
  readonly holder: Identity | null;
}

export function initialElection(start: ElectionStart): ElectionState {
  return {
    me: start.me,
    podUid: start.podUid,
    nonce: start.nonce,
    counter: 0,
    seq: 0,
    view: { kind: "unread" },
    reads: [],
    lastRead: null,
    readWanted: true,
    firstReadAt: null,
    answeredAt: null,
    tries: [],
    refusedVersion: null,
    lastTryAt: null,
    term: null,
    termCounter: 0,
    epochSeen: start.epoch,
    attemptSeen: null,
    epochSettled: 0,
    epochHeard: start.epoch,
    holderSeen: start.holder,
    bound: null,
    round: null,
    roundCounter: 0,
    askedEpoch: 0,
    offer: null,
    acceptance: null,
  };
}

export function recordOf(view: LeaseView): LeaseRecord | null {
  return view.kind === "present" ? view.lease.record : null;
}

export function versionOf(view: LeaseView): string | null {
  return view.kind === "present" ? `${view.lease.uid}/${view.lease.resourceVersion}` : null;
}
