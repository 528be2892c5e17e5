/**
 * A writer: appends one unique token after the other through the write address and tells the
 * ledger what became of it.
 *
 * Only an error *reply* is a definite refusal; whatever ends without a reply is `unknown`.
 */
import { ReplyError, type Redis } from "ioredis";
import type { LedgerList, WriteOutcome } from "./ledger.ts";
import { startSession, type Session, type SessionOptions } from "./session.ts";

export interface WriterOptions extends Pick<
  SessionOptions,
  "address" | "otherAddress" | "password" | "paceMs" | "deadlineMs" | "connectDeadlineMs"
> {
  /** Keeps its connection when a write is refused, as many clients do. Default: no. */
  readonly isStubborn?: boolean | undefined;
  readonly list: LedgerList;
  /** Replicas that must hold a write before it counts as confirmed; 0: it is not asked. */
  readonly replicas: number;
  /** Called at each acknowledgement, with its `performance.now()` and the length of the list. */
  readonly acknowledged: (atMs: number, length: number) => void;
  /** Called for each write, and each connect for one, that did not succeed. */
  readonly failed: (why: string) => void;
}

/** Of the command's deadline, so that `WAIT` answers before the client gives up. */
const WAIT_SHARE = 0.5;

export function startWriter(options: WriterOptions): Session {
  return startSession({
    ...options,
    async operate(redis) {
      const outcome = await writeOnce(redis, options);
      options.list.settle(outcome);
      const stays = options.isStubborn === true && outcome === "refused";
      return stays || outcome === "confirmed" || outcome === "acknowledged" ? "done" : "broken";
    },
    unreachable(why) {
      options.failed(`connect: ${why}`);
      options.list.next();
      options.list.settle("refused");
    },
  });
}

async function writeOnce(redis: Redis, options: WriterOptions): Promise<WriteOutcome> {
  const pushed = redis.rpush(options.list.key, options.list.next()).then(
    (length) => {
      options.acknowledged(performance.now(), length);
      return "acknowledged" as const;
    },
    (error: unknown) => {
      options.failed(error instanceof Error ? error.message : String(error));
      return error instanceof ReplyError ? ("refused" as const) : ("unknown" as const);
    },
  );
  if (options.replicas === 0) return pushed;
  // Sent behind the write on the same connection: it asks for exactly that write's offset.
  const waited = redis.wait(options.replicas, options.deadlineMs * WAIT_SHARE).then(
    (count) => count >= options.replicas,
    () => false,
  );
  const [outcome, enough] = await Promise.all([pushed, waited]);
  return outcome === "acknowledged" && enough ? "confirmed" : outcome;
}
