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
  /** Time of the newest acknowledgement. */
  lastAckMs(): number;
}

export function createGapMeter(startMs: number): GapMeter {
  let lastMs = startMs;
  let longest: WriteGap = { lengthMs: 0, fromMs: startMs };
  const atLeast = (nowMs: number): WriteGap =>
    nowMs - lastMs > longest.lengthMs ? { lengthMs: nowMs - lastMs, fromMs: lastMs } : longest;
  return {
    acknowledged(atMs) {
      longest = atLeast(atMs);
      lastMs = atMs;
    },
    restart(atMs) {
      lastMs = atMs;
      longest = { lengthMs: 0, fromMs: atMs };
    },
    longest: atLeast,
    lastAckMs: () => lastMs,
  };
}
