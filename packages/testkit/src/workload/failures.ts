/**
 * What clients failed with, and when, reckoned from the fault that is tried: the first few of a
 * run, and how often each kind of error came after it.
 */

export interface Failure {
  /** Milliseconds since the fault began; negative: before it. */
  readonly sinceFaultMs: number;
  /** Which client, and the error's text. */
  readonly what: string;
}

/** How often; by the error's text without its numbers and addresses. */
export type FailureKinds = Readonly<Record<string, number>>;

export interface FailureLog {
  add(client: string, why: string): void;
  /** The fault begins now. */
  restart(): void;
  /** Those before the fault, if any, come first. */
  first(): readonly Failure[];
  /** Since the fault. */
  kinds(): FailureKinds;
}

const MOST = 4;

export function createFailureLog(nowMs: () => number): FailureLog {
  let faultAtMs = nowMs();
  let before: readonly Moment[] = [];
  let since: Moment[] = [];
  let kinds: Record<string, number> = {};
  return {
    add(client, why) {
      if (since.length < MOST) since.push({ atMs: nowMs(), what: `${client}: ${why}` });
      const kind = kindOf(why);
      kinds[kind] = (kinds[kind] ?? 0) + 1;
    },
    restart() {
      before = [...before, ...since].slice(0, MOST);
      since = [];
      kinds = {};
      faultAtMs = nowMs();
    },
    first: () =>
      [...before, ...since].map(({ atMs, what }) => ({ sinceFaultMs: atMs - faultAtMs, what })),
    kinds: () => kinds,
  };
}

/** Redis' own errors by their first word. */
function kindOf(why: string): string {
  return /^[A-Z]{3,}\b/.exec(why)?.[0] ?? why.replace(/ ?\S*\d\S*/g, "");
}

interface Moment {
  readonly atMs: number;
  readonly what: string;
}
