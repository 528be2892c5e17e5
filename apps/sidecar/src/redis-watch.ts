/**
 * Asks Redis again and again, one question at a time.
 *
 * A leader's five questions a second find a hang (2 s of silence, noticed after 0.2 s) within the
 * bound of 2.5 s; a death is found by the closed socket, which asks at once. Guarantees: at most
 * one question is open, and at least `MIN_GAP_MS` lie between two, however often it is nudged.
 */
import type { RedisObservation, RedisServer } from "@leasehold/replication";
import { DEADLINES_MS } from "./deadlines.ts";

const MIN_GAP_MS = 10;

export interface RedisWatch {
  /** Asks now instead of later. */
  nudge(): void;
  /**
   * Asks once more beside the regular question, and resolves when the answer was observed or the
   * deadline is over: who says where this copy stands must not say where it stood.
   */
  refresh(deadlineMs: number): Promise<void>;
  stop(): void;
}

export interface RedisWatchListener {
  observe(observation: RedisObservation): void;
  /** Milliseconds between this question and the next, asked before each. */
  intervalMs(): number;
}

export function watchRedis(
  redis: Pick<RedisServer, "probe" | "onClosed">,
  listener: RedisWatchListener,
): RedisWatch {
  let isStopped = false;
  let isAsking = false;
  let isNudged = false;
  let timer: NodeJS.Timeout | undefined;
  let askedAtMs = -Infinity;

  const ask = async (): Promise<void> => {
    isAsking = true;
    isNudged = false;
    askedAtMs = performance.now();
    const observation = await redis.probe(DEADLINES_MS.probe);
    isAsking = false;
    if (isStopped) return;
    listener.observe(observation);
    schedule();
  };
  const schedule = (): void => {
    if (isStopped || isAsking) return;
    clearTimeout(timer);
    const gapMs = isNudged ? MIN_GAP_MS : listener.intervalMs();
    const waitMs = Math.max(0, askedAtMs + gapMs - performance.now());
    timer = setTimeout(() => void ask(), waitMs);
  };
  const watch: RedisWatch = {
    nudge() {
      isNudged = true;
      schedule();
    },
    async refresh(deadlineMs) {
      const observation = await redis.probe(deadlineMs);
      // Only an answer is news here: a hang or a death is for the regular question to find.
      if (!isStopped && observation.kind === "answered") listener.observe(observation);
    },
    stop() {
      isStopped = true;
      clearTimeout(timer);
    },
  };
  redis.onClosed(() => watch.nudge());
  schedule();
  return watch;
}
