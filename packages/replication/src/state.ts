/**
 * All that one member's process knows. Readonly and serialisable: a state can be printed, compared
 * and replayed. Each part is changed by the one module that is named with it.
 */
import type {
  ElectionState,
  Epoch,
  Handover,
  Identity,
  Instant,
  LeaderPosition,
  LineageEntry,
  MemberName,
  Offset,
  Position,
  ClaimWay,
} from "@leasehold/election";
import type { RoleCommand } from "./action.ts";
import type { StartFacts } from "./config.ts";
import type {
  ControlObservation,
  ControlRequest,
  GuardObservation,
  MemberRecord,
  MemberReport,
  Permit,
  PodsObservation,
  RedisAddress,
  RedisInfo,
  RedisProcess,
  SliceObservation,
} from "./observation.ts";

export interface MemberState {
  readonly start: StartFacts;
  readonly election: ElectionState;
  readonly redis: RedisState;
  readonly permit: Permit | null;
  readonly guard: GuardObservation | null;
  readonly record: RecordState;
  readonly lineage: readonly LineageEntry[];
  readonly pods: PodsObservation | null;
  /** The pods were read while this version of the Lease was in force. */
  readonly podCheck: PodCheck | null;
  readonly slice: SliceState;
  readonly control: ControlObservation | null;
  /** Since when the pause of this id is known; null: there is none, or none that ends by itself. */
  readonly pauseSeen: { readonly id: string; readonly at: Instant } | null;
  /** The pause that is over, and when it was last to be taken out of the ConfigMap. */
  readonly endedPause: { readonly id: string; readonly at: Instant } | null;
  readonly handledRequest: string | null;
  /** Members that were offered the lead for their better copy since somebody was last promoted. */
  readonly deferred: readonly MemberName[];
  readonly peers: Readonly<Record<MemberName, PeerState>>;
  readonly poll: PollState;
  readonly lead: Lead | null;
  readonly handoff: Handoff | null;
  /** What the newest try to take the Lease was for; becomes the lead when it commits. */
  readonly acquiring: Acquiring | null;
  /** Since when this member may claim a Lease, but holds back (a better copy, a cold start). */
  readonly holdBack: HoldBack | null;
  /** A promotion is wanted under an epoch above this one: the last one used for a promotion. */
  readonly promotedEpoch: Epoch;
  readonly follow: FollowState;
  /** Positions of the leader's, by the Lease, that this copy has not reached; oldest first. */
  readonly missed: readonly { readonly at: Instant; readonly position: LeaderPosition }[];
  /** The process that was in sync last, and since when it is not; null: none was. */
  readonly synced: { readonly runId: string; readonly lostAt: Instant | null } | null;
  /** A cutover from the source that was begun. */
  readonly cutover: Cutover | null;
  readonly stop: StopState | null;
  readonly cutter: Cutter | null;
  /** Refused writes that this member knows of; null: it has not looked yet. */
  readonly refusals: Refusals | null;
  /** Drawn once: spreads this member's take-overs. */
  readonly jitter: number;
  /** run_id of the dead Redis whose lead was offered to the others. */
  readonly offeredAfterDeath: string | null;
  readonly hangKills: readonly Instant[];
  /** Counter of ids for role commands, awaited offsets and records. */
  readonly nextId: number;
  /** What was said last about a standing trouble, so that it is said once. */
  readonly trouble: string | null;
  readonly failsafe: FailsafeState;
  /** Promises decided but not answered: the record is being made durable first. */
  readonly pendingPromises: readonly { readonly requestId: number; readonly epoch: Epoch }[];
  /** Invariants that were found broken: this process does not lead any more. */
  readonly broken: readonly string[];
}

export interface RedisState {
  /** Newest full answer of the present process. */
  readonly info: RedisInfo | null;
  readonly infoAt: Instant | null;
  readonly process: RedisProcess | null;
  readonly silentSince: Instant | null;
  readonly busySince: Instant | null;
  /** Anything was answered or refused since this process started. */
  readonly seen: boolean;
  /** The guard's life under which `process` was named. */
  readonly guardBootId: string | null;
  /** Proof that `process` is dead: refused socket, guard's report, newer guard, newer run_id. */
  readonly dead: boolean;
  readonly killed: Instant | null;
  readonly data: DataTrust | null;
  /** A full sync is in memory, and on disk still what was there before it. */
  readonly unsavedSync: boolean;
  /**
   * Since it was about to follow with a copy that came from its disk: should it end before the disk
   * has what memory has, that copy may have been outlived. Null: it is not, or no more.
   */
  readonly outlivedSince: Instant | null;
  /** Redis restarted since it last followed the holder or led. */
  readonly coldStart: boolean;
  readonly role: RoleState;
  /** Furthest that this member's Redis was seen as primary or in sync, whichever process it was. */
  readonly peak: Position | null;
  /** Positions of the last seconds, oldest first: what an fsync has surely reached. */
  readonly samples: readonly { readonly at: Instant; readonly position: Position }[];
}

