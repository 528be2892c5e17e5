import { afterEach, describe, expect, test } from "vitest";
import { setTimeout as sleep } from "node:timers/promises";
import { Redis } from "ioredis";
import {
  outcomeOf,
  rejectedIn,
  WriteOutcomeUnknownError,
  type Leasehold,
} from "../../src/index.ts";
import { startProxy, type LossyProxy } from "./lossy-proxy.ts";
import { closeAll, open, outcome } from "./open-clients.ts";
import { pushedTopology } from "./pushed-topology.ts";
import { startRedis, until, type RealRedis } from "./real-redis.ts";

const proxies: LossyProxy[] = [];
afterEach(async () => {
  await closeAll();
  for (const proxy of proxies.splice(0)) await proxy.close();
});

const endOf = (promise: Promise<unknown>): ReturnType<typeof outcome> => outcome(promise);

interface Lossy {
  readonly redis: RealRedis;
  readonly proxy: LossyProxy;
  readonly client: Leasehold;
}

async function openLossy(
  options: { readonly enableAutoPipelining?: boolean } = {},
): Promise<Lossy> {
  const redis = await startRedis();
  const proxy = await startProxy(redis);
  proxies.push(proxy);
  const topology = pushedTopology({ a: { ...redis, port: proxy.port } });
  const client = open({ topology: topology.provider, redis: options });
  topology.push(1, Object.values(topology.members)[0] ?? null);
  await client.leader.set("seed", "1");
  return { redis, proxy, client };
}

/** Waits until the server has done it all, then loses the connection with the replies. */
async function lose(
  { redis, proxy }: Lossy,
  isDone: (admin: Redis) => Promise<boolean>,
): Promise<number> {
  await until(() => isDone(redis.admin));
  proxy.cut();
  return performance.now();
}

describe("row 11: a reply is lost", () => {
  test("each kind of write is unknown and ran once, and reads are answered again", async () => {
    const lossy = await openLossy();
    const { leader } = lossy.client;
    const { redis } = lossy;
    await redis.admin.rpush("from", "x");
    lossy.proxy.swallow();
    const writes = [
      leader.incr("single"),
      leader.eval("return redis.call('incr', KEYS[1])", 1, "script"),
      leader.multi().incr("multi").incr("multi").exec(),
      leader.blmove("from", "to", "LEFT", "RIGHT", 1),
    ].map(endOf);
    const read = leader.get("seed");
    const reads = leader.pipeline().get("seed").exists("seed").exec();
    const mixed = leader.pipeline().incr("mixed").get("seed").exec();
    const cutAtMs = await lose(lossy, async (admin) => (await admin.get("mixed")) === "1");
    const results = await Promise.all(writes);
    const settledMs = performance.now() - cutAtMs;
    const afterwards = await Promise.all([read, reads, mixed]);
    const allMs = performance.now() - cutAtMs;
    console.log(
      `row 11: writes settled in ${settledMs.toFixed(1)} ms, reads in ${allMs.toFixed(1)} ms`,
    );

    for (const { error } of results) expect(error).toBeInstanceOf(WriteOutcomeUnknownError);
    expect(afterwards[0]).toBe("1");
    expect(afterwards[1]).toEqual([
      [null, "1"],
      [null, 1],
    ]);
    expect(rejectedIn(afterwards[2]).map((one) => one.outcome)).toEqual(["unknown", "unknown"]);
    expect(await redis.admin.mget("single", "script", "multi", "mixed")).toEqual([
      "1",
      "1",
      "2",
      "1",
    ]);
    expect(await redis.admin.lrange("to", 0, -1)).toEqual(["x"]);
    expect(settledMs).toBeLessThan(500);
    expect(lossy.client.leader.commandQueue.length).toBe(0);
  });

  test("auto-pipelined commands settle one by one: writes are unknown, reads beside them are answered", async () => {
    const lossy = await openLossy({ enableAutoPipelining: true });
    lossy.proxy.swallow();
    const { leader } = lossy.client;
    const all = [leader.incr("n"), leader.get("seed"), leader.incr("n")].map(endOf);
    const own = leader.pipeline().incr("own").get("seed").exec();
    const cutAtMs = await lose(lossy, async (admin) => (await admin.get("own")) === "1");
    const [first, , second] = await Promise.all([all[0], own, all[2]]);
    const settledMs = performance.now() - cutAtMs;
    const read = await all[1];
    console.log(`row 11 (auto-pipelined): writes settled in ${settledMs.toFixed(1)} ms`);
    expect(settledMs).toBeLessThan(500);
    for (const write of [first, second]) {
      expect(write?.error).toBeInstanceOf(WriteOutcomeUnknownError);
    }
    expect(read).toMatchObject({ value: "1" });
    expect(rejectedIn(await own).map((one) => one.outcome)).toEqual(["unknown", "unknown"]);
    expect(await leader.incr("n")).toBe(3);
  });

  test("a write goes out again only where the caller's policy says so", async () => {
    const lossy = await openLossy();
    lossy.proxy.swallow();
    const replayUnknown = ({ name }: { name: string }): boolean => name === "set";
    const view = lossy.client.withOptions({ replayUnknown });
    const all = [view.set("idempotent", "v"), view.incr("counted")].map(endOf);
    await lose(lossy, async (admin) => (await admin.get("counted")) === "1");
    const [set, incr] = await Promise.all(all);
    expect(set?.value).toBe("OK");
    expect(outcomeOf(incr?.error)).toBe("unknown");
    expect(await lossy.redis.admin.get("counted")).toBe("1");
  });

  test("what stock ioredis does with the same loss: it runs the writes twice", async () => {
    const redis = await startRedis();
    const proxy = await startProxy(redis);
    proxies.push(proxy);
    const stock = new Redis({ host: proxy.host, port: proxy.port, retryStrategy: () => 10 });
    stock.on("error", () => {});
    try {
      await stock.ping();
      proxy.swallow();
      const write = stock.incr("n");
      await until(async () => (await redis.admin.get("n")) === "1");
      proxy.cut();
      expect(await write).toBe(2);
    } finally {
      stock.disconnect();
    }
  });

  test("a server that has stopped is given up in time, and the write is unknown", async () => {
    const redis = await startRedis();
    const topology = pushedTopology({ a: redis });
    const client = open({ topology: topology.provider, replyTimeoutMs: 300, waitForLeaderMs: 200 });
    topology.push(1, redis);
    await client.leader.ping();
    redis.signal("SIGSTOP");
    const { error, tookMs } = await outcome(client.leader.incr("n"));
    redis.signal("SIGCONT");
    console.log(`a stopped server, no push: unknown after ${tookMs.toFixed(0)} ms`);
    expect(outcomeOf(error)).toBe("unknown");
    expect(tookMs).toBeLessThan(1_500);
    await sleep(50);
    expect(await client.withOptions({ waitForLeaderMs: 5_000 }).incr("n")).toBeGreaterThan(0);
  });
});
