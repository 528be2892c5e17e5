/** What a member is told once, when its process starts. */
import type { Instant, MemberName } from "@leasehold/election";
import type {
  GuardObservation,
  MemberRecord,
  Permit,
  PersistenceMode,
  RedisAddress,
} from "./observation.ts";

/** Settings; validated by `validateConfig`, which has a sentence for each contradiction. */
export interface MemberConfig {
  readonly group: string;
  /** D. At least 5 s. */
  readonly leaseDurationMs: number;
  /** R. */
  readonly renewIntervalMs: number;
  readonly hangTimeoutMs: number;
  readonly busyTimeoutMs: number;
  readonly maxLagBytes: number;
  /** Where Redis reaches a primary outside the group, to be followed until the group has data. */
  readonly source: RedisAddress | null;
  /** How far behind, and without a leader for how long, a replica may still be read. */
  readonly read: { readonly maxLagBytes: number; readonly maxStalenessMs: number };
  readonly switchoverTimeoutMs: number;
  readonly maxPauseMs: number;
  /** How long a demoted member goes on cutting late clients. */
  readonly settleMs: number;
  readonly coldStartWaitMs: number;
  readonly onMissing: "nobody" | "best";
  readonly failsafe: { readonly enabled: boolean; readonly alone: boolean };
  readonly minReplicasToWrite: number;
  readonly mode: PersistenceMode;
  /** 0: never leader. */
  readonly priority: number;
  /** After a deletion was seen, keep writes open that long (kube-proxy's second). */
  readonly deletionGraceForProxyMs: number;
}

/** Who this process is, and what it found when it started. */
export interface StartFacts {
  readonly at: Instant;
  readonly member: MemberName;
  readonly podUid: string;
  /** Random per process. */
  readonly nonce: string;
  readonly ordinal: number;
  readonly address: RedisAddress;
  readonly peerPort: number;
  readonly revision: string;
  /** Null: no record file. */
  readonly record: MemberRecord | null;
  /** The permit file as found; null: none. */
  readonly permit: Permit | null;
  readonly guard: GuardObservation | null;
}
