/**
 * Time as the protocol uses it. The core never reads a clock: every event brings an `Instant`.
 *
 * Guarantees: nothing here compares clocks of two machines, and the wall clock does not exist.
 */

/** One reading of both clocks of a machine, taken together, in milliseconds. */
export interface Instant {
  /** CLOCK_MONOTONIC. Never runs ahead, may stand still during suspend. */
  readonly monotonicMs: number;
  /** Boot time (`/proc/uptime`): counts suspend. */
  readonly bootMs: number;
}

/**
 * Elapsed milliseconds as a leader must count them: the greater of both clocks, so that a
 * suspended machine does not believe in a right that has run out (docs/protocol.md, section 2).
 */
export function leaderElapsedMs(from: Instant, to: Instant): number {
  return Math.max(to.monotonicMs - from.monotonicMs, to.bootMs - from.bootMs);
}

/**
 * Elapsed milliseconds as those must count them who wait for another's right to end: the
 * monotonic clock alone, which never runs ahead.
 */
export function waiterElapsedMs(from: Instant, to: Instant): number {
  return to.monotonicMs - from.monotonicMs;
}

/** The later of two instants of one machine, by the monotonic clock. */
export function laterOf(a: Instant, b: Instant): Instant {
  return a.monotonicMs >= b.monotonicMs ? a : b;
}
