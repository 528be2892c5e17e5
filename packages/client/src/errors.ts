/**
 * The errors of the client. Each says what happened, with its numbers, whether the operation was
 * applied, and what to do; none contains an argument, a key or a password.
 *
 * `outcome` is the promise: `not-applied` means that the operation did not run and will not.
 */
import type { Epoch, NodeDescription, Outcome } from "./types.ts";

/** What an error may say beside its message. */
export interface ErrorFields {
  /** Lower case: `incr`, `multi`. */
  readonly command?: string | undefined;
  /** The node that it is about, by its `id`. */
  readonly node?: string | undefined;
  /** Under which the operation was sent; null: nothing orders leaders here. */
  readonly epoch?: Epoch | null | undefined;
  /** From the call to this error. */
  readonly waitedMs?: number | undefined;
  /** What Node, ioredis or the server said. */
  readonly cause?: unknown;
}

/** What one is made of: what all have, and its own. */
type Fields<Kind, Own extends keyof Kind> = ErrorFields & Readonly<Pick<Kind, Own>>;

/** Every error of this package is one: `outcome` says whether the data was changed. */
export abstract class LeaseholdError extends Error {
  /** One for each class: for programs, as Node's own are. */
  abstract readonly code: `ERR_LEASEHOLD_${string}`;
  /** Whether the operation was applied. */
  readonly outcome: Outcome;
  /** Running the operation again can do no harm and may succeed. */
  readonly retryable: boolean;
  /** Lower case: `incr`, `multi`; undefined: no single one is meant. */
  readonly command: string | undefined;
  /** The node that it is about, by its `id`; undefined: there is none. */
  readonly node: string | undefined;
  /** Under which it was sent; undefined: unknown, or nothing orders leaders here. */
  readonly epoch: Epoch | undefined;
  /** From the call to this error. */
  readonly waitedMs: number | undefined;

  constructor(message: string, outcome: Outcome, fields: ErrorFields & { retryable: boolean }) {
    super(message, fields.cause === undefined ? undefined : { cause: fields.cause });
    this.name = new.target.name;
    this.outcome = outcome;
    this.retryable = fields.retryable;
    this.command = fields.command;
    this.node = fields.node;
    this.epoch = fields.epoch ?? undefined;
    this.waitedMs = fields.waitedMs;
  }
}

/** No leader could be reached in time. Nothing was sent. */
export class LeaderUnavailableError extends LeaseholdError {
  readonly code = "ERR_LEASEHOLD_LEADER_UNAVAILABLE";
  /** Null: none was ever known. */
  readonly lastLeader: NodeDescription | null;
  /** Since that one was lost; null: unknown. */
  readonly lostForMs: number | null;
  /** Why the last attempt did not lead to a leader, in words. */
  readonly reason: string;

  constructor(
    message: string,
    fields: Fields<LeaderUnavailableError, "lastLeader" | "lostForMs" | "reason">,
  ) {
    super(message, "not-applied", { ...fields, retryable: true });
    this.lastLeader = fields.lastLeader;
    this.lostForMs = fields.lostForMs;
    this.reason = fields.reason;
  }
}

/** No node fits the read preference. */
export class NoEligibleNodeError extends LeaseholdError {
  readonly code = "ERR_LEASEHOLD_NO_ELIGIBLE_NODE";
  /** The mode that was asked for. */
  readonly preference: string;
  /** The filter that left nobody. */
  readonly emptiedBy: string;
  /** All that were known. */
  readonly nodes: readonly NodeDescription[];

  constructor(
    message: string,
    fields: Fields<NoEligibleNodeError, "preference" | "emptiedBy" | "nodes">,
  ) {
    super(message, "not-applied", { ...fields, retryable: true });
    this.preference = fields.preference;
    this.emptiedBy = fields.emptiedBy;
    this.nodes = fields.nodes;
  }
}

/** The server refused it as no leader, and it could not be sent again. */
export class NotLeaderError extends LeaseholdError {
  readonly code = "ERR_LEASEHOLD_NOT_LEADER";
  /** `READONLY`, `LOADING`, … */
  readonly serverCode: string;
  /** `host:port` out of a `REDIRECT`. */
  readonly redirectedTo: string | undefined;

  constructor(
    message: string,
    fields: ErrorFields & { readonly serverCode: string; readonly redirectedTo?: string },
  ) {
    super(message, "not-applied", { ...fields, retryable: true });
    this.serverCode = fields.serverCode;
    this.redirectedTo = fields.redirectedTo;
  }
}

/** It was written, and no reply will come. */
export class WriteOutcomeUnknownError extends LeaseholdError {
  readonly code = "ERR_LEASEHOLD_OUTCOME_UNKNOWN";
  /** From the write to the loss of the reply. */
  readonly writtenMsAgo: number;
  /** Why no reply will come, in words. */
  readonly lostBecause: string;

  constructor(
    message: string,
    fields: Fields<WriteOutcomeUnknownError, "writtenMsAgo" | "lostBecause">,
  ) {
    super(message, "unknown", { ...fields, retryable: false });
    this.writtenMsAgo = fields.writtenMsAgo;
    this.lostBecause = fields.lostBecause;
  }
}

