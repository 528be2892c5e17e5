/** What docs/protocol.md, section 8, promises for a write gap. */
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

/** Only processes take part: no Service in between, no kube-proxy. */
export function processBounds(leaseDurationMs: number): ProcessBounds {
  return {
    switchover: { medianMs: 30, p99Ms: 100 },
    redisDies: { medianMs: 200, p99Ms: 300 },
    redisHangs: { medianMs: 2500, p99Ms: 3000 },
    leaderLost: { medianMs: leaseDurationMs + 500, p99Ms: leaseDurationMs + 1500 },
    apiOutage: { medianMs: 0, p99Ms: 0 },
  };
}

export interface ServiceBounds extends ProcessBounds {
  /** Another member leaves or comes back within the same second, which is kube-proxy's then. */
  readonly switchoverAmongChanges: Bound;
  /** The slice was edited or deleted by hand. */
  readonly addressRepaired: Bound;
}

/** kube-proxy's default. */
const MIN_SYNC_PERIOD_MS = 1000;

const later = ({ medianMs, p99Ms }: Bound): Bound => ({
  medianMs: medianMs + MIN_SYNC_PERIOD_MS,
  p99Ms: p99Ms + MIN_SYNC_PERIOD_MS,
});

/** Through the Service of a cluster where no other Service changes. */
export function serviceBounds(leaseDurationMs: number): ServiceBounds {
  const switchover = { medianMs: 100, p99Ms: 300 };
  return {
    switchover,
    switchoverAmongChanges: later(switchover),
    redisDies: { medianMs: 300, p99Ms: 500 },
    redisHangs: { medianMs: 3000, p99Ms: 3500 },
    leaderLost: { medianMs: leaseDurationMs + 700, p99Ms: leaseDurationMs + 1700 },
    apiOutage: { medianMs: 0, p99Ms: 0 },
    addressRepaired: { medianMs: 1200, p99Ms: 2200 },
  };
}

/**
 * Through the Service of a cluster where another one changes all the time: then each of our changes
 * waits for the end of kube-proxy's current second.
 */
export function busyBounds(leaseDurationMs: number): ServiceBounds {
  const quiet = serviceBounds(leaseDurationMs);
  return {
    switchover: later(quiet.switchover),
    switchoverAmongChanges: quiet.switchoverAmongChanges,
    redisDies: later(quiet.redisDies),
    redisHangs: later(quiet.redisHangs),
    leaderLost: later(quiet.leaderLost),
    addressRepaired: later(quiet.addressRepaired),
    apiOutage: quiet.apiOutage,
  };
}
