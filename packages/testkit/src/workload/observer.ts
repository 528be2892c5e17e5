/**
 * An observer: writes to one member's Redis directly, past the write address, to see whether it
 * accepts writes. A client with a stale address would do the same.
 *
 * Its keys are its own, so the ledger never sees them.
 */
import { ReplyError, type Redis } from "ioredis";
import { startSession, type Session, type SessionOptions } from "./session.ts";
import type { Probe } from "./writable.ts";

export interface ObserverOptions extends Pick<
  SessionOptions,
  "address" | "password" | "paceMs" | "deadlineMs"
> {
  readonly key: string;
  readonly observed: (probe: Probe) => void;
}

export function startObserver(options: ObserverOptions): Session {
  return startSession({
    ...options,
    operate: (redis) => probeOnce(redis, options),
    unreachable() {
      const atMs = performance.now();
      options.observed({ sentAtMs: atMs, answeredAtMs: atMs, accepted: false });
    },
  });
}

/** A refusal is an answer: the connection stays. */
async function probeOnce(redis: Redis, options: ObserverOptions): Promise<"done" | "broken"> {
  const sentAtMs = performance.now();
  const answer = await redis.set(options.key, "1").then(
    () => "accepted" as const,
    (error: unknown) => (error instanceof ReplyError ? "refused" : "none"),
  );
  const answeredAtMs = performance.now();
  options.observed({ sentAtMs, answeredAtMs, accepted: answer === "accepted" });
  return answer === "none" ? "broken" : "done";
}
