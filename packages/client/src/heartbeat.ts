/**
 * The client's own PING: asked of idle connections, and behind subscriptions. It goes past the
 * queue, and is never kept or sent again.
 */
import { Command } from "ioredis";
import type { FollowerEvents } from "./follower-link.ts";
import { note, noteFor, type ResolvedOptions, type Stream } from "./operation.ts";

/** What ioredis does by itself, without the follower. */
export interface Base {
  send(command: Command, stream: Stream): unknown;
  disconnect(reconnect: boolean): void;
}

export interface HeartbeatParts {
  readonly base: Base;
  readonly events: FollowerEvents;
  readonly options: ResolvedOptions;
  node(): string;
  sent(nowMs: number): void;
}

export class Heartbeat {
  readonly #parts: HeartbeatParts;

  constructor(parts: HeartbeatParts) {
    this.#parts = parts;
  }

  send(): void {
    const sentAtMs = performance.now();
    this.#parts.sent(sentAtMs);
    this.ping().catch((error: Error) => {
      const durationMs = performance.now() - sentAtMs;
      this.#parts.events.heartbeatFailed(this.#parts.node(), error, durationMs);
    });
  }

  ping(): Promise<unknown> {
    const ping = new Command("ping", [], { replyEncoding: "utf8" });
    note(ping, noteFor(this.#parts.options, { internal: true, batch: null }));
    this.#parts.base.send(ping, undefined);
    return ping.promise;
  }
}
