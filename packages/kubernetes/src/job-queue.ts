/**
 * Work that nobody waits for: one job at a time, in order, at most `limit` of them waiting. A job
 * that failed is tried again after a growing pause, or lost, as `retries` says; when too many
 * wait, the oldest is lost.
 */

const MIN_PAUSE_MS = 500;
const MAX_PAUSE_MS = 30_000;

export type Job = () => Promise<void>;

export interface JobQueue {
  add(job: Job): void;
  /** Tries each job that is left once, until the deadline. */
  close(deadlineMs: number): Promise<void>;
  /** Jobs that were given up. */
  lost(): number;
}

export interface JobQueueOptions {
  readonly retries: boolean;
  /** A first job waits that long, so that it is not in the way of what it tells about. */
  readonly restMs?: number;
}

export function createJobQueue(limit: number, { retries, restMs = 0 }: JobQueueOptions): JobQueue {
  const jobs: Job[] = [];
  let lost = 0;
  let failures = 0;
  let running: Promise<void> | null = null;
  let timer: NodeJS.Timeout | null = null;
  let closed = false;

  async function work(): Promise<void> {
    for (let job = jobs[0]; job; job = jobs[0]) {
      try {
        await job();
        failures = 0;
      } catch {
        failures += 1;
        if (retries && !closed) return;
        lost += 1;
      }
      // The oldest may have fallen out while it ran.
      if (jobs[0] === job) jobs.shift();
    }
  }

  function run(): void {
    if (running || timer) return;
    running = work().finally(() => {
      running = null;
      if (jobs.length === 0 || closed) return;
      const pauseMs = Math.min(MAX_PAUSE_MS, MIN_PAUSE_MS * 2 ** Math.min(failures, 10));
      timer = setTimeout(() => {
        timer = null;
        run();
      }, pauseMs);
    });
  }

  return {
    add(job) {
      if (closed) return;
      jobs.push(job);
      if (jobs.length > limit) {
        jobs.shift();
        lost += 1;
      }
      if (restMs === 0) return run();
      if (running || timer) return;
      timer = setTimeout(() => {
        timer = null;
        run();
      }, restMs);
    },
    async close(deadlineMs) {
      closed = true;
      if (timer) clearTimeout(timer);
      timer = null;
      run();
      let late: NodeJS.Timeout | null = null;
      const deadline = new Promise<void>((resolve) => {
        late = setTimeout(resolve, deadlineMs);
      });
      await Promise.race([running, deadline]);
      if (late) clearTimeout(late);
      lost += jobs.length;
      jobs.length = 0;
    },
    lost: () => lost,
  };
}
