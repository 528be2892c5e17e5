/**
 * Keeps the label `leasehold.dev/role` of the own pod at what this member is.
 *
 * Nothing waits for it: it looks twice a second, writes only after a change of leader has had its
 * time at the API, one write at once, and tries again later what failed. A member that is neither
 * keeps the label that it has: readiness says whether it may be read. Without `roleLabels.enabled`
 * nothing of it runs.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { PodLabel, PodRole } from "@leasehold/kubernetes";
import type { MemberStatus } from "@leasehold/replication";
import { DEADLINES_MS } from "./deadlines.ts";
import type { Log } from "./log.ts";

export interface RoleLabelParts {
  readonly label: PodLabel;
  readonly status: () => Pick<MemberStatus, "writable" | "redis">;
  readonly log: Pick<Log, "warn">;
  readonly times?: RoleLabelTimes;
}

export interface RoleLabelTimes {
  readonly lookMs: number;
  /** From a change that was seen to its write. */
  readonly restMs: number;
  readonly retryMs: number;
  /** Somebody may have taken the label away. */
  readonly repeatMs: number;
}

const TIMES: RoleLabelTimes = {
  lookMs: 500,
  restMs: DEADLINES_MS.afterHandover,
  retryMs: 5_000,
  repeatMs: 60_000,
};

/** Returns its end. */
export function followRole(parts: RoleLabelParts): () => void {
  const times = parts.times ?? TIMES;
  const stopping = new AbortController();
  void run(parts, times, stopping.signal).catch(() => undefined);
  return () => stopping.abort();
}

/** Rejects when it is stopped. */
async function run(
  { label, status, log }: RoleLabelParts,
  times: RoleLabelTimes,
  signal: AbortSignal,
): Promise<never> {
  const rest = (ms: number): Promise<void> => sleep(ms, undefined, { signal });
  let written: PodRole | null = null;
  let writtenAtMs = 0;
  let complained = false;
  for (;;) {
    await rest(times.lookMs);
    const role = roleOf(status());
    const isOld = performance.now() - writtenAtMs >= times.repeatMs;
    if (role === null || (role === written && !isOld)) continue;
    await rest(times.restMs);
    try {
      await label.write(role, DEADLINES_MS.requestResult);
      [written, writtenAtMs, complained] = [role, performance.now(), false];
    } catch (error) {
      if (!complained) log.warn({ role, error: String(error) }, "the pod's role was not labelled");
      complained = true;
      await rest(times.retryMs);
    }
  }
}

function roleOf({ writable, redis }: Pick<MemberStatus, "writable" | "redis">): PodRole | null {
  if (writable) return "primary";
  return redis?.role === "replica" ? "replica" : null;
}
