/**
 * What a member sees of its own Redis, its guard, its peers and Kubernetes objects. Adapters
 * produce these; the core folds them into its state. Replicas are called replicas here whatever
 * the wire says.
 */
import type {
  Epoch,
  Identity,
  LeaderPosition,
  LineageEntry,
  MemberName,
  Offset,
  Position,
} from "@leasehold/election";

/** One Redis process: `run_id` and `process_id` of its `INFO`, under one life of the guard. */
export interface RedisProcess {
  readonly runId: string;
  readonly pid: number;
}

/** One answered `INFO`. */
export interface RedisInfo extends RedisProcess {
  readonly role: "primary" | "replica";
  readonly replid: string;
  /** Second history, valid before `secondOffset`; null if it has none. */
  readonly replid2: string | null;
  /** First offset that is *not* on the second history; -1 without one. */
  readonly secondOffset: Offset;
  /** `master_repl_offset` of a primary, `slave_repl_offset` of a replica: bytes applied. */
  readonly offset: Offset;
  /** Keys in all databases. */
  readonly keys: number;
  readonly loading: boolean;
  /** Its upstream, null for a primary. The gate is `127.0.0.1:1`. */
  readonly upstream: { readonly host: string; readonly port: number } | null;
  readonly linkUp: boolean;
  /** A full sync is under way on this replica. */
  readonly syncing: boolean;
  /** The AOF is being written anew, or is about to be: after a full sync the disk has it then. */
  readonly rewriting: boolean;
  readonly connectedReplicas: number;
  /** False when the last write to the AOF or the last snapshot failed. */
  readonly diskOk: boolean;
  /** Writes that a replica refused, counted since some instant; null: it does not say. */
  readonly refusedWrites: number | null;
  /** Redis' version as it says it, "7.0.15". */
  readonly version: string;
  /** What it costs, for the metrics; null: not told. No decision reads it. */
  readonly usage: RedisUsage | null;
}

export interface RedisUsage {
  readonly memoryBytes: number;
  /** `maxmemory`; 0: no limit. */
  readonly maxMemoryBytes: number;
  readonly clients: number;
  /** Counts since the process began. */
  readonly commands: number;
  readonly evictedKeys: number;
}

/** The state of the one probe: what the newest question to Redis was answered with. */
export type RedisObservation =
  | { readonly kind: "answered"; readonly info: RedisInfo }
  /**
   * Answers, but with an error: a script runs beyond `busy-reply-threshold`, or our user may not
   * ask (`NOAUTH`, `NOPERM`; `message` says what to do). Alive, for a while.
   */
  | { readonly kind: "busy"; readonly message?: string }
  /** Accepted the connection and said nothing, `max number of clients`, or a closed socket. */
  | { readonly kind: "silent"; readonly message: string }
  /** `ECONNREFUSED` or `ENOENT`: no process listens. */
  | { readonly kind: "refused" };

/** The guard's `status` file. */
export interface GuardObservation {
  /** Random per start of the guard: a newer one proves all processes of older ones dead. */
  readonly bootId: string;
  readonly state: "waiting" | "running" | "exited" | "killed";
  /** The process that `state` speaks of; null while waiting for its first start. */
  readonly pid: number | null;
  /** The guard's own `/proc/uptime`, in milliseconds, and what the sidecar read with it. */
  readonly uptimeSkewMs: number;
}

/** What a member says of itself to its peers, and `/v1/member` to everybody. */
export interface MemberReport {
  readonly member: MemberName;
  readonly identity: Identity;
  readonly podUid: string;
  /** Address at which its Redis is to be followed. */
  readonly address: RedisAddress;
  /** Highest epoch that it knows of, from anywhere. */
  readonly epoch: Epoch;
  readonly leads: boolean;
  /** Promoted, published and open for writes under `epoch`. */
  readonly promoted: boolean;
  /** It follows a source outside the group, and may be followed. */
  readonly relays: boolean;
  readonly redis: "up" | "loading" | "down" | "gated";
  readonly runId: string | null;
  readonly replid: string | null;
  /** Null: empty, unknown lineage, syncing, or Redis does not answer. */
  readonly position: Position | null;
  /** Raw offset of its Redis, for the drain of a switchover. */
  readonly offset: Offset;
  readonly empty: boolean;
  readonly inSync: boolean;
  /** Its upstream link is up, and to whom. */
  readonly follows: RedisAddress | null;
  /** Why it may not lead now, in words; null: it may. */
  readonly ineligible: string | null;
  /** Redis restarted since it last followed the holder. */
  readonly coldStart: boolean;
  readonly boundUntilMs: number;
  /** Age of its newest answer from the API, in milliseconds. */
  readonly apiAgeMs: number;
  readonly hasRecord: boolean;
  /** The list in its record, and when (epoch) it was written: for a group without a Lease. */
  readonly recordMembers: readonly MemberName[];
  readonly recordEpoch: Epoch;
  readonly lineage: readonly LineageEntry[];
  readonly terminating: boolean;
  readonly priority: number;
  /** Revision of its pod template, to prefer the newer one in a rollout. */
  readonly revision: string;
  /** The list alone stands against it. Absent: no, or unknown. */
  readonly unlisted?: boolean;
  /** Its files do not have what a full sync brought, not yet. Absent: they do, or unknown. */
  readonly unsaved?: boolean;
  /** Readers of its status stream: whether it has somebody to tell. Absent: none, or unknown. */
  readonly listeners?: number;
}

