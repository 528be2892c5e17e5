/**
 * Row 29: what clients do under the same faults, each behind one address that moves as a Service
 * does: `node packages/client/test/bench/compare.ts [part of a fault's or a client's name]`.
 * Prints a Markdown table; judges nothing.
 *
 * Ten writers append unique tokens, one after the other. `gap`: longest time without an
 * acknowledgement. `failed`: writes whose promise was rejected. `twice`: tokens that are there more
 * than once. `wrong`: refused by a definite answer, and there nevertheless; only Leasehold says
 * which those are. `open`: promises that were not settled 10 s later.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { Redis } from "ioredis";
import { createClient } from "redis";
import { startBalancer, type Balancer } from "@leasehold/testkit/balancer";
import { createLeasehold, outcomeOf, serviceTopology } from "../../src/index.ts";
import { startProxy, type LossyProxy } from "../process/lossy-proxy.ts";
import { startPair, stopAll, switchOver, type RealRedis } from "../process/real-redis.ts";

interface Writer {
  push(token: string): Promise<unknown>;
  end(): Promise<void> | void;
}

interface Address {
  readonly host: string;
  readonly port: number;
}

const CLIENTS: Readonly<Record<string, (address: Address) => Promise<Writer>>> = {
  async "ioredis 6.0.0, defaults"(address) {
    return ioredis(new Redis(address));
  },
  async "ioredis 6.0.0, best options"(address) {
    const reconnectOnError = (error: Error): 2 | false => error.message.startsWith("READONLY") && 2;
    const options = { autoResendUnfulfilledCommands: false, commandTimeout: 5_000 };
    return ioredis(new Redis({ ...address, ...options, reconnectOnError, socketTimeout: 5_000 }));
  },
  async "node-redis 6.3.1"({ host, port }) {
    const client = createClient({ socket: { host, port } });
    client.on("error", () => {});
    await client.connect();
    return { push: (token) => client.rPush("tokens", token), end: () => client.destroy() };
  },
  async "Leasehold, one Service"({ host, port }) {
    const client = createLeasehold({ topology: serviceTopology({ writer: `${host}:${port}` }) });
    return { push: (token) => client.leader.rpush("tokens", token), end: () => client.close() };
  },
};

function ioredis(redis: Redis): Writer {
  redis.on("error", () => {});
  return { push: (token) => redis.rpush("tokens", token), end: () => redis.disconnect() };
}

interface Stage {
  readonly a: RealRedis;
  readonly b: RealRedis;
  readonly balancer: Balancer;
  readonly proxy: LossyProxy;
}

const addressOf = ({ host, port }: Address): Address => ({ host, port });

const FAULTS: Readonly<Record<string, (stage: Stage) => Promise<RealRedis>>> = {
  async "demoted, connections kept"({ a, b, balancer }) {
    await switchOver(a, b);
    balancer.setTarget(addressOf(b));
    return b;
  },
  async "replies lost"({ a, proxy }) {
    proxy.swallow();
    await sleep(50);
    proxy.cut();
    return a;
  },
  async "server killed"({ a, b, balancer }) {
    await a.kill();
    await b.promote();
    balancer.setTarget(addressOf(b));
    return b;
  },
  async "server stopped"({ a, b, balancer }) {
    a.signal("SIGSTOP");
    await b.promote();
    balancer.setTarget(addressOf(b));
    return b;
  },
};

async function play(
  open: (address: Address) => Promise<Writer>,
  fault: (stage: Stage) => Promise<RealRedis>,
): Promise<string> {
  const [a, b] = await startPair();
  const proxy = await startProxy(a);
  const balancer = await startBalancer({ host: "127.0.0.1", port: 0 });
  balancer.setTarget(addressOf(proxy));
  const writer = await open(balancer.address);
  const found = {
    failed: 0,
    refused: [] as string[],
    open: 0,
    gapMs: 0,
    lastMs: performance.now(),
  };
  const stop = new AbortController();
  const work = async (name: number): Promise<void> => {
    for (let n = 0; !stop.signal.aborted; n += 1) {
      const token = `${name}:${n}`;
      found.open += 1;
      try {
        await writer.push(token);
        found.gapMs = Math.max(found.gapMs, performance.now() - found.lastMs);
        found.lastMs = performance.now();
      } catch (error) {
        found.failed += 1;
        if (outcomeOf(error) === "not-applied") found.refused.push(token);
      }
      found.open -= 1;
      await sleep(1);
    }
  };
  const all = Promise.all(Array.from({ length: 10 }, (_, name) => work(name)));
  await sleep(300);
  const leader = await fault({ a, b, balancer, proxy });
  await sleep(8_000);
  const isStuck = performance.now() - found.lastMs > 7_000;
  stop.abort();
  await Promise.race([all, sleep(10_000)]);
  const present = await leader.admin.lrange("tokens", 0, -1);
  const unique = new Set(present);
  const wrong = found.refused.filter((token) => unique.has(token)).length;
  const gap = isStuck ? "never again" : `${Math.round(found.gapMs)} ms`;
  await writer.end();
  await balancer.close();
  await proxy.close();
  await stopAll();
  return `${gap} | ${found.failed} | ${present.length - unique.size} | ${wrong} | ${found.open}`;
}

console.log("| fault | client | gap | failed | twice | wrong | open |");
console.log("| --- | --- | --- | --- | --- | --- | --- |");
for (const [fault, cause] of Object.entries(FAULTS)) {
  for (const [name, open] of Object.entries(CLIENTS)) {
    const isWanted = `${fault} ${name}`.includes(process.argv[2] ?? "");
    if (isWanted) console.log(`| ${fault} | ${name} | ${await play(open, cause)} |`);
  }
}
process.exit(0);
