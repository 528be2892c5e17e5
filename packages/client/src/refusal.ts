/** Why a command is refused before anything of it is written. Pure. */
import type { Command } from "ioredis";
import { countsReplicas, isFitForReader } from "./command.ts";
import { ReadOnlyConnectionError } from "./errors.ts";
import * as messages from "./messages.ts";
import type { ResolvedOptions, Stream } from "./operation.ts";

/** Null: it is welcome. */
export function refusalOf(
  command: Command,
  { signal }: ResolvedOptions,
  connection: { readonly isEnded: boolean; readonly readOnly: boolean },
): Error | null {
  const name = command.name.toUpperCase();
  if (connection.isEnded) return messages.closed(name, "not-applied");
  if (connection.readOnly && !isFitForReader(command.name)) {
    return new ReadOnlyConnectionError(name);
  }
  return signal?.aborted ? messages.timedOut(name, "waiting", { timeoutMs: null }) : null;
}

/** Why it cannot wait for a leader; null: it can. */
export function waitingRefusalOf(
  command: Command,
  stream: Stream,
  { queued, maxQueued }: { readonly queued: number; readonly maxQueued: number },
): Error | null {
  const name = command.name.toUpperCase();
  if (queued >= maxQueued) return messages.queueFull(name, queued);
  return !stream && countsReplicas(command.name) ? messages.cannotMove(name) : null;
}
