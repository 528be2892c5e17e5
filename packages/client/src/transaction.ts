/**
 * Runs a body with a connection of its own, and again when nothing of it was applied because the
 * leader changed.
 *
 * Guarantees: the connection is no one else's meanwhile, so that WATCH and MULTI mean something; a
 * body is run again only after an error that says `not-applied`, `maxAttempts` times at most.
 */
import type { Redis } from "ioredis";
import { NotLeaderError, TransactionAbortedError } from "./errors.ts";
import { CORE, type Follower } from "./follower.ts";
import type { OperationOptions, ResolvedOptions } from "./operation.ts";
import { viewOf } from "./operation-view.ts";
import type { Epoch } from "./types.ts";

export interface TransactionContext {
  readonly epoch: Epoch | null;
  /** 1, 2, … */
  readonly attempt: number;
  readonly signal: AbortSignal;
}

export interface TransactionOptions extends OperationOptions {
  /** Default 5. */
  readonly maxAttempts?: number;
}

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
  const tx = viewOf(follower, operation);
  const signal = operation.signal ?? new AbortController().signal;
  const run = async (attempt: number): Promise<T> => {
    try {
      return await body(tx, { epoch: parts.epoch(), attempt, signal });
    } catch (error) {
      const mayRepeat = error instanceof TransactionAbortedError || error instanceof NotLeaderError;
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