export interface RedisAddress {
  readonly host: string;
  readonly port: number;
}

/** One pod of the group as the API shows it. */
export interface PodObservation {
  readonly member: MemberName;
  readonly uid: string;
  /** Where its Redis and its members' port are reached; null without an IP. */
  readonly address: RedisAddress | null;
  readonly peerPort: number;
  readonly terminating: boolean;
  /** `deletionGracePeriodSeconds`, in milliseconds. */
  readonly graceMs: number | null;
  /** Both containers are `terminated`. */
  readonly dead: boolean;
  readonly revision: string;
}

export interface PodsObservation {
  readonly pods: readonly PodObservation[];
  /** `spec.replicas` of the StatefulSet. */
  readonly replicas: number;
  /** Newest revision of the StatefulSet, null while unknown. */
  readonly updateRevision: string | null;
}

/** The slice(s) of the write Service, as one. */
export interface SliceObservation {
  /** Null: no slice exists. Opaque to the core, it only hands it back. */
  readonly version: string | null;
  readonly epoch: Epoch;
  readonly holder: Identity | null;
  readonly lineage: readonly LineageEntry[];
  /** Null: no endpoint. */
  readonly address: RedisAddress | null;
}

/** What people asked for through `<group>-control`. */
export interface ControlObservation {
  readonly paused: boolean;
  /** Null: until people lift it. */
  readonly pauseSpan: PauseSpan | null;
  readonly request: ControlRequest | null;
  readonly forgotten: readonly MemberName[];
}

/** Each member counts from when it first saw this very pause: no clocks are compared. */
export interface PauseSpan {
  readonly id: string;
  readonly forMs: number;
}

export interface ControlRequest {
  readonly id: string;
  readonly kind: "switchover" | "failover" | "cutover";
  /** Null: any. */
  readonly to: MemberName | null;
  /** Of a cutover: the writers of the source are stopped, it need not be closed. */
  readonly force: boolean;
  /** Of a cutover: also if no other member has all of it. Absent: no. */
  readonly alone?: boolean;
}

/** The record file on the data volume. */
export interface MemberRecord {
  readonly runId: string | null;
  /** That process restarted, and neither followed the holder nor led since. */
  readonly cold: boolean;
  readonly mode: PersistenceMode;
  readonly keys: number;
  readonly epoch: Epoch;
  /**
   * Up to this epoch a promotion needs no further write: a process that finds it promotes under a
   * higher one (docs/adr/0011).
   */
  readonly reservedEpoch: Epoch;
  readonly lineage: readonly LineageEntry[];
  readonly position: Position | null;
  /** Position of a record older than the last completed fsync. */
  readonly durablePosition: Position | null;
  /** Redis ended cleanly at `position`. */
  readonly clean: boolean;
  /** A full sync was under way: the data set may be half. */
  readonly syncing: boolean;
  /** What is on disk may be from before a full sync, and others may have gone on since. */
  readonly outlived: boolean;
  /** It was an open primary at `position`. */
  readonly leads: boolean;
  /** The list as last seen in a confirmed record, and as sent in PUTs of unknown outcome. */
  readonly members: readonly MemberName[];
  readonly membersSent: readonly MemberName[];
  /** Last holder known, with its epoch: for promises by a restarted sidecar. */
  readonly holder: Identity | null;
  readonly leaderPosition: LeaderPosition | null;
  /** Members' ports as last seen, for a process that starts while the API is away. */
  readonly addresses: Readonly<
    Record<MemberName, { readonly host: string; readonly peerPort: number }>
  >;
}

export type PersistenceMode = "aof" | "rdb" | "none";

export type Permit =
  | { readonly kind: "lead"; readonly deadlineBootMs: number; readonly nonce: string }
  | { readonly kind: "follow"; readonly nonce: string };
