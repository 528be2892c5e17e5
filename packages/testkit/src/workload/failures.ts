/**
 * What clients failed with, and when, reckoned from the fault that is tried: the first few of a run
 * and how many there were before it.
 */

export interface Failure {
  /** Milliseconds since the fault began; negative: before it. */
  readonly sinceFaultMs: number;
  /** Which client, and the error's text. */
  readonly what: string;
}

export interface FailureLog {
  add(what: string): void;
  /** The fault begins now. */
  restart(): void;
  /** Those before the fault, if any, come first. */
  first(): readonly Failure[];
}

const MOST = 4;

export function createFailureLog(nowMs: () => number): FailureLog {
  let faultAtMs = nowMs();
  let before: readonly Moment[] = [];
  let since: Moment[] = [];
  return {
    add(what) {
      if (since.length < MOST) since.push({ atMs: nowMs(), what });
    },
    restart() {
      before = [...before, ...since].slice(0, MOST);
      since = [];
      faultAtMs = nowMs();
    },
    first: () =>
      [...before, ...since].map(({ atMs, what }) => ({ sinceFaultMs: atMs - faultAtMs, what })),
  };
}

interface Moment {
  readonly atMs: number;
  readonly what: string;
}
