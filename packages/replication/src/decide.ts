/** Placeholder while the core is being written: the signature is the contract. */
import type { Instant } from "@leasehold/election";
import type { Action } from "./action.ts";
import type { MemberConfig, StartFacts } from "./config.ts";
import type { MemberEvent } from "./event.ts";
import type { MemberReport, RedisInfo, SliceObservation } from "./observation.ts";

/** Readonly, serialisable. Only selectors of this package look inside. */
export interface MemberState {
  readonly start: StartFacts;
}

export interface Decision {
  readonly state: MemberState;
  readonly actions: readonly Action[];
}

/** The state of a process that has bound the members' port and seen nothing else. */
export function initialState(start: StartFacts, _config: MemberConfig): MemberState {
  return { start };
}

export function decide(state: MemberState, _event: MemberEvent, _config: MemberConfig): Decision {
  return { state, actions: [] };
}

/**
 * Milliseconds (monotonic) from `at` to the next instant at which a tick may change something,
 * at most R. The step-down timer is among them.
 */
export function nextWakeMs(_state: MemberState, _at: Instant, config: MemberConfig): number {
  return config.renewIntervalMs;
}

/** What this member says of itself: the answer to peers, and of `/v1/member`. */
export function reportOf(_state: MemberState, _at: Instant, _config: MemberConfig): MemberReport {
  throw new Error("not yet");
}

/** What `/v1/topology`, probes and metrics show. */
export interface MemberStatus {
  readonly epoch: number;
  readonly holder: string | null;
  readonly holdsLease: boolean;
  /** Milliseconds until the right to lead ends; 0: none. */
  readonly validMs: number;
  readonly permitUntilBootMs: number | null;
  /** Promoted, published and open for writes. */
  readonly writable: boolean;
  readonly failsafe: boolean;
  readonly paused: boolean;
  readonly inSync: boolean;
  readonly ready: boolean;
  readonly phase: string;
  /** In words, why there is no leader or no candidate; null: all well. */
  readonly trouble: string | null;
  readonly redis: RedisInfo | null;
  readonly members: readonly string[];
  readonly slice: SliceObservation | null;
  readonly peers: readonly MemberReport[];
}

export function statusOf(_state: MemberState, _at: Instant, _config: MemberConfig): MemberStatus {
  throw new Error("not yet");
}
