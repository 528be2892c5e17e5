/**
 * Writers that share one client of @leasehold/client, as those of an application do.
 *
 * Its word is taken: `not-applied` is held against it as a refusal, so that a token of which it was
 * said, and which is there, breaks the act's promise. A write that waits for a leader is no error.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { createLeasehold, outcomeOf, type Leasehold } from "@leasehold/client";
import type { Session, WriteOutcome, WriterOptions } from "@leasehold/testkit/workload";

export interface ClientWriters {
  readonly startWriter: (options: WriterOptions) => Session;
  close(): Promise<void>;
}

const CONFIRMED_WITHIN_MS = 1000;

export function createClientWriters(url: string): ClientWriters {
  const client = createLeasehold(url);
  return {
    startWriter(options) {
      const stopping = new AbortController();
      const ended = run(client, options, stopping.signal);
      return {
        async stop() {
          stopping.abort();
          await ended;
        },
      };
    },
    close: () => client.close(),
  };
}

async function run(client: Leasehold, options: WriterOptions, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    options.list.settle(await write(client, options));
    await sleep(options.paceMs, null, { signal }).catch(() => {});
  }
}

async function write(client: Leasehold, options: WriterOptions): Promise<WriteOutcome> {
  const { list, replicas } = options;
  const concern = { w: replicas + 1, wtimeoutMs: CONFIRMED_WITHIN_MS };
  const writes = replicas > 0 ? client.withWriteConcern(concern) : client.leader;
  try {
    const length = await writes.rpush(list.key, list.next());
    options.acknowledged(performance.now(), length);
    return replicas > 0 ? "confirmed" : "acknowledged";
  } catch (error) {
    const outcome = outcomeOf(error);
    // On the leader, but not confirmed in time.
    if (outcome === "applied") return "acknowledged";
    const what = outcome === "unknown" ? "UNKNOWN" : "REFUSED";
    options.failed(`${what} ${error instanceof Error ? error.message : String(error)}`);
    return outcome === "unknown" ? "unknown" : "refused";
  }
}
