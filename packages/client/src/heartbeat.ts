/**
 * The client's own questions: PING, of idle connections and behind subscriptions, and INFO. They go
 * past the queue, and are never kept or sent again.
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
    return this.ask("ping");
  }

  ask(name: string, ...words: readonly string[]): Promise<unknown> {
    const command = new Command(name, [...words], { replyEncoding: "utf8" });
    note(command, noteFor(this.#parts.options, { internal: true, batch: null }));
    this.#parts.base.send(command, undefined);
    return command.promise;
  }
}
