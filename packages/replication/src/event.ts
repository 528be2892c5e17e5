/**
 * What the core can be told. Every event carries the instant at which it is handled and one drawn
 * number for jitter, so the core itself needs neither clock nor randomness.
 */
import type {
  HandoverQuestion,
  Instant,
  LeaseReadOutcome,
  LeaseWriteOutcome,
  MemberName,
  Offset,
  PromiseAnswer,
  PromiseRequest,
  VersionedLease,
} from "@leasehold/election";
import type {
  ControlObservation,
  GuardObservation,
  MemberReport,
  PodsObservation,
  RedisObservation,
  RedisProcess,
  SliceObservation,
} from "./observation.ts";

export type MemberEvent = { readonly at: Instant; readonly jitter: number } & (
  | { readonly type: "tick" }
  /** With what the watch delivered, if it did: a version already seen is no news. */
  | { readonly type: "leaseChanged"; readonly lease: VersionedLease | null }
  | { readonly type: "leaseRead"; readonly seq: number; readonly outcome: LeaseReadOutcome }
  | {
      readonly type: "leaseWritten";
      readonly seq: number;
      readonly attempt: string;
      readonly outcome: LeaseWriteOutcome;
    }
  | { readonly type: "redisObserved"; readonly observation: RedisObservation }
  | { readonly type: "redisRoleDone"; readonly id: number; readonly outcome: RoleOutcome }
  | {
      readonly type: "offsetAwaited";
      readonly id: number;
      readonly equal: boolean;
      readonly own: Offset;
      readonly theirs: Offset | null;
      /** By which attempt the peer accepts the hand-over in advance: of the equal answer. */
      readonly accepted: string | null;
    }
  | { readonly type: "sourceAnswered"; readonly id: number; readonly outcome: SourceOutcome }
  | { readonly type: "guardObserved"; readonly guard: GuardObservation }
  | {
      readonly type: "recordWritten";
      readonly seq: number;
      readonly ok: boolean;
      readonly message: string;
    }
  /** `seq`: the answer to that `readPods`. A watch may be late; a read is not. */
  | { readonly type: "podsObserved"; readonly pods: PodsObservation; readonly seq?: number }
  | { readonly type: "sliceObserved"; readonly slice: SliceObservation }
  | { readonly type: "sliceWritten"; readonly seq: number; readonly outcome: SliceOutcome }
  | { readonly type: "controlObserved"; readonly control: ControlObservation }
  /** `report` null: no answer in time. */
  | {
      readonly type: "peerReported";
      readonly round: number;
      readonly member: MemberName;
      readonly report: MemberReport | null;
    }
  | { readonly type: "peersDone"; readonly round: number }
  | { readonly type: "promiseAsked"; readonly requestId: number; readonly request: PromiseRequest }
  | {
      readonly type: "handoverAsked";
      readonly requestId: number;
      readonly question: HandoverQuestion;
    }
  | {
      readonly type: "promiseAnswered";
      readonly round: number;
      readonly member: MemberName;
      readonly answer: PromiseAnswer | null;
    }
  /** preStop asks that this pod gives up the lead before Redis gets SIGTERM. */
  | { readonly type: "stopRequested" }
  /** SIGTERM to the sidecar. */
  | { readonly type: "terminate" }
);

export type MemberEventBody = MemberEvent extends infer E
  ? E extends MemberEvent
    ? Omit<E, "at" | "jitter">
    : never
  : never;

export type RoleOutcome =
  | {
      readonly ok: true;
      readonly process: RedisProcess;
      readonly role: "primary" | "replica";
      readonly replid: string;
      readonly offset: Offset;
    }
  /** `sent` false: Redis never saw it. `error` in Redis' or the client's words. */
  | {
      readonly ok: false;
      readonly sent: boolean;
      readonly error: RoleError;
      readonly message: string;
    };

/** `timeout`: no answer within the deadline; the runtime has closed the role connection. */
export type RoleError = "timeout" | "closed" | "otherProcess" | "busy" | "loading" | "refused";

/** Where a primary outside the group stands; `failed` in words for people. */
export type SourceOutcome =
  | { readonly kind: "stands"; readonly replid: string; readonly offset: Offset }
  | { readonly kind: "failed"; readonly words: string };

export type SliceOutcome =
  | { readonly kind: "committed"; readonly slice: SliceObservation }
  | { readonly kind: "conflict" }
  | { readonly kind: "failed"; readonly message: string };
