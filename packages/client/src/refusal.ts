/** Why a command is refused before anything is done with it. Pure. */
import type { Command } from "ioredis";
import { isFitForReader } from "./command.ts";
import { ReadOnlyConnectionError } from "./errors.ts";
import * as messages from "./messages.ts";
import type { ResolvedOptions } from "./operation.ts";

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