/** `timeoutMs` ran out, or its signal was aborted. */
export class OperationTimeoutError extends LeaseholdError {
  readonly code = "ERR_LEASEHOLD_OPERATION_TIMEOUT";
  /** What was asked for; null: a signal ended it. */
  readonly timeoutMs: number | null;
  /** `waiting`: never sent, and never will be. `written`: sent, and it may run. */
  readonly phase: "waiting" | "written";

  constructor(message: string, fields: Fields<OperationTimeoutError, "timeoutMs" | "phase">) {
    const waiting = fields.phase === "waiting";
    super(message, waiting ? "not-applied" : "unknown", { ...fields, retryable: waiting });
    this.timeoutMs = fields.timeoutMs;
    this.phase = fields.phase;
  }
}

/** None of the transaction was applied; `unknown`: what its body wrote beside it may have been. */
export class TransactionAbortedError extends LeaseholdError {
  readonly code = "ERR_LEASEHOLD_TRANSACTION_ABORTED";
  /** `rejected`: by the server. `leaderChanged`: since `WATCH`; `EXEC` was not sent. */
  readonly reason: "rejected" | "leaderChanged";
  /** What the server said to the commands of the transaction. ioredis fills it in. */
  previousErrors: readonly Error[];

  constructor(
    message: string,
    fields: ErrorFields & {
      readonly reason: "rejected" | "leaderChanged";
      readonly previousErrors: readonly Error[];
      readonly outcome?: "not-applied" | "unknown";
    },
  ) {
    const { outcome = "not-applied" } = fields;
    super(message, outcome, { ...fields, retryable: outcome === "not-applied" });
    this.reason = fields.reason;
    this.previousErrors = fields.previousErrors;
  }
}

/** The write ran on the leader, but too few replicas have confirmed it; or the epoch moved on. */
export class WriteConcernError extends LeaseholdError {
  readonly code = "ERR_LEASEHOLD_WRITE_CONCERN";
  /** What the write itself answered; undefined if that is unknown. */
  readonly result: unknown;
  /** Copies that have it, the leader's own counted; null: unknown. */
  readonly acknowledged: number | null;
  /** Copies that were asked for, the leader's own counted. */
  readonly requested: number;

  constructor(
    message: string,
    outcome: "applied" | "unknown",
    fields: Fields<WriteConcernError, "result" | "acknowledged" | "requested">,
  ) {
    super(message, outcome, { ...fields, retryable: false });
    this.result = fields.result;
    this.acknowledged = fields.acknowledged;
    this.requested = fields.requested;
  }
}

/** A cursor belongs to the node that gave it, and that is no longer the leader. */
export class ScanInterruptedError extends LeaseholdError {
  readonly code = "ERR_LEASEHOLD_SCAN_INTERRUPTED";
  /** Elements that this scan had brought until then: keys, members, fields. They may come again. */
  readonly keysSeen: number;

  constructor(message: string, fields: Fields<ScanInterruptedError, "keysSeen">) {
    super(message, "not-applied", { ...fields, retryable: true });
    this.keysSeen = fields.keysSeen;
  }
}

/** Too many operations wait for a leader already: see `maxQueued`. */
export class QueueFullError extends LeaseholdError {
  readonly code = "ERR_LEASEHOLD_QUEUE_FULL";
  /** Operations that wait. */
  readonly queued: number;

  constructor(message: string, fields: Fields<QueueFullError, "queued">) {
    super(message, "not-applied", { ...fields, retryable: true });
    this.queued = fields.queued;
  }
}

/** The reader sits on some node: a command that may write was refused before it was sent. */
export class ReadOnlyConnectionError extends LeaseholdError {
  readonly code = "ERR_LEASEHOLD_READ_ONLY_CONNECTION";

  constructor(command: string) {
    const message = `${command.toUpperCase()} is no read, and a reader may sit on the leader: it was not sent. Use \`leader\``;
    super(message, "not-applied", { command, retryable: false });
  }
}

/** The server or the topology cannot hold this write concern. Nothing was written. */
export class WriteConcernUnsupportedError extends LeaseholdError {
  readonly code = "ERR_LEASEHOLD_WRITE_CONCERN_UNSUPPORTED";

  constructor(message: string, fields: ErrorFields) {
    super(message, "not-applied", { ...fields, retryable: false });
  }
}

/** An option is wrong. Thrown before anything is connected or sent. */
export class InvalidOptionError extends LeaseholdError {
  readonly code = "ERR_LEASEHOLD_INVALID_OPTION";
  /** Its name, such as `redis.host`. */
  readonly option: string;

  constructor(option: string, message: string) {
    super(`${option}: ${message}`, "not-applied", { retryable: false });
    this.option = option;
  }
}

/** This ioredis lacks something that the client stands on. */
export class UnsupportedIoredisError extends LeaseholdError {
  readonly code = "ERR_LEASEHOLD_UNSUPPORTED_IOREDIS";

  constructor(missing: string) {
    const message = `This ioredis has no ${missing}: install ioredis ~6.0.0 beside @leasehold/client`;
    super(message, "not-applied", { retryable: false });
  }
}

/** The client was closed: `not-applied` if the operation was not sent before, else `unknown`. */
export class ClientClosedError extends LeaseholdError {
  readonly code = "ERR_LEASEHOLD_CLIENT_CLOSED";

  constructor(message: string, outcome: "not-applied" | "unknown", fields: ErrorFields = {}) {
    super(message, outcome, { ...fields, retryable: false });
  }
}
