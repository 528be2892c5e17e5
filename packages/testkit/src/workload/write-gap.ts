/**
 * The longest time without an acknowledged write, over all writers together: what "the group was
 * not writable for 84 ms" means in every report.
 */

export interface WriteGap {
  readonly lengthMs: number;
  /** The acknowledgement before it, in milliseconds of `performance.now()`. */
  readonly fromMs: number;
}

export interface GapMeter {
  /** A write was acknowledged. */
  acknowledged(atMs: number): void;
  /** Forgets what was before `atMs`. */
  restart(atMs: number): void;
  /** The one that is still open at `nowMs` counts too. */
  longest(nowMs: number): WriteGap;
  /** Those that have ended and were worth a look, oldest first; the first two thousand. */
  long(): readonly WriteGap[];
  /** `long` has left some out. */
  isFull(): boolean;
  /** Time of the newest acknowledgement. */
  lastAckMs(): number;
}

const LONG_MS = 25;
const MOST_LONG = 2000;

export function createGapMeter(startMs: number): GapMeter {
  let lastMs = startMs;
  let longest: WriteGap = { lengthMs: 0, fromMs: startMs };
  let long: WriteGap[] = [];
  const atLeast = (nowMs: number): WriteGap =>
    nowMs - lastMs > longest.lengthMs ? { lengthMs: nowMs - lastMs, fromMs: lastMs } : longest;
  return {
    acknowledged(atMs) {
      longest = atLeast(atMs);
      const gap = { lengthMs: atMs - lastMs, fromMs: lastMs };
      if (gap.lengthMs >= LONG_MS && long.length < MOST_LONG) long.push(gap);
      lastMs = atMs;
    },
    restart(atMs) {
      lastMs = atMs;
      longest = { lengthMs: 0, fromMs: atMs };
      long = [];
    },
    longest: atLeast,
    long: () => long,
    isFull: () => long.length >= MOST_LONG,
    lastAckMs: () => lastMs,
  };
}
