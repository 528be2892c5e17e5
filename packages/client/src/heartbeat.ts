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
  answered(rttMs: number): void;
}

export class Heartbeat {
  readonly #parts: HeartbeatParts;

  constructor(parts: HeartbeatParts) {
    this.#parts = parts;
  }

  send(): void {
    const sentAtMs = performance.now();
    this.#parts.sent(sentAtMs);
    const tookMs = (): number => performance.now() - sentAtMs;
    this.ping().then(
      () => this.#parts.answered(tookMs()),
      (error: Error) => this.#parts.events.heartbeatFailed(this.#parts.node(), error, tookMs()),
    );
  }

  ping(): Promise<unknown> {
    return this.ask("ping");
  }

  /** By HELLO, which needs no permission for INFO. Null: it does not say, or not in time. */
  async role(timeoutMs: number): Promise<unknown> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<null>((resolve) => {
      timer = setTimeout(() => resolve(null), timeoutMs);
    });
    const answer = this.ask("hello").then(roleIn, () => null);
    return Promise.race([answer, late]).finally(() => clearTimeout(timer));
  }

  ask(name: string, ...words: readonly string[]): Promise<unknown> {
    const command = new Command(name, [...words], { replyEncoding: "utf8" });
    note(command, noteFor(this.#parts.options, { internal: true, batch: null }));
    this.#parts.base.send(command, undefined);
    return command.promise;
  }
}

/** A list of names and values with RESP2, a map with RESP3. */
function roleIn(reply: unknown): unknown {
  if (Array.isArray(reply)) return reply[reply.indexOf("role") + 1];
  return typeof reply === "object" && reply !== null && "role" in reply ? reply.role : null;
}
