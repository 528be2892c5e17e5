/**
 * Runs one round after the other: each so often, and soon when somebody has reason to doubt.
 *
 * Guarantees: one round at a time; two rounds begin at least `LEAST_MS` apart, whoever asks; the
 * timer ends with the signal and keeps no process alive.
 */

const LEAST_MS = 500;

export interface Paced {
  /** Soon, if the last round is not too young. */
  hurry(): void;
}

export function paced(
  round: (signal: AbortSignal) => Promise<void>,
  intervalMs: number,
  signal: AbortSignal,
): Paced {
  let timer: NodeJS.Timeout | undefined;
  let beganAtMs = -Infinity;
  let isRunning = false;
  let isWanted = false;

  const arm = (inMs: number): void => {
    clearTimeout(timer);
    if (signal.aborted) return;
    timer = setTimeout(run, inMs);
    timer.unref();
  };
  const run = (): void => {
    clearTimeout(timer);
    isRunning = true;
    isWanted = false;
    beganAtMs = performance.now();
    round(signal)
      .catch(() => {})
      .finally(() => {
        isRunning = false;
        const soonMs = Math.max(0, beganAtMs + LEAST_MS - performance.now());
        arm(isWanted ? soonMs : intervalMs);
      });
  };
  signal.addEventListener("abort", () => clearTimeout(timer), { once: true });
  run();
  return {
    hurry() {
      if (isRunning) isWanted = true;
      else arm(Math.max(0, beganAtMs + LEAST_MS - performance.now()));
    },
  };
}
