/**
 * Real Redis servers in temporary directories, on a unix socket and a free loopback port.
 * `LEASEHOLD_TEST_REDIS` names another engine. `stopAll` leaves neither process nor file behind.
 */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createConnection, createServer, type AddressInfo, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Redis } from "ioredis";
import type { RedisInfo, RedisProcess, RedisServer } from "@leasehold/replication";
import { createRedisServer, type RedisServerOptions } from "../../src/index.ts";

const ENGINE = process.env["LEASEHOLD_TEST_REDIS"] ?? "redis-server";

export interface RealRedis {
  readonly socket: string;
  readonly port: number;
  readonly directory: string;
  pid(): number;
  /** Again, after it has ended; with the same directory and port. */
  spawn(): void;
  /** The same, until it serves. */
  start(): Promise<void>;
  signal(name: NodeJS.Signals): void;
  /** SIGKILL, and gone. */
  kill(): Promise<void>;
  /** Every change of role, kill and pause since its start, in the order of execution. */
  executed(): Promise<readonly string[]>;
  /** An ordinary client of an application; closed with the server. */
  client(): Redis;
}

const running: RealRedis[] = [];
const clients: Redis[] = [];
const adapters: RedisServer[] = [];
const sockets: Socket[] = [];

/** Starts behind the boot gate, as the guard does. `lines` are further lines of redis.conf. */
export async function startRedis(...lines: readonly string[]): Promise<RealRedis> {
  const directory = mkdtempSync(join(tmpdir(), "leasehold-redis-"));
  const socket = join(directory, "redis.sock");
  const port = await freePort();
  const config = join(directory, "redis.conf");
  writeFileSync(
    config,
    [
      `port ${port}`,
      "bind 127.0.0.1",
      `unixsocket ${socket}`,
      `dir ${directory}`,
      "replicaof 127.0.0.1 1",
      "repl-diskless-sync-delay 0",
      'save ""',
      "busy-reply-threshold 100",
      "slowlog-log-slower-than 0",
      "slowlog-max-len 100000",
      ...lines,
      "",
    ].join("\n"),
  );
  let child: ChildProcess | null = null;
  const redis: RealRedis = {
    socket,
    port,
    directory,
    pid: () => child?.pid ?? -1,
    spawn: () => void (child = spawn(ENGINE, [config], { cwd: directory, stdio: "ignore" })),
    async start() {
      redis.spawn();
      await until(() => isServing(redis.client()));
    },
    signal: (name) => void child?.kill(name),
    async kill() {
      if (!child || child.exitCode !== null || child.signalCode !== null) return;
      const gone = once(child, "exit");
      child.kill("SIGKILL");
      await gone;
    },
    async executed() {
      const entries = (await redis.client().slowlog("GET", -1)) as [
        number,
        number,
        number,
        string[],
      ][];
      return entries
        .toSorted(([a], [b]) => a - b)
        .map(([, , , words]) => words.join(" ").toLowerCase())
        .filter((command) => /^(replicaof|client kill|client pause)/.test(command));
    },
    client() {
      const client = new Redis({
        path: socket,
        retryStrategy: null,
        enableReadyCheck: false,
        disableClientInfo: true,
        protocol: 2,
      });
      client.on("error", () => {});
      clients.push(client);
      return client;
    },
  };
  running.push(redis);
  await redis.start();
  return redis;
}

/** The adapter under test; closed by `stopAll`. */
export function connect(options: RedisServerOptions): RedisServer {
  const adapter = createRedisServer(options);
  adapters.push(adapter);
  return adapter;
}

export async function stopAll(): Promise<void> {
  await Promise.all(adapters.splice(0).map((adapter) => adapter.close()));
  for (const client of clients.splice(0)) client.disconnect();
  for (const socket of sockets.splice(0)) socket.destroy();
  for (const redis of running.splice(0)) {
    await redis.kill();
    rmSync(redis.directory, { recursive: true, force: true });
  }
}

/** Whatever it answers but LOADING. */
async function isServing(client: Redis): Promise<boolean> {
  try {
    await client.ping();
    return true;
  } catch (error) {
    return error instanceof Error && /^(NOAUTH|NOPERM)/.test(error.message);
  } finally {
    client.disconnect();
  }
}

/** The observation of a Redis that must answer. */
export async function infoOf(server: RedisServer): Promise<RedisInfo> {
  const observation = await server.probe(2_000);
  if (observation.kind !== "answered") throw new Error(`expected INFO, got ${observation.kind}`);
  return observation.info;
}

export async function processOf(server: RedisServer): Promise<RedisProcess> {
  const { runId, pid } = await infoOf(server);
  return { runId, pid };
}

/** Asks every 2 ms; an error counts as no. */
export async function until(isTrue: () => Promise<boolean>, timeoutMs = 5_000): Promise<void> {
  const endAtMs = performance.now() + timeoutMs;
  while (!(await isTrue().catch(() => false))) {
    if (performance.now() > endAtMs) {
      throw new Error(`not within ${timeoutMs} ms: ${String(isTrue)}`);
    }
    await sleep(2);
  }
}

/** A port that takes no connection and refuses none: its queue is full, and nobody reads it. */
export async function unanswering(): Promise<number> {
  const redis = await startRedis("tcp-backlog 1");
  redis.signal("SIGSTOP");
  const endAtMs = performance.now() + 5_000;
  while (await connects(redis.port)) {
    if (performance.now() > endAtMs) throw new Error("the queue of a stopped Redis is never full");
  }
  return redis.port;
}

async function connects(port: number): Promise<boolean> {
  const socket = createConnection({ host: "127.0.0.1", port });
  sockets.push(socket);
  socket.on("error", () => {});
  return Promise.race([once(socket, "connect").then(() => true), sleep(300).then(() => false)]);
}

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}
