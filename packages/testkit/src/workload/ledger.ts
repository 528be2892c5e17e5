/**
 * Remembers what became of every write, and finds the ones that were acknowledged and are gone.
 *
 * Each writer appends its sequence numbers to a Redis list of its own, so a token is unique and
 * the order is known. Guarantees: a write counts as lost only if it was answered with success;
 * each loss is reported by one check only. Does not talk to Redis: `check` is given a reader.
 */

/**
 * `confirmed`: acknowledged, and held by the replicas that were asked for. `refused`: a definite
 * error, nothing was written. `unknown`: no answer, it may have been written.
 */
export type WriteOutcome = "confirmed" | "acknowledged" | "refused" | "unknown";

export interface LedgerList {
  readonly key: string;
  /** The next token to write. */
  next(): string;
  /** Settles the token that `next` gave last. */
  settle(outcome: WriteOutcome): void;
}

export interface LedgerCounts {
  /** Answered with success, confirmed ones included. */
  readonly acknowledged: number;
  readonly confirmed: number;
  /** Writes, and tries to connect for one, that did not succeed. */
  readonly failed: number;
}

export interface LedgerCheck {
  /** Confirmed by replicas, and gone. */
  readonly lostConfirmed: number;
  /** Acknowledged by the primary alone, and gone. */
  readonly lostAcknowledged: number;
  /** Refused by a definite answer, and there. */
  readonly presentThoughRefused: number;
  /** The first few, for the report: `<key>#<token>`. */
  readonly examples: readonly string[];
}

export interface Ledger {
  /** Throws if there is a list of this name: its tokens would not be unique. */
  open(name: string): LedgerList;
  counts(): LedgerCounts;
  /** Compares all lists with what `read` finds under their keys. Fails if `read` fails. */
  check(read: (key: string) => Promise<readonly string[]>): Promise<LedgerCheck>;
}

interface Writes {
  readonly key: string;
  /** By sequence number; null while under way, or already reported. */
  readonly outcomes: (WriteOutcome | null)[];
}

const MOST_EXAMPLES = 5;

/** `prefix` keeps the keys of one run apart from all others. */
export function createLedger(prefix: string): Ledger {
  const all: Writes[] = [];
  const totals = { acknowledged: 0, confirmed: 0, failed: 0 };
  return {
    open(name) {
      const writes: Writes = { key: `${prefix}:${name}`, outcomes: [] };
      if (all.some(({ key }) => key === writes.key)) {
        throw new Error(`the ledger has a list ${writes.key} already: name each writer once`);
      }
      all.push(writes);
      return openList(writes, totals);
    },
    counts: () => ({ ...totals }),
    async check(read) {
      const found = { lostConfirmed: 0, lostAcknowledged: 0, presentThoughRefused: 0 };
      const examples: string[] = [];
      for (const writes of all) {
        const present = new Set(await read(writes.key));
        compare(writes, present, (kind, token) => {
          found[kind] += 1;
          if (examples.length < MOST_EXAMPLES) examples.push(`${writes.key}#${token}`);
        });
      }
      return { ...found, examples };
    },
  };
}

function openList(
  writes: Writes,
  totals: { acknowledged: number; confirmed: number; failed: number },
): LedgerList {
  return {
    key: writes.key,
    next: () => String(writes.outcomes.push(null) - 1),
    settle(outcome) {
      writes.outcomes[writes.outcomes.length - 1] = outcome;
      if (outcome === "confirmed") totals.confirmed += 1;
      if (outcome === "confirmed" || outcome === "acknowledged") totals.acknowledged += 1;
      else totals.failed += 1;
    },
  };
}

type Finding = "lostConfirmed" | "lostAcknowledged" | "presentThoughRefused";

const FINDING_IF: Readonly<
  Record<WriteOutcome, { readonly present: Finding | null; readonly absent: Finding | null }>
> = {
  confirmed: { present: null, absent: "lostConfirmed" },
  acknowledged: { present: null, absent: "lostAcknowledged" },
  refused: { present: "presentThoughRefused", absent: null },
  unknown: { present: null, absent: null },
};

function compare(
  writes: Writes,
  present: ReadonlySet<string>,
  report: (finding: Finding, token: string) => void,
): void {
  for (const [sequence, outcome] of writes.outcomes.entries()) {
    if (outcome === null) continue;
    const token = String(sequence);
    const finding = FINDING_IF[outcome][present.has(token) ? "present" : "absent"];
    if (finding === null) continue;
    report(finding, token);
    writes.outcomes[sequence] = null;
  }
}