export interface DataTrust {
  readonly runId: string;
  /**
   * History when this was judged: another known one later, or another place in the same, means
   * that a stream has come. A full sync whose load fails leaves both as they are.
   */
  readonly replid: string;
  readonly offset: number;
  /**
   * live: INFO says where it stands. saved: so it does, but of the last snapshot before a crash.
   * exact, restored: the record says it. empty: nothing in it. half: a full sync was cut.
   */
  readonly kind: "live" | "saved" | "exact" | "restored" | "empty" | "half";
  readonly position: Position | null;
}

export interface RoleState {
  /**
   * unknown: a predecessor's or unanswered command may still run. demoted: confirmed. unsettled:
   * the same, but an unanswered `follow` may still run. primary: a promotion was answered.
   * promoting: one was sent.
   */
  readonly known: "unknown" | "unsettled" | "demoted" | "promoting" | "primary";
  /** Since when it is unsettled; of no meaning otherwise. */
  readonly unsettledSince: Instant | null;
  readonly pending: readonly PendingRole[];
  /** When a demotion was sent last, so that a refused one is not sent again at once. */
  readonly demoteAt: Instant | null;
  /** When the newest answer came: older probes may still tell of the time before it. */
  readonly doneAt: Instant | null;
}

export interface PendingRole {
  readonly id: number;
  readonly command: RoleCommand;
  readonly at: Instant;
}

export interface RecordState {
  /** As durable on disk. */
  readonly saved: MemberRecord | null;
  readonly savedAt: Instant | null;
  readonly pending: PendingRecord | null;
  readonly failedAt: Instant | null;
}

export interface PodCheck {
  readonly seq: number;
  readonly at: Instant;
  readonly version: string;
  readonly confirmed: boolean;
}

export interface PendingRecord {
  readonly seq: number;
  readonly record: MemberRecord;
  readonly at: Instant;
}

export interface PendingSlice {
  readonly seq: number;
  readonly epoch: Epoch;
  readonly at: Instant;
  /** Version of what was observed last since it was sent; absent: nothing was. */
  readonly heard?: SliceObservation["version"];
}

export interface SliceState {
  readonly seen: SliceObservation | null;
  readonly pending: PendingSlice | null;
  readonly retryAt: Instant | null;
}

export interface PeerState {
  /** Newest report, null while none was ever had. */
  readonly report: MemberReport | null;
  readonly at: Instant;
  /** False: the newest question stayed without an answer. */
  readonly answered: boolean;
}

export interface PollState {
  readonly round: number;
  readonly startedAt: Instant | null;
  readonly doneAt: Instant | null;
  /** Start of the newest round that has ended: how fresh the reports are. */
  readonly freshFrom: Instant | null;
}

export interface Acquiring {
  readonly way: ClaimWay;
  readonly judged: boolean;
  readonly forced: string | null;
  readonly handover: Handover | null;
  readonly before: Before;
}

/** The holder before this term, and the position that a restarted Redis is measured by. */
export interface Before {
  readonly holder: MemberName | null;
  readonly position: LeaderPosition | null;
  /** The group never had a byte: there is nothing that an empty member could lose. */
  readonly virgin: boolean;
  /** When the Lease was about to be taken; null: it is resumed. */
  readonly takenAt: Instant | null;
}

