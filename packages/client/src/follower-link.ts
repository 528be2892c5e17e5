/** What a follower is given by the client that owns it. */
import type { RedisOptions } from "ioredis";
import type { Destination, Route } from "./leader-connector.ts";
import type { Checked } from "./preflight.ts";
import type { ResolvedOptions } from "./operation.ts";
import type { LeaderChangeVia, NodeDescription, Outcome } from "./types.ts";
import type { WatchdogOptions } from "./watchdog.ts";
import type { LeaseholdEvents } from "./events.ts";
import type { Follower } from "./follower.ts";
import type { Connected, FollowerCore } from "./follower-core.ts";

export interface FollowerLink {
  readonly route: Route;
  open(destination: Destination, signal: AbortSignal): Promise<Checked>;
  /** From 0 to 1, 1 excluded. */
  draw(): number;
  /** How long this one waits before it follows a change: not all at once. */
  spreadMs(follower: FollowerCore): number;
  duplicate(of: FollowerCore, override: RedisOptions): Follower;
  lastLeader(destination: Destination | null): {
    readonly lastLeader: NodeDescription | null;
    readonly lastEpoch: number | null;
  };
  /** While it was idle. */
  answered(at: Connected, rttMs: number): void;
  opened(follower: FollowerCore): void;
  closed(follower: FollowerCore): void;
  readonly events: FollowerEvents;
}

export interface FollowerEvents {
  connectionError(error: Error): void;
  /** What was connected to is not what it should be. */
  roleCheckFailed(failed: LeaseholdEvents["roleCheckFailed"][0]): void;
  lost(why: string, last: NodeDescription | null): void;
  /** It is connected again; `ask` gets the first reply of whoever it is connected to now. */
  ready(ask: () => Promise<unknown>): void;
  /** A server has answered a command that it does not lead. */
  rejected(how: Extract<LeaderChangeVia, "rejection" | "redirect">): void;
  /** A connection leads to a verified leader: what a server said before is over. */
  connected(): void;
  heartbeatFailed(node: string, error: Error, durationMs: number): void;
  subscriptionGap(channels: readonly string[], gapMs: number): void;
  /** An operation is rejected, by an error that says so. `command` is in upper case. */
  failed(command: string, outcome: Outcome, epoch: number | null): void;
  /** The caller has made state of one server, which is not restored on the next one. */
  notRestored(command: string): void;
  /** Commands that go out again. */
  resent(count: number): void;
  /** An operation has waited for so long, and is sent now. */
  waited(waitedMs: number): void;
}

export interface FollowerOptions {
  readonly operation: ResolvedOptions;
  readonly watchdog: WatchdogOptions;
  /** How long replies may still come before an unannounced change cuts the socket. */
  readonly drainMs: number;
  readonly maxQueued: number;
  /** False for readers: they sit where they were put. */
  readonly followsLeader: boolean;
  readonly readOnly: boolean;
  /** After about this time a connection through a shared address is made anew; null: never. */
  readonly maxAgeMs: number | null;
  /** Instead of an error about a missing leader; null: that one. */
  readonly unavailable: ((waitedMs: number) => Error) | null;
  /** What the caller sees instead of an error of the client. */
  readonly translate: (error: Error) => Error;
}
