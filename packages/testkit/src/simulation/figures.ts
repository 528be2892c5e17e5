/**
 * The runtime's own figures (apps/sidecar/src/deadlines.ts and the guard), in milliseconds, so
 * that the simulated process waits as long as the real one does.
 */
import type { RoleCommand } from "@leasehold/replication";

export const LEASE_READ_MS = 2_500;
export const LEASE_WRITE_MS = 4_000;
export const OBJECT_MS = 2_000;
export const SOURCE_MS = 3_000;
export const SOURCE_OPEN_AGAIN_MS = 2_000;
export const SOURCE_OPEN_TRIES = 15;
export const PROBE_DEADLINE_MS = 1_000;
export const PROBE_INTERVAL_MS = 200;
/** Least time between two probes, however often a closed connection asks for one. */
export const PROBE_GAP_MS = 10;
export const OFFSET_INTERVAL_MS = 2;
export const PROMISE_ANSWER_MS = 2_000;
export const GUARD_STATUS_INTERVAL_MS = 100;
export const GUARD_POLL_MS = 250;
export const GUARD_BACKOFF_MS = [0, 1_000, 2_000, 5_000] as const;
/** A Redis that lived as long as this starts the back-off anew. */
export const GUARD_STABLE_MS = 30_000;
export const REDIS_SHUTDOWN_WAIT_MS = 10_000;

export function roleDeadlineMs(command: RoleCommand): number {
  return command.kind === "verifyDemoted" ? 1_500 : 1_000;
}
