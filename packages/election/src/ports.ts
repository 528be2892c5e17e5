/**
 * What the adapters offer the runtime. Outcomes are values; an exception is a bug or a broken
 * port. Every call ends within its `deadlineMs`.
 */
import type { VersionedLease, LeaseRecord } from "./record.ts";

/** Only `missing` (404) and `present` are definite. */
export type LeaseReadOutcome =
  | { readonly kind: "present"; readonly lease: VersionedLease }
  | { readonly kind: "missing" }
  | { readonly kind: "failed"; readonly status: number | null; readonly message: string };

/** 409 and 422 are definite refusals; whatever is `unknown` may have committed, or may yet. */
export type LeaseWriteOutcome =
  | { readonly kind: "committed"; readonly lease: VersionedLease }
  | { readonly kind: "conflict" }
  | { readonly kind: "invalid"; readonly message: string }
  | { readonly kind: "unknown"; readonly status: number | null; readonly message: string };

/** A replacement of the record at exactly this version. */
export interface LeaseWrite {
  readonly record: LeaseRecord;
  /** The object compared with; null creates the Lease (POST), and only then. */
  readonly base: { readonly uid: string; readonly resourceVersion: string } | null;
  /** True if `spec.acquireTime` starts anew. */
  readonly acquires: boolean;
}

export interface LeaseStore {
  read(deadlineMs: number): Promise<LeaseReadOutcome>;
  /** `connection` picks one of the hedging connections, so that a retry is on another one. */
  write(write: LeaseWrite, deadlineMs: number, connection: number): Promise<LeaseWriteOutcome>;
  /**
   * Calls `changed` at every sign of a change, with what was delivered: it may be old. Reopens by
   * itself and calls `changed` with null after each reopening and for a deletion. Returns the
   * function that ends it.
   */
  watch(changed: (lease: VersionedLease | null) => void): () => void;
}
