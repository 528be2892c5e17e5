/**
 * How long a promise given binds, and the one hand-over that it does not keep from: by the very
 * process that asked for it, under a higher epoch (docs/protocol.md, section 7).
 */
import { waiterElapsedMs, type Instant } from "./instant.ts";
import type { Epoch, Identity } from "./record.ts";
import type { Bound } from "./state.ts";
import { waitMs } from "./timing.ts";

export function isBound(bound: Bound | null, at: Instant): boolean {
  return boundLeftMs(bound, at) > 0;
}

export function boundLeftMs(bound: Bound | null, at: Instant): number {
  if (bound === null) return 0;
  return Math.max(0, waitMs(bound.durationMs) - waiterElapsedMs(bound.from, at));
}

export function isReleasedBy(
  bound: Bound | null,
  handover: { readonly from: Identity | null; readonly epoch: Epoch },
): boolean {
  return bound !== null && handover.from === bound.holder && handover.epoch > bound.epoch;
}
