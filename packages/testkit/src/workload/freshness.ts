/**
 * How old an answer of a replica was: from the writer's acknowledgement that it does not show yet
 * to the sending of the question.
 *
 * A list that only grows is the clock: its length names the writes that it has. Guarantees: never
 * says older than it was. A failover that lost writes makes the list shorter; what was known beyond
 * that length is forgotten with the next acknowledgement.
 */
export interface Freshness {
  /** A write was acknowledged that made the list so long. */
  acknowledged(length: number, atMs: number): void;
  /** 0: the answer showed all that was acknowledged before it was asked for. */
  ageMs(length: number, askedAtMs: number): number;
}

interface Known {
  readonly length: number;
  readonly atMs: number;
}

/** A minute of a fast writer; an older answer counts as that old. */
const MOST = 4000;

export function createFreshness(): Freshness {
  const known: Known[] = [];
  return {
    acknowledged(length, atMs) {
      while ((known.at(-1)?.length ?? 0) >= length) known.pop();
      known.push({ length, atMs });
      if (known.length > MOST) known.shift();
    },
    ageMs(length, askedAtMs) {
      let firstMissing = askedAtMs;
      for (const one of known.toReversed()) {
        if (one.length <= length) break;
        firstMissing = one.atMs;
      }
      return Math.max(0, askedAtMs - firstMissing);
    },
  };
}
