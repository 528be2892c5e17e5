/** Runs many seeds on several cores; each worker draws the next seed when it is free. */
import { Worker } from "node:worker_threads";
import type { RunRequest, RunStats } from "./run.ts";

/** What a worker says of a run: plain data, and the timeline's end only if a promise broke. */
export interface RunSummary {
  readonly seed: number;
  readonly profile: string;
  readonly members: number;
  readonly broken: {
    readonly checker: string;
    readonly promise: string;
    readonly words: string;
  } | null;
  readonly tail: readonly string[];
  readonly fingerprint: string;
  readonly virtualMs: number;
  readonly stats: RunStats;
}

export interface Batch {
  readonly seeds: readonly number[];
  readonly profile: string | null;
  readonly members: number | null;
  readonly jobs: number;
  /** Ends the batch after this many broken seeds. */
  readonly stopAfter: number;
}

export async function runBatch(batch: Batch, told: (run: RunSummary) => void): Promise<void> {
  let next = 0;
  let broken = 0;
  const take = (): RunRequest | null => {
    const seed = batch.seeds[next];
    if (seed === undefined || broken >= batch.stopAfter) return null;
    next += 1;
    return { seed, profile: batch.profile, members: batch.members };
  };
  const tell = (run: RunSummary): void => {
    if (run.broken !== null) broken += 1;
    told(run);
  };
  const count = Math.max(1, Math.min(batch.jobs, batch.seeds.length));
  await Promise.all(Array.from({ length: count }, () => work(take, tell)));
}

function work(take: () => RunRequest | null, tell: (run: RunSummary) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL("./worker.ts", import.meta.url));
    const feed = (): void => {
      const request = take();
      if (request !== null) worker.postMessage(request);
      else void worker.terminate().then(() => resolve());
    };
    worker.on("message", (run: RunSummary) => {
      tell(run);
      feed();
    });
    worker.on("error", reject);
    feed();
  });
}
