/**
 * What the core asks the runtime to do. Actions are data, in safe execution order: the runtime
 * starts them in list order, and every prefix of a list, performed and then interrupted, is safe.
 * Synchronous ones (`writePermit`, `kill`) have ended when the next one starts; the others report
 * back with an event. `reason` is closed: log line, Event, metric label, history entry and test
 * name use the same word.
 */
import type {
  Epoch,
  HandoverQuestion,
  Identity,
  LineageEntry,
  MemberName,
  Offset,
  LeaseWrite,
  PromiseAnswer,
  PromiseRequest,
} from "@leasehold/election";
import type { MemberRecord, Permit, RedisAddress, RedisProcess } from "./observation.ts";
import type { Reason } from "./reason.ts";

export type Action = { readonly reason: Reason } & (
  | { readonly type: "readLease"; readonly seq: number }
  /** `base` null = POST. `connection` differs from that of the try that is still open. */
  | {
      readonly type: "writeLease";
      readonly seq: number;
      readonly attempt: string;
      readonly write: LeaseWrite;
      readonly connection: number;
    }
  | { readonly type: "writePermit"; readonly permit: Permit }
  /** fsync before `recordWritten` comes back. One is open at a time. */
  | { readonly type: "writeRecord"; readonly seq: number; readonly record: MemberRecord }
  /** Never re-sent: `process` is compared with what the role connection talks to. */
  | {
      readonly type: "redisRole";
      readonly id: number;
      readonly command: RoleCommand;
      readonly process: RedisProcess;
    }
  /** SIGKILL by the guard; it reports back `killed <pid>`. */
  | { readonly type: "kill"; readonly bootId: string; readonly pid: number }
  | {
      readonly type: "askPeers";
      readonly round: number;
      readonly peers: readonly Peer[];
      readonly timeoutMs: number;
    }
  /** Ask one peer each 2 ms until its offset equals `offset` or `timeoutMs` is over. */
  | {
      readonly type: "awaitOffset";
      readonly id: number;
      readonly peer: Peer;
      /** "current": the own offset is asked anew each time (it may grow by a PING). */
      readonly offset: Offset | "current";
      /** Asked along with it: will the peer accept this hand-over in advance? Null: not asked. */
      readonly handover: HandoverQuestion | null;
      readonly timeoutMs: number;
    }
  | {
      readonly type: "askPromises";
      readonly request: PromiseRequest;
      readonly peers: readonly Peer[];
      readonly timeoutMs: number;
    }
  | { readonly type: "answerPromise"; readonly requestId: number; readonly answer: PromiseAnswer }
  /** Null: not in advance. */
  | {
      readonly type: "answerHandover";
      readonly requestId: number;
      readonly attempt: string | null;
    }
  /** "Look at the Lease now": a hint, nothing is decided by it. */
  | { readonly type: "hint"; readonly peers: readonly Peer[]; readonly timeoutMs: number }
  | { readonly type: "readSlice" }
  | { readonly type: "writeSlice"; readonly seq: number; readonly slice: SliceWrite }
  /** A fresh list; comes back as `podsObserved` with this `seq`. */
  | { readonly type: "readPods"; readonly seq: number }
  /** Tell the preStop hook that Redis may be stopped. */
  | { readonly type: "reportStopped" }
  /** Where does the source stand? With `closes` it takes no write any more from before that. */
  | { readonly type: "askSource"; readonly id: number; readonly closes: boolean }
  /** It takes writes again, if it was closed. */
  | { readonly type: "openSource" }
  | { readonly type: "finishRequest"; readonly requestId: string; readonly result: RequestResult }
  /** Takes a pause out of the control ConfigMap, if it is still this one. */
  | { readonly type: "endPause"; readonly pauseId: string }
  /** A decision worth a log line, an Event and, for leader changes, a history entry. */
  | {
      readonly type: "announce";
      readonly epoch: Epoch;
      readonly words: string;
      readonly change: LeaderChange | null;
    }
  /** The process ends. */
  | { readonly type: "exit" }
);

export interface Peer {
  readonly member: MemberName;
  readonly host: string;
  readonly peerPort: number;
}

/** All of them go down the one role connection, in order. */
export type RoleCommand =
  /**
   * `REPLICAOF 127.0.0.1 1`, `min-replicas-to-write 0`; then with `cutClients` CLIENT KILL of
   * normal and pubsub clients and `CLIENT UNPAUSE`. Answers with `ROLE` and offset.
   */
  | { readonly kind: "demote"; readonly cutClients: boolean }
  /** `ROLE` twice, 250 ms apart, and no older connection of ours in `CLIENT LIST`. */
  | { readonly kind: "verifyDemoted" }
  /** `MULTI; REPLICAOF NO ONE; CLIENT PAUSE <pauseMs> WRITE; EXEC`, then replid and offset. */
  | { readonly kind: "promote"; readonly epoch: Epoch; readonly pauseMs: number }
  /** With `bounce` over `127.0.0.1 1` first, so that the next try is at once. */
  | { readonly kind: "follow"; readonly upstream: RedisAddress; readonly bounce: boolean }
  | { readonly kind: "pause"; readonly pauseMs: number }
  | { readonly kind: "unpause" }
  | { readonly kind: "cutClients" }
  /**
   * Of a replica: CLIENT KILL of those normal clients whose last command was a write; of those that
   * ran a script or a transaction with `scripts`, else only if there is no plain writer. Nobody
   * else's, and none of a primary.
   */
  | { readonly kind: "cutWriters"; readonly scripts: boolean }
  | { readonly kind: "minReplicas"; readonly count: number };

export interface SliceWrite {
  readonly epoch: Epoch;
  readonly holder: Identity;
  readonly lineage: readonly LineageEntry[];
  /** Null: nobody (an emptied slice). */
  readonly address: RedisAddress | null;
  readonly member: MemberName;
  /** The version compared with; null: create. */
  readonly version: string | null;
}

export interface LeaderChange {
  readonly kind: "bootstrap" | "switchover" | "failover" | "coldStart" | "resume";
  readonly from: MemberName | null;
  readonly to: MemberName | null;
  /** Upper bound of acknowledged bytes that the new primary lacks; null: unknown. */
  readonly lostBytesMax: number | null;
  /**
   * From the pause of the old primary to the new one's first write, less the way of the transfer
   * through the API; null: unplanned, or unknown.
   */
  readonly writeGapMs: number | null;
}

export interface RequestResult {
  readonly done: boolean;
  /** Not done, and nothing was changed: at most writes were paused for a moment. */
  readonly refused: boolean;
  readonly words: string;
}
