/**
 * When this thread stood still: nothing on it ran, because the machine was busy with something
 * else. Clients on it could neither ask nor be answered then, whatever the group did.
 *
 * Guarantees: only what was measured is told. Standstills shorter than `LEAST_MS` count for
 * nothing, and of more than `MOST` only the first.
 */
export interface Standstills {
  /** Forgets what was before. */
  restart(): void;
  longestMs(): number;
  /** Milliseconds of that time, in `performance.now()`, for which the thread stood still. */
  within(fromMs: number, toMs: number): number;
  /** Measures no more; what was measured stays. */
  stop(): void;
}

interface Span {
  readonly fromMs: number;
  readonly toMs: number;
}

const PERIOD_MS = 5;
const LEAST_MS = 10;
const MOST = 20_000;

export function watchStandstills(): Standstills {
  let dueMs = performance.now() + PERIOD_MS;
  let found: Span[] = [];
  const timer = setInterval(() => {
    const toMs = performance.now();
    if (toMs - dueMs >= LEAST_MS && found.length < MOST) found.push({ fromMs: dueMs, toMs });
    dueMs = toMs + PERIOD_MS;
  }, PERIOD_MS);
  timer.unref();
  return {
    restart() {
      found = [];
    },
    longestMs: () => found.reduce((longest, one) => Math.max(longest, one.toMs - one.fromMs), 0),
    within: (fromMs, toMs) =>
      found.reduce((sum, one) => sum + Math.max(0, overlapMs(one, { fromMs, toMs })), 0),
    stop: () => clearInterval(timer),
  };
}

function overlapMs(a: Span, b: Span): number {
  return Math.min(a.toMs, b.toMs) - Math.max(a.fromMs, b.fromMs);
}
