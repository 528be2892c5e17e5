/** Three real Sentinels that watch one primary. `close` leaves neither process nor file. */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Redis } from "ioredis";
import { ENGINE, freePort, until, type RealRedis } from "../process/real-redis.ts";

export const GROUP = "orders";
const COUNT = 3;
/** All that is set; the rest is Sentinel's own. */
export const SETTINGS = { quorum: 2, "down-after-milliseconds": 1_000, "failover-timeout": 10_000 };

export interface Sentinels {
  readonly addresses: readonly { readonly host: string; readonly port: number }[];
  /** Has them fail over now, whatever they think of the primary. */
  failOver(): Promise<void>;
  close(): Promise<void>;
}

export async function startSentinels(primary: RealRedis, host: string): Promise<Sentinels> {
  const directory = mkdtempSync(join(tmpdir(), "leasehold-sentinels-"));
  const children: ChildProcess[] = [];
  const clients: Redis[] = [];
  const close = async (): Promise<void> => {
    for (const client of clients) client.disconnect();
    const running = children.filter(
      ({ exitCode, signalCode }) => (exitCode ?? signalCode) === null,
    );
    const gone = running.map((child) => once(child, "exit"));
    for (const child of running) child.kill("SIGKILL");
    await Promise.all(gone);
    rmSync(directory, { recursive: true, force: true });
  };
  const addresses: { host: string; port: number }[] = [];
  try {
    for (let n = 0; n < COUNT; n += 1) {
      const port = await freePort();
      addresses.push({ host, port });
      const file = join(directory, `sentinel-${n}.conf`);
      writeFileSync(file, configuration(primary, { host, port, directory }));
      children.push(spawn(ENGINE, [file, "--sentinel"], { stdio: "ignore", cwd: directory }));
      const client = new Redis({ host, port, retryStrategy: () => 20, maxRetriesPerRequest: null });
      client.on("error", () => {});
      clients.push(client);
    }
    await Promise.all(clients.map((client) => until(() => knowsAll(client), 20_000)));
  } catch (error) {
    await close();
    throw error;
  }
  return {
    addresses,
    failOver: () => until(() => begin(clients[0]), 5_000),
    close,
  };
}

interface Place {
  readonly host: string;
  readonly port: number;
  readonly directory: string;
}

function configuration(primary: RealRedis, { host, port, directory }: Place): string {
  const { quorum, ...timings } = SETTINGS;
  const settings = Object.entries(timings).map(([name, ms]) => `sentinel ${name} ${GROUP} ${ms}`);
  return [
    ...[`port ${port}`, `bind ${host}`, "protected-mode no", `dir ${directory}`],
    `sentinel monitor ${GROUP} ${primary.host} ${primary.port} ${quorum}`,
    ...settings,
    "",
  ].join("\n");
}

/** The others, and the replica, which it must have heard of itself. */
async function knowsAll(client: Redis): Promise<boolean> {
  const others = (await client.call("SENTINEL", "SENTINELS", GROUP)) as unknown[];
  const replicas = (await client.call("SENTINEL", "REPLICAS", GROUP)) as unknown[];
  const isUp = !JSON.stringify(replicas).includes("disconnected");
  return others.length === COUNT - 1 && replicas.length === 1 && isUp;
}

async function begin(client: Redis | undefined): Promise<boolean> {
  try {
    return (await client?.call("SENTINEL", "FAILOVER", GROUP)) === "OK";
  } catch (error) {
    // It has begun by itself.
    return String(error).includes("INPROG");
  }
}
