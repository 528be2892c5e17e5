/**
 * The sentences of the errors that a connection gives: what happened, the numbers, whether it was
 * applied, what to do. No argument and no key is in them.
 */
import {
  ClientClosedError,
  LeaderUnavailableError,
  NotLeaderError,
  OperationTimeoutError,
  QueueFullError,
  TransactionAbortedError,
  WriteOutcomeUnknownError,
  type LeaseholdError,
} from "./errors.ts";
import type { Operation, Rejection } from "./operation.ts";
import type { NodeDescription } from "./types.ts";

export interface Surroundings {
  /** The leader that was last connected to. */
  readonly lastLeader: NodeDescription | null;
  readonly lastEpoch: number | null;
  readonly lostForMs: number | null;
  readonly lostBecause: string;
  /** What keeps the connection from coming back. */
  readonly trouble: string;
}

export function nameOf(operation: Pick<Operation, "commands" | "stream">): string {
  const { commands, stream } = operation;
  if (commands.length === 1 || !stream) return commands[0]?.name.toUpperCase() ?? "NOTHING";
  return `A pipeline of ${commands.length} commands`;
}

export function expired(
  operation: Operation,
  waitedMs: number,
  around: Surroundings,
): LeaseholdError {
  const command = nameOf(operation);
  const { rejection } = operation;
  if (rejection) return notSentAgain(command, rejection, waitedMs);
  const { lastLeader, lastEpoch, lostForMs, lostBecause, trouble } = around;
  const lost =
    lastLeader && lostForMs !== null
      ? `; ${describe(lastLeader, lastEpoch)} was lost ${Math.round(lostForMs)} ms ago: ${lostBecause}`
      : "";
  const why = trouble === "" ? "" : `; ${trouble}`;
  const next = /\b(WRONGPASS|NOAUTH)\b/.test(why)
    ? "Check `username` and `password` of the option `redis`"
    : 'See "leasehold status"';
  const message =
    `No leader within ${Math.round(waitedMs)} ms${lost}${why}. ${command} was not sent, ` +
    `retrying is safe. ${next}`;
  return new LeaderUnavailableError(message, {
    command,
    waitedMs,
    lastLeader,
    lostForMs,
    reason: trouble || lostBecause,
    epoch: lastEpoch,
    node: lastLeader?.id,
  });
}

function notSentAgain(command: string, rejection: Rejection, waitedMs: number): NotLeaderError {
  const { code, node } = rejection;
  const still =
    code === "NOREPLICAS" ? "too few replicas came into reach" : "no other leader was found";
  const message =
    `${node} refused ${command} with ${code}, and ${still} within ` +
    `${Math.round(waitedMs)} ms. It was not applied, retrying is safe`;
  return new NotLeaderError(message, { command, ...serverOf(rejection), waitedMs });
}

function serverOf({ code, node, message }: Rejection): {
  readonly serverCode: string;
  readonly node: string;
  readonly redirectedTo?: string;
} {
  const to = /^REDIRECT (\S+)$/.exec(message)?.[1];
  return { serverCode: code, node, ...(to === undefined ? {} : { redirectedTo: to }) };
}

export function overtaken(command: string, rejection: Rejection): NotLeaderError {
  const { code, node } = rejection;
  const message =
    `${node} refused ${command} with ${code}, and then acknowledged a later write: to keep the ` +
    "order it was not sent again. It was not applied, retrying is safe";
  return new NotLeaderError(message, { command, ...serverOf(rejection) });
}

export function refused(command: string, rejection: Rejection): NotLeaderError {
  const { code, node } = rejection;
  const why = code === "NOREPLICAS" ? "too few replicas are in reach" : "it leads no longer";
  const message = `${node} refused ${command} with ${code}: ${why}. It was not applied`;
  return new NotLeaderError(message, { command, ...serverOf(rejection) });
}

/** It waited behind a command that its server has ended, and with it the connection. */
export function transactionRefused({ name }: { readonly name: string }): TransactionAbortedError {
  const message =
    "The server leads no longer, and ran nothing more of this connection: the transaction was " +
    `not applied, from ${name.toUpperCase()} on, and running the whole again is safe`;
  const fields = { command: name.toLowerCase(), reason: "rejected", previousErrors: [] } as const;
  return new TransactionAbortedError(message, fields);
}

export function outcomeUnknown(
  command: string,
  writtenMsAgo: number,
  around: Surroundings,
): WriteOutcomeUnknownError {
  const { lastLeader, lastEpoch, lostBecause } = around;
  const where = lastLeader ? describe(lastLeader, lastEpoch) : "the leader";
  const message =
    `Connection to ${where} was lost ${Math.round(writtenMsAgo)} ms after ${command} was ` +
    `written: ${lostBecause || "its reply was lost"}. ${command} may or may not have been applied; read before retrying, ` +
    "or use an idempotent command";
  return new WriteOutcomeUnknownError(message, {
    command,
    writtenMsAgo,
    lostBecause,
    node: lastLeader?.id,
    epoch: lastEpoch,
  });
}

export function timedOut(
  command: string,
  phase: "waiting" | "written",
  cause: { readonly timeoutMs: number | null },
): OperationTimeoutError {
  const { timeoutMs } = cause;
  const what = timeoutMs === null ? "was cancelled by its signal" : `took over ${timeoutMs} ms`;
  const consequence =
    phase === "waiting"
      ? "It was not sent, retrying is safe"
      : "It was sent, and may or may not have been applied: read before retrying";
  return new OperationTimeoutError(`${command} ${what}. ${consequence}`, {
    command,
    timeoutMs,
    phase,
  });
}

export function queueFull(command: string, queued: number): QueueFullError {
  const message =
    `${queued} operations wait for a leader already, as many as maxQueued allows. ${command} was ` +
    "not sent, retrying later is safe";
  return new QueueFullError(message, { command, queued });
}

export function cannotMove(command: string): NotLeaderError {
  const message =
    `${command} counts the replicas of one connection's writes, and there is another one now: it ` +
    "was not sent. Use withWriteConcern, which keeps the two together";
  return new NotLeaderError(message, { command, serverCode: "MOVED" });
}

export function closed(command: string, outcome: "not-applied" | "unknown"): ClientClosedError {
  const consequence =
    outcome === "not-applied"
      ? `${command} was not sent`
      : `${command} was sent, and may or may not have been applied`;
  return new ClientClosedError(`The connection is closed. ${consequence}`, outcome, { command });
}

function describe({ id, host, port }: NodeDescription, epoch: number | null): string {
  const address = `${host}:${port}`;
  const parts = [
    ...(id === address ? [] : [address]),
    ...(epoch === null ? [] : [`epoch ${epoch}`]),
  ];
  return parts.length === 0 ? id : `${id} (${parts.join(", ")})`;
}
