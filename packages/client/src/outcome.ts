/**
 * Whether an operation that failed has changed the data. Pure.
 *
 * Guarantees: `not-applied` only where Redis refuses a command before it runs; what is not
 * recognised is `unknown`. A script that fails may have written before it failed.
 */
import { LeaseholdError } from "./errors.ts";
import type { Outcome } from "./types.ts";

/** Refused before it ran, because this server leads nobody now: it may be sent elsewhere. */
const DEFINITE = ["READONLY", "REDIRECT", "MASTERDOWN", "LOADING", "NOREPLICAS"] as const;

export type RejectionCode = (typeof DEFINITE)[number] | "UNBLOCKED";

/** Behind a script's own words the code comes late: Redis up to 6.2 says `ERR Error running …`. */
const IN_SCRIPT = new RegExp(`(?:^|[\\s:]-)(${DEFINITE.join("|")})\\b`);
const OWN_SENTENCE =
  /^(READONLY You can't write|REDIRECT \S+:\d+$|MASTERDOWN Link with|LOADING \w+ is loading|NOREPLICAS Not enough)/;
const SCRIPTS = new Set(["eval", "evalsha", "fcall"]);

/** The code of a definite rejection of `command`; null: another kind of answer. */
export function rejectionOf(message: string, command: string): RejectionCode | null {
  const first = message.split(" ", 1)[0] ?? "";
  const direct = DEFINITE.find((code) => code === first);
  const isScript = SCRIPTS.has(command.toLowerCase());
  // A script may answer with any word, after it has written: Redis' own sentence is meant.
  if (direct) return isScript && !OWN_SENTENCE.test(message) ? null : direct;
  // Others are unblocked, too: by CLIENT UNBLOCK, or since their stream is gone.
  if (first === "UNBLOCKED") return message.includes("instance state changed") ? first : null;
  if (!isScript || first !== "ERR") return null;
  return (IN_SCRIPT.exec(message)?.[1] as RejectionCode | undefined) ?? null;
}

/**
 * For any error that came out of the client: its own, the server's, ioredis' or Node's. An
 * EXECABORT counts by what was said to the commands inside.
 */
export function outcomeOf(error: unknown): Outcome {
  if (error instanceof LeaseholdError) return error.outcome;
  if (!(error instanceof Error)) return "unknown";
  if (error.name !== "ReplyError") return "unknown";
  const name = (error as { command?: { name?: string } }).command?.name;
  const command = name ?? "";
  if (rejectionOf(error.message, command) !== null) return "not-applied";
  if (error.message.startsWith("NOSCRIPT")) return "not-applied";
  // Among the results of EXEC errors carry no command: it may be a script's.
  return name === undefined || SCRIPTS.has(command.toLowerCase()) ? "unknown" : "not-applied";
}

/** The errors among the results of a pipeline, with their place. */
export function rejectedIn(
  results: readonly (readonly [error: Error | null, result?: unknown])[] | null,
): { readonly index: number; readonly error: Error; readonly outcome: Outcome }[] {
  return (results ?? []).flatMap(([error], index) =>
    error ? [{ index, error, outcome: outcomeOf(error) }] : [],
  );
}
