/**
 * A primary outside the group, that a group without data follows until a cutover (docs/protocol.md,
 * section 4.6): the same modelled Redis, on a node of its own, with writers of its own.
 *
 * Guarantees: what it accepts is in a ledger of its own, so that nobody takes it for the group's.
 * A replica reaches it over the relay in its own sidecar, and only while that process runs. What
 * closes it is in its memory: a restart opens it.
 */
import { Ledger, type LedgerWrite } from "../clients/ledger.ts";
import { Writer } from "../clients/writer.ts";
import { Machine } from "../machine.ts";
import type { Sidecar } from "../pod/sidecar.ts";
import { type Point, Segment } from "../redis/history.ts";
import { RedisServer } from "../redis/server.ts";
import type { RedisSite, RedisWorld } from "../redis/types.ts";
import { Volume } from "../redis/volume.ts";
import type { World } from "../world.ts";
import { Mover } from "./mover.ts";

/** Network index of its node. */
export const SOURCE_ADDRESS = 40;
/** Network index of its clients' node. */
const CLIENT_ADDRESS = 41;
const WRITERS = 2;
const WRITES_BEFORE = 50;
const RESTART_MS = [200, 4_000] as const;
/** No primary has so many replicas. */
const CLOSED = 1_000_000;

/** Its last word, inside a cutover, on where it stands. */
interface Stood {
  readonly server: RedisServer;
  readonly head: Point;
  readonly atMs: number;
  readonly by: Sidecar;
}

export class Source implements RedisSite {
  readonly label = "source";
  readonly frozen = false;
  readonly machine: Machine;
  readonly volume: Volume;
  readonly ledger = new Ledger();
  readonly mover: Mover;
  redis: RedisServer;
  stood: Stood | null = null;
  /** When it was last to be opened, closed or not; -1: never. */
  openedMs = -1;
  /** Who raised the number last. */
  closedBy: Sidecar | null = null;
  /** Said that it must be opened by hand, which people are told. */
  isGivenUp = false;
  private readonly world: World;
  private readonly redisWorld: RedisWorld;
  /** `min-replicas-to-write` of its configuration. */
  private readonly minReplicas: number;
  private writers: Writer[] = [];
  /** People say that nobody writes to it, and it is so. */
  isQuiet = false;
  private pid = 1;
  private isShutDown = false;

  constructor(world: World) {
    this.world = world;
    const { clock, network, options } = world;
    const random = world.random.fork();
    const uptimeMs = random.between(10_000, 1_000_000);
    const site = { name: "node-source", address: SOURCE_ADDRESS };
    this.machine = new Machine(clock, site, { rate: 1, uptimeMs });
    this.volume = new Volume(random.chance(0.6) ? "aof" : "rdb");
    this.minReplicas = random.chance(0.15) ? 1 : 0;
    const segment = new Segment(null, 0);
    for (let i = 1; i <= WRITES_BEFORE; i += 1) segment.push(i * 100, true);
    const head = { segment, length: segment.length };
    this.volume.persisted({ head, replid: random.hex(12), offset: WRITES_BEFORE * 100 });
    const redisAt = (): null => null;
    this.redisWorld = { clock, network, options, random, redisAt, judge: this.judge() };
    this.redis = this.start();
    this.mover = new Mover(world, this);
    this.startWriters();
  }

  get isClosed(): boolean {
    return this.redis.alive && this.redis.minReplicas >= CLOSED;
  }

  /** The wanted number when it is closed, and when it is opened; the present one if it is that. */
  numberWhen(isClosed: boolean): number {
    const now = this.redis.minReplicas;
    if (isClosed) return now < CLOSED ? now + CLOSED : now;
    return now >= CLOSED ? now - CLOSED : now;
  }

  /** The step of the procedure after the cutover; one of them has forgotten it, for ever. */
  moveWriters(): void {
    for (const writer of this.writers.slice(1)) writer.stop();
  }

  stopWriters(): void {
    for (const writer of this.writers) writer.stop();
  }

  startWriters(): void {
    this.isQuiet = false;
    this.writers = [];
    for (let i = 0; i <= WRITERS; i += 1) this.addWriter();
  }

  /** Nothing that they sent is still to be executed. */
  get isIdle(): boolean {
    const { redis, writers } = this;
    if (!redis.isRunning() || redis.isBusy()) return false;
    return writers.every((writer) => writer.isIdle);
  }

  /** For good. */
  shutDown(): void {
    this.isShutDown = true;
    this.redis.end("exit");
  }

  redisEnded(): void {
    const { clock, random } = this.world;
    if (this.isShutDown) return;
    clock.after(random.between(...RESTART_MS), () => {
      this.redis = this.start();
      this.world.log(this.label, "is back");
    });
  }

  acknowledged(_write: LedgerWrite): void {}

  private start(): RedisServer {
    const image = this.volume.image(this.redisWorld.random, 0);
    const redis = new RedisServer(this.redisWorld, this, { image, pid: this.pid });
    this.pid += 1;
    redis.promote();
    redis.minReplicas = this.minReplicas;
    return redis;
  }

  private addWriter(): void {
    const { thinkMs } = this.world.options;
    const habits = { address: CLIENT_ADDRESS, proxy: null, thinkMs, waits: false, source: this };
    this.writers.push(new Writer(this.world, habits));
  }

  private judge(): RedisWorld["judge"] {
    const { world } = this;
    return {
      redisChanged: () => undefined,
      paused: () => undefined,
      fullSync: () => undefined,
      replidChanged: () => undefined,
      diverged: (replica, upstream) => world.judge.diverged(replica, upstream),
      accepted: (server, { id }) => {
        this.ledger.accepted(id, server, { nowMs: world.clock.nowMs, isTail: false });
        world.judge.sourceAccepted(server);
      },
    };
  }
}
