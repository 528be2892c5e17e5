/**
 * One ledger and one workload after the other: what a demo, a test or a benchmark needs of this
 * folder, as plain calls whose arguments and answers can cross a thread.
 */
import { createLedger, type LedgerCheck } from "./ledger.ts";
import {
  checkLedger,
  startWorkload,
  type LedgerTarget,
  type Workload,
  type WorkloadOptions,
} from "./workload.ts";

export interface Load extends Workload {
  /** Starts the clients. Their predecessors must have been stopped. */
  start(options: WorkloadOptions): void;
  /** Compares all writes so far with what the primary behind `target` holds. */
  check(target: LedgerTarget): Promise<LedgerCheck>;
}

/** `prefix` keeps the keys of this load apart from all others. */
export function createLoad(prefix: string): Load {
  const ledger = createLedger(prefix);
  let workload: Workload | null = null;
  const current = (): Workload => {
    if (workload === null) throw new Error("there is no load yet: start it first");
    return workload;
  };
  return {
    start(options) {
      workload = startWorkload(options, ledger);
    },
    flowing: (deadlineMs) => current().flowing(deadlineMs),
    restartGap: () => current().restartGap(),
    state: () => current().state(),
    writable: () => current().writable(),
    stop: async () => workload?.stop(),
    check: (target) => checkLedger(ledger, target),
  };
}
