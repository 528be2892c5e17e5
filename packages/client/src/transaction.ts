/**
 * Runs a body with a connection of its own, and again when nothing of it was applied because the
 * leader changed.
 *
 * Guarantees: the connection is no one else's meanwhile, so that WATCH and MULTI mean something; a
 * body is run again only after an error that says `not-applied`, `maxAttempts` times at most, and
 * never once anything that it wrote may have been applied.
 */
import type { Command, Redis } from "ioredis";
import { isRepeatable } from "./command.ts";
import { NotLeaderError, TransactionAbortedError } from "./errors.ts";
import { CORE, type Follower } from "./follower.ts";
import type { OperationOptions, ResolvedOptions } from "./operation.ts";
import { viewOf } from "./operation-view.ts";
import { outcomeOf } from "./outcome.ts";
import type { Epoch } from "./types.ts";

/** What a body is told of the attempt that it is. */
export interface TransactionContext {
  /** Null: nothing orders leaders here. */
  readonly epoch: Epoch | null;
  /** 1, 2, … */
  readonly attempt: number;
  /** The caller's; never aborted if there is none. */
  readonly signal: AbortSignal;
}

/** Of a transaction. */
export interface TransactionOptions extends OperationOptions {
  /** Default 5. */
  readonly maxAttempts?: number;
}

/** Uses `tx` alone, and nobody else uses that meanwhile: `WATCH`, reads, one `multi`. */
export type TransactionBody<T> = (tx: Redis, context: TransactionContext) => Promise<T>;

export interface TransactionParts {
  acquire(): Follower;
  release(follower: Follower): void;
  epoch(): Epoch | null;
}

export async function runTransaction<T>(
  body: TransactionBody<T>,
  options: { readonly operation: ResolvedOptions; readonly maxAttempts: number },
  parts: TransactionParts,
): Promise<T> {
  const { operation, maxAttempts } = options;
  const follower = parts.acquire();
  let hasWritten = false;
  const tx = viewOf(follower, operation, (command) => {
    findWrite(command, () => (hasWritten = true));
  });
  const signal = operation.signal ?? new AbortController().signal;
  const run = async (attempt: number): Promise<T> => {
    try {
      return await body(tx, { epoch: parts.epoch(), attempt, signal });
    } catch (error) {
      const mayRepeat = error instanceof TransactionAbortedError || error instanceof NotLeaderError;
      if (mayRepeat && hasWritten) throw halfDone(error);
      if (!mayRepeat || attempt >= maxAttempts) throw error;
    }
    return run(attempt + 1);
  };
  try {
    return await run(1);
  } finally {
    // What a body leaves watched or open must not meet the next one.
    follower[CORE].resetSession();
    parts.release(follower);
  }
}

const CHANGE_NOTHING: ReadonlySet<string> = new Set(["watch", "unwatch", "multi", "discard"]);

/** Calls `found` for a write beside MULTI or an EXEC that went through, before its caller knows. */
function findWrite(command: Command, found: () => void): void {
  const name = command.name.toLowerCase();
  if (isRepeatable(name) || CHANGE_NOTHING.has(name)) return;
  command.promise.then(
    (reply: unknown) =>
      (name === "exec" ? reply !== null : !command.inTransaction) ? found() : undefined,
    (error: unknown) => (outcomeOf(error) === "not-applied" ? undefined : found()),
  );
}

function halfDone(cause: TransactionAbortedError | NotLeaderError): TransactionAbortedError {
  const message =
    "The leader changed during the transaction, and its body is not run again: it had written " +
    "beside this MULTI before, which may have been applied. Read before retrying";
  const { command } = cause;
  const reason = cause instanceof TransactionAbortedError ? cause.reason : "rejected";
  const fields = { command, reason, previousErrors: [], outcome: "unknown", cause } as const;
  return new TransactionAbortedError(message, fields);
}
