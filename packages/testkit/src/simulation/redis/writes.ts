/**
 * The way of a write through one Redis: refused, held by a pause, accepted, and confirmed by
 * replicas. A pause only grows; it ends by itself or by UNPAUSE, and then what was held is judged
 * by the role that the server has by now.
 */
import type { Timer } from "../../virtual-clock.ts";
import type { RedisServer } from "./server.ts";
import type { Connection, WriteRequest } from "./types.ts";

const GETACK_BYTES = 37;

interface Waiter {
  readonly offset: number;
  /** Null: the server became a replica. */
  readonly answer: (count: number | null) => void;
}

export class Writes {
  /** Accepted one since the last promotion. */
  hasAccepted = false;
  /** Answered with `READONLY`, since the process began. */
  refused = 0;
  private readonly server: RedisServer;
  private pausedUntilMs = 0;
  private pauseTimer: Timer | null = null;
  private held: WriteRequest[] = [];
  private waiters: Waiter[] = [];

  constructor(server: RedisServer) {
    this.server = server;
  }

  isPaused(): boolean {
    return this.pausedUntilMs > this.server.world.clock.nowMs;
  }

  get hasWaiters(): boolean {
    return this.waiters.length > 0;
  }

  put(request: WriteRequest): void {
    const { server } = this;
    if (request.connection !== null) request.connection.lastWrote = true;
    if (server.loading) return request.answer({ error: "LOADING" });
    if (server.isBusy()) return request.answer({ error: "BUSY" });
    if (server.role === "replica") {
      this.refused += 1;
      return request.answer({ error: "READONLY" });
    }
    if (server.isPaused()) {
      this.held.push(request);
      return;
    }
    if (server.attachedReplicas < server.minReplicas) {
      return request.answer({ error: "NOREPLICAS" });
    }
    this.hasAccepted = true;
    server.appendEntry(request.bytes, true);
    server.world.judge.accepted(server, request);
    if (request.waitMs === 0) request.answer({ error: null, copies: 0 });
    else this.wait(request);
  }

  /** A replica has acknowledged more. */
  acknowledged(): void {
    const done = this.waiters.filter((waiter) => this.copiesAt(waiter.offset) > 0);
    if (done.length === 0) return;
    this.waiters = this.waiters.filter((waiter) => !done.includes(waiter));
    for (const waiter of done) waiter.answer(this.copiesAt(waiter.offset));
  }

  /** `CLIENT PAUSE <ms> WRITE`: can only be extended. */
  pause(pauseMs: number): void {
    const { clock, judge } = this.server.world;
    const untilMs = clock.nowMs + pauseMs;
    if (untilMs <= this.pausedUntilMs) return;
    this.pausedUntilMs = untilMs;
    clock.cancel(this.pauseTimer);
    this.pauseTimer = clock.after(pauseMs, () => this.unpause());
    judge.redisChanged(this.server);
    judge.paused(this.server);
  }

  unpause(): void {
    const { server } = this;
    this.pausedUntilMs = 0;
    server.world.clock.cancel(this.pauseTimer);
    this.pauseTimer = null;
    if (!server.alive) return;
    server.world.judge.redisChanged(server);
    const { held } = this;
    this.held = [];
    for (const request of held) server.submit(null, () => this.put(request));
  }

  /** The server became a replica: whoever waits for copies gets `UNBLOCKED`. */
  demoted(): void {
    for (const waiter of [...this.waiters]) waiter.answer(null);
  }

  connectionCut(connection: Connection): void {
    this.held = this.held.filter((request) => request.connection !== connection);
  }

  ended(): void {
    this.waiters = [];
    this.held = [];
    this.server.world.clock.cancel(this.pauseTimer);
  }

  private wait(request: WriteRequest): void {
    const { server } = this;
    const waiter: Waiter = {
      offset: server.offset,
      answer: (count) => {
        this.waiters = this.waiters.filter((other) => other !== waiter);
        if (count === null) request.answer({ error: "UNBLOCKED" });
        else request.answer({ error: null, copies: count });
      },
    };
    this.waiters.push(waiter);
    server.appendEntry(GETACK_BYTES, false);
    server.world.clock.after(request.waitMs, () => {
      if (server.alive && this.waiters.includes(waiter)) waiter.answer(0);
    });
  }

  private copiesAt(offset: number): number {
    let copies = 0;
    for (const link of this.server.links) if (link.ackedOffset >= offset) copies += 1;
    return copies;
  }
}