/** From a right that was won to a Redis that is open for writes (section 3, the promotion path). */
export interface Lead {
  readonly epoch: Epoch;
  readonly way: ClaimWay | "resume" | "abort" | "promises";
  readonly phase: "won" | "recording" | "promoting" | "publishing" | "open";
  readonly since: Instant;
  readonly handover: Handover | null;
  readonly before: Before;
  readonly replid: string | null;
  /** When its Redis was told to pause, or last to go on; null: it has said that it goes on. */
  readonly pausedAt: Instant | null;
  /** Redis has said that `min-replicas-to-write` is set. */
  readonly guarded: boolean;
  /** When it was told to set it. */
  readonly guardAt: Instant | null;
  /** After a promotion that failed: not before this, and under a new epoch. */
  readonly retryAt: Instant | null;
  /** A judgement of the copies (or people) let it take the Lease: it is not judged again. */
  readonly judged: boolean;
  /** Id of a forced failover. */
  readonly forced: string | null;
}

/** A planned or forced change away from this member. */
export interface Handoff {
  readonly cause: "request" | "stop" | "redisDied" | "betterCopy";
  readonly phase:
    | "choosing"
    | "pausing"
    | "draining"
    | "demoting"
    | "comparing"
    | "transferring"
    | "settling"
    | "leaving";
  readonly since: Instant;
  readonly request: ControlRequest | null;
  readonly to: MemberName | null;
  /** As it was when it was chosen. */
  readonly successor: {
    readonly member: MemberName;
    readonly identity: Identity;
    readonly offset: Offset;
    readonly replid: string;
  } | null;
  /** Offset at the confirmed demotion; null: not demoted by this hand-over. */
  readonly offset: Offset | null;
  readonly replid: string | null;
  /** The second comparison held: only the transfer is left. */
  readonly isEqual: boolean;
  /** Attempt by which the successor accepted in advance. */
  readonly accepted: string | null;
  /** Id of the awaited offset. */
  readonly awaiting: number | null;
  readonly askAgainAt: Instant | null;
  /** Whose files lack what a full sync brought. */
  readonly waitsFor: MemberName | null;
  readonly tried: readonly MemberName[];
  /** seq of the transfer that was sent. */
  readonly trySeq: number | null;
  /** When writes were paused; null: they were not. */
  readonly pausedAt: Instant | null;
}

export interface Cutover {
  readonly requestId: string;
  readonly since: Instant;
  /** False: people say that nobody writes there any more. */
  readonly closes: boolean;
  /** People want it though no other member has all of it. */
  readonly alone: boolean;
  /** Null: the source was not asked yet. */
  readonly askId: number | null;
  /** Where the source stood after it was closed, and when that was known here. */
  readonly stood: { readonly replid: string; readonly offset: Offset; readonly at: Instant } | null;
  /** Its Redis leaves the source, so that nothing takes the place of what was compared. */
  readonly detaches: boolean;
  /** The source's history as the Lease is to have it; null: that is not decided. */
  readonly entry: LineageEntry | null;
  /** It was sent, and the Lease has it, or may have it. */
  readonly sent: boolean;
  /** The newest turn with a right. */
  readonly heldAt: Instant;
  /** Why it cannot be, by the source's word. */
  readonly failed: string | null;
}

export interface HoldBack {
  readonly version: string;
  readonly since: Instant;
  readonly why: string;
}

export interface FollowState {
  readonly upstream: RedisAddress | null;
  readonly at: Instant | null;
  readonly bounced: boolean;
}

export interface StopState {
  readonly since: Instant;
  /** When SIGTERM to the sidecar came. */
  readonly terminatedAt: Instant | null;
  readonly reported: boolean;
  /** The try by which the Lease was given back at the end, whatever became of it. */
  readonly releaseSeq: number | null;
  /** Redis ended after a confirmed demotion and our report. */
  readonly ended: boolean;
  /** Where the copy stood at that demotion: its death does not take that away. */
  readonly position: Position | null;
  /** The one read of the pods that tells a deletion from a restart of the container. */
  readonly podRead: number | "answered";
  /** Boot id of the guard by then, or first heard of after it. */
  readonly guard: string | null;
}

/** A demoted member goes on cutting late clients for a while. */
export interface Cutter {
  readonly since: Instant;
  readonly unpaused: boolean;
  readonly cuts: number;
}

/** Writes that a process of Redis had refused when its writers were looked for last. */
export interface Refusals {
  readonly runId: string;
  readonly count: number;
  /** When they were; null: never yet. */
  readonly lookedAt: Instant | null;
}

export interface FailsafeState {
  readonly askedAt: Instant | null;
  /** After a binding round that failed the others get their turn until then. */
  readonly notBefore: Instant | null;
  readonly active: boolean;
  /** Newest lineage epoch that every member recorded in a promise round. */
  readonly lineageEpoch: Epoch;
}
