/**
 * Real Redis servers for the tests of the client: each stands alone at first, and is made a replica
 * or a primary by its test. `LEASEHOLD_TEST_REDIS` names another engine. `stopAll` leaves neither
 * process nor file.
 */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Redis } from "ioredis";

export const ENGINE = process.env["LEASEHOLD_TEST_REDIS"] ?? "redis-server";

/** Where a server runs. */
export interface Ground {
  readonly host: string;
  /** What starts a program there: it becomes that program. */
  readonly run: readonly string[];
}

export const LOOPBACK: Ground = { host: "127.0.0.1", run: [] };

export interface RealRedis {
  readonly host: string;
  readonly port: number;
  /** Speaks to it past the client under test. */
  readonly admin: Redis;
  signal(name: NodeJS.Signals): void;
  kill(): Promise<void>;
  /** Again, empty, at the same port. */
  start(): Promise<void>;
  promote(): Promise<void>;
  follow(primary: RealRedis): Promise<void>;
}

const running: (RealRedis & { readonly directory: string })[] = [];

export function startRedis(...args: readonly string[]): Promise<RealRedis> {
  return startRedisAt(LOOPBACK, ...args);
}

export async function startRedisAt(
  { host, run }: Ground,
  ...args: readonly string[]
): Promise<RealRedis> {
  const port = await freePort();
  const directory = mkdtempSync(join(tmpdir(), "leasehold-client-"));
  const fixed = ["--port", String(port), "--bind", host, "--save", "", "--dir", directory];
  fixed.push("--repl-diskless-sync", "no", "--unixsocket", join(directory, "redis.sock"));
  fixed.push("--protected-mode", "no");
  const [file = ENGINE, ...words] = [...run, ENGINE, ...fixed, ...args];
  let child: ChildProcess | null = null;
  const admin = new Redis({
    path: join(directory, "redis.sock"),
    lazyConnect: true,
    retryStrategy: () => 20,
    maxRetriesPerRequest: 200,
    enableReadyCheck: false,
    disableClientInfo: true,
  });
  admin.on("error", () => {});
  const redis: RealRedis = {
    host,
    port,
    admin,
    signal: (name) => void child?.kill(name),
    async kill() {
      if (!child || child.exitCode !== null || child.signalCode !== null) return;
      const gone = once(child, "exit");
      child.kill("SIGKILL");
      await gone;
    },
    async start() {
      child = spawn(file, words, { stdio: ["ignore", "pipe", "inherit"] });
      let log = "";
      for await (const chunk of child.stdout ?? []) {
        log += String(chunk);
        if (log.includes("Ready to accept connections")) break;
      }
      child.stdout?.resume();
    },
    async promote() {
      await admin.call("REPLICAOF", "NO", "ONE");
    },
    async follow(primary) {
      await admin.call("REPLICAOF", primary.host, String(primary.port));
      await until(async () => (await admin.info("replication")).includes("master_link_status:up"));
      // Only now the stream flows.
      await primary.admin.set("flows", port);
      await until(async () => (await admin.get("flows")) === String(port));
    },
  };
  running.push({ ...redis, directory });
  await redis.start();
  return redis;
}

export async function startPair(): Promise<readonly [RealRedis, RealRedis]> {
  const [primary, replica] = await Promise.all([startRedis(), startRedis()]);
  await replica.follow(primary);
  return [primary, replica];
}

/** Where it does not lead it refuses the client's reads, too, and says who does: Valkey's way. */
export async function redirects({ admin }: RealRedis): Promise<boolean> {
  return admin.call("CLIENT", "CAPA", "redirect").then(
    () => true,
    () => false,
  );
}

/** The replica has every byte of the primary, which must be paused. */
export async function caughtUp(primary: RealRedis, replica: RealRedis): Promise<void> {
  const offsetOf = async (redis: RealRedis): Promise<string | undefined> => {
    const info = await redis.admin.info("replication");
    return /master_repl_offset:(\d+)/.exec(info)?.[1];
  };
  await until(async () => (await offsetOf(replica)) === (await offsetOf(primary)));
}

/** As the protocol hands over: writes pause until the successor has everything. Kills nobody. */
export async function switchOver(from: RealRedis, to: RealRedis): Promise<void> {
  await from.admin.call("CLIENT", "PAUSE", "10000", "WRITE");
  await caughtUp(from, to);
  await from.admin.call("REPLICAOF", to.host, String(to.port));
  await to.promote();
  await from.admin.call("CLIENT", "UNPAUSE");
}

export async function stopAll(): Promise<void> {
  const all = running.splice(0);
  for (const redis of all) {
    redis.admin.disconnect();
    await redis.kill();
  }
  // The child of one that was killed may still write a snapshot.
  const patient = { recursive: true, force: true, maxRetries: 10, retryDelay: 50 };
  for (const { directory } of all) rmSync(directory, patient);
}

/** Asks every 2 ms; an error counts as no. */
export async function until(
  isTrue: () => boolean | Promise<boolean>,
  timeoutMs = 10_000,
): Promise<void> {
  const endAtMs = performance.now() + timeoutMs;
  for (;;) {
    if (await Promise.resolve(isTrue()).catch(() => false)) return;
    if (performance.now() > endAtMs) throw new Error(`not in ${timeoutMs} ms: ${String(isTrue)}`);
    await sleep(2);
  }
}

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}
