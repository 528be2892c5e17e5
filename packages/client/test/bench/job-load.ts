/** A producer of 200 jobs a second and the workers that do them, with an account of every job. */
import { setTimeout as sleep } from "node:timers/promises";
import { Queue, Worker } from "bullmq";
import { outcomeOf, type Leasehold } from "../../src/index.ts";
import { until } from "../process/real-redis.ts";

const PER_SECOND = 200;
const WORKERS = 4;
const NAME = "mail";
/** What a worker sleeps after a script that was cut off; BullMQ's own default is 15 s. */
const RUN_RETRY_DELAY_MS = 500;

export interface Counts {
  readonly acknowledged: number;
  readonly notApplied: number;
  readonly unknown: number;
}

export interface End extends Counts {
  readonly added: number;
  readonly done: number;
  /** Acknowledged, and not done. */
  readonly lost: number;
  readonly twice: number;
  /** Said to be not applied, and done nevertheless. */
  readonly ghosts: number;
  readonly unknownDone: number;
  readonly idleWorkers: number;
  readonly longestPauseMs: number;
}

export interface Jobs {
  counts(): Counts;
  /** Longest time without a job done, since this was asked last. */
  idleMs(): number;
  /** A new leader is known from now on. */
  heard(): void;
  /** Longest time from a new leader to the next job done, since this was asked last; null: none. */
  resumedMs(): number | null;
  /** Waits until a job is done that was added after this call. */
  goOn(timeoutMs: number): Promise<void>;
  /** No more adds; waits until all acknowledged ones are done, `timeoutMs` at most. */
  finish(timeoutMs: number): Promise<End>;
}

interface Account {
  readonly acknowledged: string[];
  readonly notApplied: string[];
  readonly unknown: string[];
  /** How often. */
  readonly done: Map<string, number>;
  readonly doneByWorker: number[];
  readonly lastMs: number[];
  longestPauseMs: number;
  idleMs: number;
  doneAtMs: number;
  heardAtMs: number | null;
  resumedMs: number | null;
}

export async function startJobs(client: Leasehold): Promise<Jobs> {
  const account = newAccount();
  const queue = new Queue(NAME, { connection: client.bullmqConnection("producer") });
  queue.on("error", () => {});
  const workers = account.lastMs.map((_, n) => startWorker(client, (id) => note(account, n, id)));
  const adds: Promise<void>[] = [];
  const stopped = new AbortController();
  const add = (id: string): Promise<void> =>
    queue.add("send", {}, { jobId: id, removeOnComplete: true }).then(
      () => void account.acknowledged.push(id),
      (error: unknown) => {
        account[outcomeOf(error) === "not-applied" ? "notApplied" : "unknown"].push(id);
      },
    );
  const startedAtMs = performance.now();
  const producing = (async () => {
    while (!stopped.signal.aborted) {
      const due = ((performance.now() - startedAtMs) / 1_000) * PER_SECOND;
      while (adds.length < due) adds.push(add(`job-${adds.length}`));
      await sleep(5);
    }
  })();
  await until(() => account.done.size > 0, 20_000);
  return {
    counts: () => countsOf(account),
    idleMs() {
      const idleMs = Math.max(account.idleMs, performance.now() - account.doneAtMs);
      account.idleMs = 0;
      return idleMs;
    },
    heard: () => void (account.heardAtMs = performance.now()),
    resumedMs() {
      const { resumedMs } = account;
      account.resumedMs = null;
      return resumedMs;
    },
    async goOn(timeoutMs) {
      const next = adds.length;
      const isLater = (id: string): boolean => Number(id.slice("job-".length)) >= next;
      await until(() => [...account.done.keys()].slice(-50).some(isLater), timeoutMs);
    },
    async finish(timeoutMs) {
      stopped.abort();
      await producing;
      await Promise.all(adds);
      const isDone = (): boolean => account.acknowledged.every((id) => account.done.has(id));
      await until(isDone, timeoutMs).catch(() => {});
      const idleWorkers = await countIdle(account, (id) => queue.add("last", {}, { jobId: id }));
      const closing = [queue, ...workers].map((one) => one.close());
      await Promise.race([Promise.all(closing), sleep(5_000)]);
      return endOf(account, adds.length, idleWorkers);
    },
  };
}

function newAccount(): Account {
  return {
    acknowledged: [],
    notApplied: [],
    unknown: [],
    done: new Map(),
    doneByWorker: Array.from({ length: WORKERS }, () => 0),
    lastMs: Array.from({ length: WORKERS }, () => performance.now()),
    longestPauseMs: 0,
    idleMs: 0,
    doneAtMs: performance.now(),
    heardAtMs: null,
    resumedMs: null,
  };
}

function startWorker(client: Leasehold, done: (id: string) => void): Worker {
  const worker = new Worker(NAME, (job) => Promise.resolve(done(job.id ?? "")), {
    connection: client.bullmqConnection("worker"),
    concurrency: 5,
    stalledInterval: 2_000,
    lockDuration: 5_000,
    drainDelay: 1,
    runRetryDelay: RUN_RETRY_DELAY_MS,
  });
  worker.on("error", () => {});
  return worker;
}

function note(account: Account, worker: number, id: string): void {
  const now = performance.now();
  account.done.set(id, (account.done.get(id) ?? 0) + 1);
  account.doneByWorker[worker] = (account.doneByWorker[worker] ?? 0) + 1;
  account.longestPauseMs = Math.max(account.longestPauseMs, now - (account.lastMs[worker] ?? now));
  account.lastMs[worker] = now;
  account.idleMs = Math.max(account.idleMs, now - account.doneAtMs);
  account.doneAtMs = now;
  if (account.heardAtMs === null) return;
  account.resumedMs = Math.max(account.resumedMs ?? 0, now - account.heardAtMs);
  account.heardAtMs = null;
}

const LAST_JOBS = 400;
const LAST_MS = 10_000;

/** Workers that do none of many jobs more. */
async function countIdle(account: Account, add: (id: string) => Promise<unknown>): Promise<number> {
  const before = [...account.doneByWorker];
  const ids = Array.from({ length: LAST_JOBS }, (_, n) => `last-${n}`);
  await Promise.all(ids.map(add));
  await until(() => ids.every((id) => account.done.has(id)), LAST_MS).catch(() => {});
  return before.filter((count, n) => account.doneByWorker[n] === count).length;
}

function countsOf({ acknowledged, notApplied, unknown }: Account): Counts {
  return {
    acknowledged: acknowledged.length,
    notApplied: notApplied.length,
    unknown: unknown.length,
  };
}

function endOf(account: Account, added: number, idleWorkers: number): End {
  const { acknowledged, notApplied, unknown, done } = account;
  const isDone = (id: string): boolean => done.has(id);
  const all = [...acknowledged, ...notApplied, ...unknown];
  return {
    ...countsOf(account),
    added,
    done: all.filter(isDone).length,
    lost: acknowledged.filter((id) => !isDone(id)).length,
    twice: [...done.values()].filter((count) => count > 1).length,
    ghosts: notApplied.filter(isDone).length,
    unknownDone: unknown.filter(isDone).length,
    idleWorkers,
    longestPauseMs: account.longestPauseMs,
  };
}
