/**
 * Notices a server that has stopped answering: each connection has one timer.
 *
 * Guarantees: `silent` is called at the latest when the oldest command has waited `replyTimeoutMs`
 * without any byte from the server (a blocking one: its own time and a margin more), or when a
 * heartbeat has. A command that blocks for ever is left alone. Idle connections are asked PING.
 */
import type { Command } from "ioredis";
import { blockMs } from "./command.ts";
import { noteOf } from "./operation.ts";

export interface Watched {
  /** The oldest command without a reply. */
  head(): Command | null;
  isReady(): boolean;
  heartbeat(): void;
  silent(why: string): void;
}

export interface WatchdogOptions {
  readonly replyTimeoutMs: number;
  readonly blockingMarginMs: number;
  /** 0: idle connections are not asked. */
  readonly heartbeatIntervalMs: number;
  readonly heartbeatTimeoutMs: number;
}

/** A shorter margin is kept to within this. */
const SHORTEST_PACE_MS = 100;

export class Watchdog {
  #timer: NodeJS.Timeout | undefined;
  #heardAtMs = 0;
  #busySinceMs = 0;
  readonly #watched: Watched;
  readonly #options: WatchdogOptions;

  constructor(watched: Watched, options: WatchdogOptions) {
    this.#watched = watched;
    this.#options = options;
  }

  start(): void {
    this.heard();
    this.#arm(this.#pace());
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  /** When the last byte came. */
  get heardAtMs(): number {
    return this.#heardAtMs;
  }

  heard(): void {
    this.#heardAtMs = performance.now();
  }

  /** A command is written, and no other waits for its reply. */
  busy(nowMs: number): void {
    this.#busySinceMs = nowMs;
  }

  /** No limit of any command is shorter: none is noticed late. */
  #pace(): number {
    const { heartbeatIntervalMs, replyTimeoutMs, blockingMarginMs } = this.#options;
    const idleMs = heartbeatIntervalMs > 0 ? heartbeatIntervalMs : Infinity;
    return Math.min(replyTimeoutMs, idleMs, Math.max(SHORTEST_PACE_MS, blockingMarginMs));
  }

  #arm(inMs: number): void {
    clearTimeout(this.#timer);
    // A look each few milliseconds would be of no use to anybody.
    this.#timer = setTimeout(() => this.#look(), Math.max(5, inMs));
    this.#timer.unref();
  }

  #look(): void {
    const now = performance.now();
    const head = this.#watched.head();
    if (!head) {
      this.#lookIdle(now);
      return;
    }
    const limitMs = this.#limitOf(head);
    const silentForMs = now - Math.max(this.#heardAtMs, this.#busySinceMs);
    if (silentForMs >= limitMs) {
      this.#watched.silent(`no reply for ${Math.round(silentForMs)} ms`);
      return;
    }
    this.#arm(Math.min(limitMs - silentForMs, this.#pace()));
  }

  #lookIdle(now: number): void {
    const { heartbeatIntervalMs, heartbeatTimeoutMs } = this.#options;
    const idleForMs = now - this.#heardAtMs;
    if (heartbeatIntervalMs === 0 || idleForMs < heartbeatIntervalMs || !this.#watched.isReady()) {
      const restMs = heartbeatIntervalMs > 0 ? heartbeatIntervalMs - idleForMs : Infinity;
      this.#arm(Math.min(this.#pace(), Math.max(0, restMs)));
      return;
    }
    this.#watched.heartbeat();
    this.#arm(Math.min(this.#pace(), heartbeatTimeoutMs));
  }

  #limitOf(head: Command): number {
    const { replyTimeoutMs, heartbeatTimeoutMs, blockingMarginMs } = this.#options;
    if (noteOf(head)?.internal) return Math.min(replyTimeoutMs, heartbeatTimeoutMs);
    const blocksMs = blockMs(head);
    return blocksMs === null ? replyTimeoutMs : blocksMs + blockingMarginMs;
  }
}
