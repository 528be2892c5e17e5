/** A small world for Redis servers alone: no members, no API, a network and a clock. */
import type { PersistenceMode } from "@leasehold/replication";
import { Random } from "../../src/random.ts";
import { Machine } from "../../src/simulation/machine.ts";
import { Network } from "../../src/simulation/network.ts";
import { RedisServer } from "../../src/simulation/redis/server.ts";
import type {
  Connection,
  RedisJudge,
  RedisOptions,
  RedisSite,
  RedisWorld,
  WriteAnswer,
} from "../../src/simulation/redis/types.ts";
import { Volume } from "../../src/simulation/redis/volume.ts";
import { VirtualClock } from "../../src/virtual-clock.ts";

const OPTIONS: RedisOptions = {
  fullSyncMs: 40,
  loadMs: 20,
  replTimeoutMs: 10_000,
  backlogBytes: 1_000_000,
  snapshotMs: 10_000,
};

export interface BenchServer {
  readonly name: string;
  readonly site: RedisSite & { frozen: boolean };
  readonly volume: Volume;
  server: RedisServer;
}

export class RedisBench implements RedisWorld {
  readonly clock = new VirtualClock();
  readonly random = new Random(7);
  readonly network = new Network(this.clock, new Random(8));
  readonly options: RedisOptions;
  readonly fullSyncs: string[] = [];
  readonly diverged: string[] = [];
  readonly judge: RedisJudge = {
    redisChanged: () => undefined,
    paused: () => undefined,
    accepted: () => undefined,
    fullSync: (replica, upstream) => {
      this.fullSyncs.push(`${upstream.site.label}>${replica.site.label}`);
    },
    diverged: (replica) => {
      this.diverged.push(replica.site.label);
    },
    replidChanged: () => undefined,
  };
  private readonly servers = new Map<string, BenchServer>();
  private nextId = 0;

  constructor(options: Partial<RedisOptions> = {}) {
    this.options = { ...OPTIONS, ...options };
  }

  redisAt(host: string): RedisServer | null {
    return this.servers.get(host)?.server ?? null;
  }

  /** A server behind its gate, with `host` = its name. */
  add(name: string, mode: PersistenceMode = "aof"): BenchServer {
    const volume = new Volume(mode);
    const machine = new Machine(
      this.clock,
      { name, address: this.servers.size + 1 },
      { rate: 1, uptimeMs: 0 },
    );
    const site = { label: name, machine, volume, frozen: false, redisEnded: () => undefined };
    const bench: BenchServer = { name, site, volume, server: this.boot(site, volume) };
    this.servers.set(name, bench);
    this.run(100);
    return bench;
  }

  /** The next process on the same volume. */
  restart(bench: BenchServer, offsetOfRestartedAof = 0): void {
    bench.server = this.boot(bench.site, bench.volume, offsetOfRestartedAof);
    this.run(100);
  }

  /** A promoted server with a backlog, as the adapter leaves it. */
  promote(bench: BenchServer): void {
    bench.server.promote();
    bench.server.ensureBacklog();
  }

  follow(replica: BenchServer, upstream: BenchServer, forMs = 400): void {
    replica.server.follow({ host: upstream.name, port: 6379 });
    this.run(forMs);
  }

  /** Answers of `count` writes that were sent now; empty while they are held. */
  write(bench: BenchServer, count = 1, waitMs = 0): WriteAnswer[] {
    const answers: WriteAnswer[] = [];
    const connection = this.connection(bench);
    for (let i = 0; i < count; i += 1) {
      this.nextId += 1;
      const id = this.nextId;
      const answer = (result: WriteAnswer): void => void answers.push(result);
      bench.server.submit(connection, () =>
        bench.server.writes.put({ id, bytes: 100, waitMs, connection, answer }),
      );
    }
    return answers;
  }

  connection(bench: BenchServer): Connection {
    const connection: Connection = { address: 9, isCut: false, closed: () => undefined };
    bench.server.connections.add(connection);
    return connection;
  }

  run(ms: number): void {
    this.clock.runUntil(this.clock.nowMs + ms);
  }

  private boot(site: RedisSite, volume: Volume, offset = 0): RedisServer {
    return new RedisServer(this, site, { image: volume.image(this.random, offset), pid: 7 });
  }
}
