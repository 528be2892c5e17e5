/**
 * Tries from time to time, without changing anything, the writes that a promotion needs: a right
 * that was taken away is told of before the failover that lacks it.
 *
 * Nothing waits for it. It begins when the start is over, keeps out of the way while the group has
 * no leader or a change is going on, and says each finding once.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { Reason } from "@leasehold/replication";

export interface WriteRights {
  /** As a Role would grant them: `update leases.coordination.k8s.io`. */
  missing(): readonly string[];
  stop(): void;
}

export interface WriteRightsParts {
  /** Resolves with the rights that were refused. Never rejects. */
  readonly rehearse: () => Promise<readonly string[]>;
  /** The group has a leader, and no change is going on. */
  readonly isCalm: () => boolean;
  readonly announce: (reason: Reason, words: string) => void;
  readonly times?: WriteRightsTimes;
}

export interface WriteRightsTimes {
  /** Between two looks whether it is calm; the first one comes as long after the start. */
  readonly lookMs: number;
  readonly againMs: number;
  /** Until a right is back. */
  readonly retryMs: number;
}

const TIMES: WriteRightsTimes = { lookMs: 1_000, againMs: 600_000, retryMs: 30_000 };

export function followWriteRights(parts: WriteRightsParts): WriteRights {
  const stopping = new AbortController();
  let missing: readonly string[] = [];
  void run(parts, stopping.signal, (found) => {
    if (found.join() === missing.join()) return;
    missing = found;
    parts.announce(...wordsOf(found));
  }).catch(() => undefined);
  return { missing: () => missing, stop: () => stopping.abort() };
}

/** Rejects when it is stopped. */
async function run(
  { rehearse, isCalm, times = TIMES }: WriteRightsParts,
  signal: AbortSignal,
  found: (missing: readonly string[]) => void,
): Promise<never> {
  for (;;) {
    await sleep(times.lookMs, undefined, { signal });
    if (!isCalm()) continue;
    const missing = await rehearse();
    signal.throwIfAborted();
    found(missing);
    await sleep(missing.length === 0 ? times.againMs : times.retryMs, undefined, { signal });
  }
}

function wordsOf(missing: readonly string[]): [Reason, string] {
  if (missing.length === 0) {
    return ["rightsRestored", "has all rights that a promotion needs again"];
  }
  const rights = missing.join(", ");
  return [
    "rightsMissing",
    `could not be promoted: its Role lacks ${rights}; give them back, as the chart does`,
  ];
}
