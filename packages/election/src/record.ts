/**
 * What the Lease says, as the protocol reads it. The adapter maps it to `spec` and annotations.
 * Everything is readonly and serialisable; offsets and epochs are integers below 2^53
 * (docs/adr/0003).
 */

/** Name of a member: the pod's name, `<group>-<ordinal>`. */
export type MemberName = string;
/** `<pod>_<podUID>_<bootNonce>`: one process, never reused. */
export type Identity = string;
/** Fencing token; grows with every acquisition and before every promotion. */
export type Epoch = number;
/** Byte offset in a replication stream; means nothing without its replid. */
export type Offset = number;

/** One promotion: from `startOffset` on, the bytes of `replid` belong to `epoch`. */
export interface LineageEntry {
  readonly epoch: Epoch;
  readonly replid: string;
  readonly startOffset: Offset;
  /** The replid whose bytes up to `startOffset` it continues; null: a new stream of offsets. */
  readonly parent: string | null;
  /**
   * No promotion: the history outside the group that it moved in with, up to the promotion that
   * continues it (docs/protocol.md, section 4.6). Absent: no.
   */
  readonly moved?: boolean;
}

/** How far a copy of the data reaches. Compared by epoch of the last byte, then by offset. */
export interface Position {
  /** Epoch of the copy's last byte. */
  readonly epoch: Epoch;
  readonly offset: Offset;
  readonly replid: string;
  /** From a record older than the last completed fsync: below every live one of its epoch. */
  readonly restored?: boolean;
  /**
   * Restored, and a process before was about to follow with a restored copy: others may have gone
   * on while nothing came to this disk. Below one that claims the same bytes.
   */
  readonly outlived?: boolean;
  /**
   * Restored, and this member led under this epoch when its record was last written, with its last
   * byte here: of what anybody confirmed until then its disk lacks at most what a power loss took.
   */
  readonly led?: { readonly epoch: Epoch; readonly offset: Offset };
}

/** What the leader last knew of a member on the list. */
export interface MemberNote {
  /** Its link to the leader was up when the record was written. */
  readonly attached: boolean;
  /** Its last acknowledged position, null while it was never known. */
  readonly position: Position | null;
}

export interface LeaderPosition extends Position {
  /** `run_id` of the Redis that holds it. */
  readonly runId: string;
}

/** A transfer of the Lease that its new holder has not renewed yet. */
export interface Handover {
  readonly from: Identity;
  readonly to: Identity;
  /** The old primary's last position: its successor holds all of it (planned), or it is dead. */
  readonly offset: Offset;
  readonly replid: string;
  /** True if the successor was seen at exactly this offset after the demotion. */
  readonly equal: boolean;
  /** Id of the request that it fulfils, so that the successor does not fulfil it again. */
  readonly request: string | null;
  /** How long writes had been paused when it was sent; absent: they were not, or nobody knows. */
  readonly pausedMs?: number;
  /**
   * Attempt by which the successor accepted in advance: it leads from the sight of this record, so
   * nobody else may take it before a whole D has passed. Absent: it did not.
   */
  readonly accepted?: string;
}

/** A Lease given back: taken at once only by a member that is not behind `position`. */
export interface Released {
  readonly by: Identity;
  readonly position: Position | null;
  /** Redis was shut down cleanly with everything on disk. */
  readonly clean: boolean;
}

export interface LeaseRecord {
  /** Null: nobody (released). */
  readonly holder: Identity | null;
  readonly durationMs: number;
  readonly transitions: number;
  readonly epoch: Epoch;
  /** `<bootNonce>.<counter>` of the try that wrote this version; null for a stranger's record. */
  readonly attempt: string | null;
  readonly lineage: readonly LineageEntry[];
  readonly members: Readonly<Record<MemberName, MemberNote>>;
  readonly position: LeaderPosition | null;
  readonly handover: Handover | null;
  readonly released: Released | null;
  readonly paused: boolean;
}

/**
 * Who may have led last under this record: the new holder of a hand-over leads only once it has
 * written, unless it accepted in advance, and then it has all that the old one had.
 */
export function lastLeader({ holder, handover, released }: LeaseRecord): Identity | null {
  if (handover !== null && handover.accepted === undefined) return handover.from;
  return released?.by ?? holder;
}

/** A record with what the API server needs to compare and swap it. */
export interface VersionedLease {
  readonly uid: string;
  readonly resourceVersion: string;
  readonly record: LeaseRecord;
}

export interface IdentityParts {
  readonly pod: MemberName;
  readonly podUid: string;
  readonly nonce: string;
}

/** Returns null for a holder that is not one of ours (client-go candidates, people). */
export function parseIdentity(identity: Identity): IdentityParts | null {
  const parts = identity.split("_");
  const [pod, podUid, nonce] = parts;
  if (parts.length !== 3 || !pod || !podUid || !nonce) return null;
  return { pod, podUid, nonce };
}

export function formatIdentity(parts: IdentityParts): Identity {
  return `${parts.pod}_${parts.podUid}_${parts.nonce}`;
}

/** True if one process wrote both, and `attempt` before `other`. */
export function isEarlierAttempt(attempt: string | null, other: string | null): boolean {
  const nonce = nonceOfAttempt(attempt);
  if (attempt === null || other === null || nonce === null) return false;
  if (nonce !== nonceOfAttempt(other)) return false;
  return Number(attempt.slice(nonce.length + 1)) < Number(other.slice(nonce.length + 1));
}

/** The process that wrote an attempt, or null. */
export function nonceOfAttempt(attempt: string | null): string | null {
  const dot = attempt?.lastIndexOf(".") ?? -1;
  return attempt && dot > 0 ? attempt.slice(0, dot) : null;
}
