/**
 * Every span of the protocol, derived from D (lease duration) and R (renewal interval). Nothing
 * else is configured, so no combination can overlap (docs/protocol.md, section 2).
 *
 * With `sent <= committed <= observed`, a leader that stops at `sent + 0.9 D - 0.5 s` and a waiter
 * that begins at `observed + 1.02 D` stay apart while clock rates differ by less than 5 %.
 */

/** Shortest D for which the guard's kill (0.9 D + 0.35 s) still ends before 1.02 D at 5 % drift. */
export const MIN_LEASE_DURATION_MS = 5000;
/** A try without an answer for this long gets a second one beside it. */
export const HEDGE_MS = 800;
export const MAX_OPEN_TRIES = 3;
/**
 * A created Lease counts as won only if the answer came this fast. Creating is no comparison with a
 * version: what was missing when it was sent may have existed, and been deleted, before it arrived.
 */
export const POST_TRUST_MS = 400;
/** A missing Lease is looked at this often: it has no version that would tell what was between. */
export const MISSING_LOOK_MS = 500;
/** Longest gap between two looks that still count as one wait. */
export const MISSING_GAP_MS = 3000;
/** Pause between tries that failed at once. */
export const RETRY_MS = 400;
/** A hand-over that its new holder has not renewed may be taken by anybody. */
export const STALE_HANDOVER_MS = 2000;
/** An acceptance older than that gives no right: the hand-over is then accepted by a write. */
export const ACCEPTANCE_MS = 1000;
/** Spread of the waiters, so that they do not collide. */
export const JITTER_MS = 200;

/** How long a renewal gives the right to lead, counted from its send. */
export function validityMs(durationMs: number): number {
  return 0.9 * durationMs - 500;
}

/** How long it gives Redis the right to run as primary: the guard's deadline. */
export function permitMs(durationMs: number): number {
  return 0.9 * durationMs;
}

/** How long others wait, and how long a promise binds, counted from their own observation. */
export function waitMs(durationMs: number): number {
  return 1.02 * durationMs;
}

/** Who has had no answer of the API for this long is not chosen to lead (S8). */
export function silenceMs(renewIntervalMs: number): number {
  return 2.5 * renewIntervalMs;
}

/**
 * Without any news for this long the Lease is read. Well below `silenceMs`: while a leader is lost
 * nothing changes, and its rivals must not look cut off just before they are asked.
 */
export function quietMs(renewIntervalMs: number): number {
  return 1.75 * renewIntervalMs;
}

/** A confirmed renewal older than this makes a leader ask for promises. */
export function failsafeAfterMs(renewIntervalMs: number): number {
  return 1.5 * renewIntervalMs;
}
