/**
 * What docs/protocol.md, section 8, promises for a write gap when only processes take part: no
 * Service in between, no kube-proxy.
 */
import type { Bound } from "./result.ts";

export interface ProcessBounds {
  /** Also pod deletion, drain and each step of a rollout. */
  readonly switchover: Bound;
  readonly redisDies: Bound;
  readonly redisHangs: Bound;
  /** Sidecar dead, node lost, leader cut off. */
  readonly leaderLost: Bound;
  /** All members well. */
  readonly apiOutage: Bound;
}

export function processBounds(leaseDurationMs: number): ProcessBounds {
  return {
    switchover: { medianMs: 30, p99Ms: 100 },
    redisDies: { medianMs: 200, p99Ms: 300 },
    redisHangs: { medianMs: 2500, p99Ms: 3000 },
    leaderLost: { medianMs: leaseDurationMs + 500, p99Ms: leaseDurationMs + 1500 },
    apiOutage: { medianMs: 0, p99Ms: 0 },
  };
}
