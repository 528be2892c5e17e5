/**
 * Tells people what a member decided: Events for everything, history for changes of the leader.
 *
 * Guarantees: `announce` neither waits nor throws, and nothing is decided by its success. History
 * entries wait for an API that is away, the oldest of them at most `MAX_HISTORY` back; Events
 * do not wait: they are tried once. Queues are bounded; what falls out is counted.
 */
import type { Epoch, MemberName } from "@leasehold/election";
import type { LeaderChange, Reason } from "@leasehold/replication";
import { createEvents } from "./events.ts";
import { createHistory } from "./history.ts";
import { createJobQueue } from "./job-queue.ts";
import type { ApiClient } from "./api/client.ts";
import type { PodReference } from "./slice.ts";

export interface Announcement {
  readonly reason: Reason;
  readonly epoch: Epoch;
  readonly words: string;
  readonly change: LeaderChange | null;
}

export interface Journal {
  announce(announcement: Announcement): void;
  /** Tries what is left once more, until the deadline; then nothing is written any more. */
  close(deadlineMs: number): Promise<void>;
  /** Entries that nobody will read. */
  lost(): number;
}

export interface JournalOptions {
  readonly client: ApiClient;
  readonly group: string;
  readonly pod: PodReference;
  readonly wallClock?: () => Date;
  /** Default 0. In a hand-over each request less counts: people read later. */
  readonly restMs?: number;
}

const MAX_EVENTS = 64;
const MAX_HISTORY = 16;
const DEADLINE_MS = 5000;

export function createJournal(options: JournalOptions): Journal {
  const { client, group, pod, restMs = 0 } = options;
  const wallClock = options.wallClock ?? (() => new Date());
  const history = createHistory(client, group);
  const events = createEvents({ client, group, pod });
  const by: MemberName = pod.name;

  const eventQueue = createJobQueue(MAX_EVENTS, { retries: false, restMs });
  const historyQueue = createJobQueue(MAX_HISTORY, { retries: true, restMs });
  return {
    announce({ reason, epoch, words, change }) {
      const time = wallClock();
      eventQueue.add(() => events.write({ reason, words, time }, DEADLINE_MS));
      if (!change) return;
      const entry = { ...change, epoch, time: time.toISOString(), reason, words, by };
      historyQueue.add(() => history.append(entry, DEADLINE_MS));
    },
    async close(deadlineMs) {
      await Promise.all([eventQueue.close(deadlineMs), historyQueue.close(deadlineMs)]);
    },
    lost: () => eventQueue.lost() + historyQueue.lost(),
  };
}
