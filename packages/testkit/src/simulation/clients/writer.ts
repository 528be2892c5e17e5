/**
 * A client that writes one token after the other. Through the address: it connects where its
 * node's proxy points, and keeps that connection until somebody closes it. Direct: it sticks to one
 * pod, right or wrong, as an old configuration or a stale pool does.
 */
import type { Connection, WriteAnswer } from "../redis/types.ts";
import type { RedisServer } from "../redis/server.ts";
import type { Source } from "../source/source.ts";
import type { World } from "../world.ts";
import type { LedgerWrite } from "./ledger.ts";
import type { Proxy } from "./proxy.ts";

const TIMEOUT_MS = 1_500;
const WAIT_MS = 600;

export interface WriterHabits {
  /** Network index of its node. */
  readonly address: number;
  /** Null: direct. */
  readonly proxy: Proxy | null;
  readonly thinkMs: number;
  /** Follows each write by `WAIT 1`. */
  readonly waits: boolean;
  /** Writes to a Redis outside the group. */
  readonly source?: Source;
}

export class Writer {
  private readonly world: World;
  private readonly habits: WriterHabits;
  private server: RedisServer | null = null;
  private connection: Connection | null = null;
  /** The write that is under way. */
  private open: { readonly finish: () => void } | null = null;
  /** The first `READONLY` on this connection that no other answer has followed. */
  private refusedSinceMs: number | null = null;
  private directHost: string | null = null;
  private stopped = false;

  constructor(world: World, habits: WriterHabits) {
    this.world = world;
    this.habits = habits;
    world.clock.after(world.random.between(0, 1_000), () => this.next());
  }

  stop(): void {
    this.stopped = true;
  }

  /** It was stopped, and nothing of it is under way. */
  get isIdle(): boolean {
    return this.stopped && this.open === null;
  }

  /** Where its open connection gets refusals only, and since when; null: it has no such one. */
  get refusals(): { readonly server: RedisServer; readonly sinceMs: number } | null {
    const { server, connection, refusedSinceMs } = this;
    if (server === null || connection === null || connection.isCut) return null;
    return refusedSinceMs === null ? null : { server, sinceMs: refusedSinceMs };
  }

  /** Points a direct writer at another pod. */
  aim(host: string): void {
    this.directHost = host;
    this.disconnect();
  }

  private next(): void {
    if (this.stopped) return;
    const { world, habits } = this;
    if (this.connection === null && !this.connect()) {
      world.clock.after(world.random.between(40, 150), () => this.next());
      return;
    }
    this.write(() => {
      const pauseMs = world.random.exponential(habits.thinkMs);
      world.clock.after(pauseMs, () => this.next());
    });
  }

  private connect(): boolean {
    const { world, habits } = this;
    const host = habits.proxy === null ? this.directHost : (habits.proxy.target?.host ?? null);
    const found = host === null ? null : world.redisAt(host);
    const server = habits.source?.redis ?? found;
    if (server === null || !server.alive) return false;
    if (!world.network.isLinked(habits.address, server.site.machine.address)) return false;
    const connection: Connection = {
      address: habits.address,
      isCut: false,
      closed: () => {
        if (this.connection === connection) this.disconnect();
      },
    };
    server.connections.add(connection);
    this.connection = connection;
    this.server = server;
    this.refusedSinceMs = null;
    return true;
  }

  private write(done: () => void): void {
    const { world, habits } = this;
    const server = this.server as RedisServer;
    const { connection } = this;
    const write = (habits.source ?? world).ledger.open(
      habits.proxy === null ? "direct" : "address",
    );
    let isDone = false;
    const finish = (): void => {
      if (isDone) return;
      isDone = true;
      this.open = null;
      world.clock.cancel(timer);
      done();
    };
    const timer = world.clock.after(TIMEOUT_MS, () => this.disconnect());
    this.open = { finish };
    const there = server.site.machine.address;
    const answer = (result: WriteAnswer): void =>
      world.network.send(there, habits.address, () => {
        if (!isDone) this.answered(write, result);
        finish();
      });
    world.network.send(habits.address, there, () =>
      server.submit(connection, () =>
        server.writes.put({
          id: write.id,
          bytes: 60 + (write.id % 90),
          waitMs: habits.waits ? WAIT_MS : 0,
          connection,
          answer,
        }),
      ),
    );
  }

  private answered(write: LedgerWrite, answer: WriteAnswer): void {
    if (answer.error !== "READONLY") this.refusedSinceMs = null;
    else this.refusedSinceMs ??= this.world.clock.nowMs;
    if (answer.error !== null) return;
    write.acknowledgedMs = this.world.clock.nowMs;
    write.copies = answer.copies;
    (this.habits.source ?? this.world.judge).acknowledged(write);
  }

  /** What is under way has an unknown outcome. */
  private disconnect(): void {
    if (this.connection !== null) this.server?.connections.delete(this.connection);
    this.connection = null;
    this.server = null;
    this.open?.finish();
  }
}
