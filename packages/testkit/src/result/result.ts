/**
 * What a fault did to the clients: one shape for the demo, the end-to-end tests and the benchmark.
 */

export interface Result {
  readonly name: string;
  /** Longest time without an acknowledged write, over all writers. */
  readonly writeGapMs: number;
  /**
   * The same without the time for which the clients' own thread stood still, on a machine that was
   * busy with something else. Absent: not measured.
   */
  readonly undisturbedGapMs?: number;
  /** Writes, and tries to connect for one, that failed. */
  readonly clientErrors: number;
  /** Acknowledged writes under the promise; with write concern the confirmed ones. */
  readonly acknowledged: number;
  /** Of those, how many are gone. */
  readonly lost: number;
  /** Most members that accepted writes at one instant. */
  readonly maxWritable: number;
  /** Absent: nobody read. */
  readonly reads?: ReadResult;
  /** Promised upper bound of the gap. 0: no interruption, that is not one failed write. */
  readonly boundMs: number;
  /** All that was promised was kept. */
  readonly held: boolean;
}

export interface ReadResult {
  /** Longest time that one reader went without an answer. */
  readonly gapMs: number;
  readonly errors: number;
  /** Of those, the ones that did not follow an answer: more than one reconnect. */
  readonly repeated: number;
  /** Age of the oldest answer. */
  readonly oldestMs: number;
}

/** Median and 99th percentile that docs/protocol.md, section 8, promises for a write gap. */
export interface Bound {
  readonly medianMs: number;
  readonly p99Ms: number;
}

/** What one run measured. */
export type Measured = Omit<Result, "boundMs" | "held">;

/**
 * One run is held against the 99th percentile: a single sample says nothing about a median. What
 * the clients missed because they themselves stood still is not held against the group; medians
 * are those of what was measured.
 */
export function judge(measured: Measured, bound: Bound, alsoHeld = true): Result {
  const uninterrupted = bound.p99Ms > 0 || measured.clientErrors === 0;
  const gapMs = measured.undisturbedGapMs ?? measured.writeGapMs;
  const inTime = bound.p99Ms === 0 || gapMs <= bound.p99Ms;
  const safe = measured.lost === 0 && measured.maxWritable <= 1;
  return {
    ...measured,
    boundMs: bound.p99Ms,
    held: alsoHeld && uninterrupted && inTime && safe && measured.acknowledged > 0,
  };
}

/**
 * Several runs as one row: median gap against the median bound, worst errors and writable members,
 * sums of acknowledged and lost writes. Every single run must have held, too.
 */
export function summarise(runs: readonly Result[], bound: Bound): Result {
  const [first] = runs;
  if (first === undefined) throw new Error("no runs to summarise");
  if (runs.length === 1) return first;
  const writeGapMs = median(runs.map((run) => run.writeGapMs));
  const inTime = bound.medianMs === 0 || writeGapMs <= bound.medianMs;
  return {
    name: first.name,
    writeGapMs,
    clientErrors: Math.max(...runs.map((run) => run.clientErrors)),
    acknowledged: sum(runs.map((run) => run.acknowledged)),
    lost: sum(runs.map((run) => run.lost)),
    maxWritable: Math.max(...runs.map((run) => run.maxWritable)),
    ...summariseReads(runs.flatMap(({ reads }) => (reads === undefined ? [] : [reads]))),
    boundMs: bound.medianMs,
    held: inTime && runs.every((run) => run.held),
  };
}

/** Median gap, and the worst of all else. */
function summariseReads(runs: readonly ReadResult[]): { readonly reads?: ReadResult } {
  if (runs.length === 0) return {};
  const worst = (pick: (run: ReadResult) => number): number => Math.max(...runs.map(pick));
  return {
    reads: {
      gapMs: median(runs.map((run) => run.gapMs)),
      errors: worst((run) => run.errors),
      repeated: worst((run) => run.repeated),
      oldestMs: worst((run) => run.oldestMs),
    },
  };
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? 0;
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] ?? 0)) / 2;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
