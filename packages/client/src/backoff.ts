/** Waits between attempts. Pure but for the generator that it is given. */

const FIRST_MS = 50;
const MOST_MS = 500;

/** Full jitter: the n-th wait is drawn between nothing and twice the one before, bounded. */
export function backoffMs(attempt: number, draw: () => number): number {
  const ceiling = Math.min(MOST_MS, FIRST_MS * 2 ** Math.min(attempt, 16));
  return draw() * ceiling;
}
