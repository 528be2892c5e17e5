import { afterEach, describe, expect, test } from "vitest";
import { setTimeout as sleep } from "node:timers/promises";
import { outcomeOf, rejectedIn, TransactionAbortedError, type Leasehold } from "../../src/index.ts";
import type { OperationOptions } from "../../src/operation.ts";
import { startProxy, type LossyProxy } from "./lossy-proxy.ts";
import { closeAll, open, openPair, outcome } from "./open-clients.ts";
import { pushedTopology, type PushedTopology } from "./pushed-topology.ts";
import { ENGINE, redirects, startRedis, switchOver, until, type RealRedis } from "./real-redis.ts";

const proxies: LossyProxy[] = [];
afterEach(async () => {
  await closeAll();
  for (const proxy of proxies.splice(0)) await proxy.close();
});

interface Lossy {
  readonly redis: RealRedis;
  readonly proxy: LossyProxy;
  readonly topology: PushedTopology;
  readonly client: Leasehold;
}

async function openLossy(cutAt?: (request: string) => boolean): Promise<Lossy> {
  const redis = await startRedis();
  const proxy = await startProxy(redis, cutAt);
  proxies.push(proxy);
  const topology = pushedTopology({ a: { host: proxy.host, port: proxy.port } });
  const client = open({ topology: topology.provider });
  topology.push(1, topology.members["a"] ?? null);
  await client.leader.ping();
  return { redis, proxy, topology, client };
}

test("a pipeline that is cancelled while one of it is refused does not call the rest unsent", async ({
  skip,
}) => {
  const { a, b, client } = await openPair();
  if (await redirects(b)) skip(`${ENGINE} refuses the read that is to hold the others up`);
  await a.admin.call("REPLICAOF", b.host, String(b.port));
  const view = client.withOptions({ timeoutMs: 15, waitForLeaderMs: 500 });
  const pipeline = view.pipeline().set("k", 1).xread("BLOCK", 200, "STREAMS", "s", "$");
  const results = await pipeline.publish("channel", "published").exec();
  const outcomes = rejectedIn(results).map((one) => one.outcome);
  expect(outcomes).toEqual(["not-applied", "unknown", "unknown"]);
});

describe("a write that is to be sent again after a loss, and never is,", () => {
  const ways: Record<string, OperationOptions> = {
    expired: { waitForLeaderMs: 300 },
    "timed out": { timeoutMs: 300 },
    closed: {},
  };
  test.each(Object.entries(ways))("is unknown when it is %s", async (way, options) => {
    const { redis, proxy, topology, client } = await openLossy();
    const connection = client.connection({ ...options, replayUnknown: () => true });
    await connection.ping();
    proxy.swallow();
    const write = outcome(connection.incr("n"));
    await until(async () => (await redis.admin.get("n")) === "1");
    topology.push(2, null);
    if (way === "closed") {
      await until(() => connection.status !== "ready");
      connection.disconnect();
    }
    expect(outcomeOf((await write).error)).toBe("unknown");
    expect(await redis.admin.get("n")).toBe("1");
  });
});

test("transaction() does not run again what wrote beside its MULTI", async () => {
  const { a, b, topology, client } = await openPair();
  let attempts = 0;
  const { error } = await outcome(
    client.transaction(async (tx) => {
      attempts += 1;
      await tx.incr("before");
      await tx.watch("k");
      if (attempts === 1) {
        await switchOver(a, b);
        topology.push(2, b);
        await until(() => tx.status === "ready" && tx.options.port === b.port);
      }
      return tx.multi().incr("inside").exec();
    }),
  );
  expect(error).toBeInstanceOf(TransactionAbortedError);
  expect(outcomeOf(error)).toBe("unknown");
  expect(await b.admin.mget("before", "inside")).toEqual(["1", null]);
});

test("CLIENT UNBLOCK is its caller's affair, and no demotion", async () => {
  const { a, client } = await openPair();
  const connection = client.connection();
  const id = await connection.client("ID");
  const blocked = outcome(connection.blpop("list", 0));
  await until(async () => (await a.admin.client("UNBLOCK", id, "ERROR")) === 1);
  expect((await blocked).error?.message).toContain("CLIENT UNBLOCK");
  expect(await connection.client("ID")).toBe(id);
});

test("a subscription whose connection is lost again is restored, and nothing is left unheard", async () => {
  let cuts = 0;
  const { redis, client, proxy } = await openLossy(
    (request) => /\r\nsubscribe\r\n/i.test(request) && cuts++ === 1,
  );
  const unheard: unknown[] = [];
  const hear = (reason: unknown): void => void unheard.push(reason);
  process.on("unhandledRejection", hear);
  try {
    const subscriber = client.connection();
    await subscriber.subscribe("channel");
    proxy.cut();
    await until(() => cuts === 3 && subscriber.status === "ready");
    const message = new Promise((resolve) => subscriber.once("message", resolve));
    await until(async () => (await redis.admin.publish("channel", "m")) === 1);
    expect(await message).toBe("channel");
    await sleep(20);
  } finally {
    process.off("unhandledRejection", hear);
  }
  expect(unheard).toEqual([]);
});

test("a policy that throws counts as no, and nothing is left unsettled", async () => {
  const { redis, proxy, client } = await openLossy();
  const faults: Error[] = [];
  client.on("connectionError", ({ error }) => faults.push(error));
  const view = client.withOptions({
    replayUnknown: () => {
      throw new Error("the caller's bug");
    },
  });
  proxy.swallow();
  const all = [view.incr("n"), client.leader.incr("n"), client.leader.get("n")].map((one) =>
    outcome(one as Promise<unknown>),
  );
  await until(async () => (await redis.admin.get("n")) === "2");
  proxy.cut();
  const [one, two, three] = await Promise.all(all);
  expect([outcomeOf(one?.error), outcomeOf(two?.error)]).toEqual(["unknown", "unknown"]);
  expect(three?.value).toBe("2");
  expect(faults.map(({ message }) => message)).toContainEqual(expect.stringContaining("INCR"));
});

test("a deadline holds for all of a pipeline that had to wait", async () => {
  const { a, topology, client } = await openPair();
  topology.push(2, null);
  await until(() => client.leader.status !== "ready");
  const view = client.withOptions({ timeoutMs: 400 });
  const results = outcome(view.pipeline().set("k", 1).blpop("never", 0).exec());
  topology.push(3, a);
  const { value, tookMs } = await results;
  expect(value?.[0]).toEqual([null, "OK"]);
  expect(rejectedIn(value ?? []).map((one) => one.outcome)).toEqual(["unknown"]);
  expect(tookMs).toBeLessThan(2_000);
});

test("a command of the middle of a pipeline is refused alone, and the others are answered", async () => {
  const { client } = await openPair();
  const reader = client.reader({ preference: "primary" });
  await reader.get("k");
  const { value, tookMs } = await outcome(reader.pipeline().get("k").set("k", 1).get("k").exec());
  expect(value?.map(([error]) => error?.name ?? null)).toEqual([
    null,
    "ReadOnlyConnectionError",
    null,
  ]);
  expect(tookMs).toBeLessThan(1_000);
  const none = await outcome(
    client.reader({ preference: "primary" }).pipeline().set("k", 1).exec(),
  );
  expect(none.value?.map(([error]) => error?.name)).toEqual(["ReadOnlyConnectionError"]);
});

test("a SELECT does not overtake what waits for the connection to be built up", async () => {
  const { a, client } = await openPair();
  const connection = client.connection({ redis: { lazyConnect: true } });
  const asked = new Promise<unknown>((resolve, reject) => {
    connection.once("connect", () => {
      Promise.all([connection.set("k", "of 0"), connection.select(3)]).then(resolve, reject);
    });
  });
  await connection.connect();
  await asked;
  expect(await a.admin.get("k")).toBe("of 0");
});

test("a transaction that was lost and given up does not hold a shared connection for ever", async () => {
  const { a, b, topology, client } = await openPair();
  await client.leader.multi({ pipeline: false });
  await switchOver(a, b);
  topology.push(2, b);
  await until(() => client.leader.status === "ready" && client.leader.options.port === b.port);
  const { error } = await outcome(client.leader.incr("n"));
  expect(error).toBeInstanceOf(TransactionAbortedError);
  expect((await client.check()).ok).toBe(true);
  await until(async () => (await client.leader.incr("n")) === 1, 3_000);
});

test("what blocks for ever goes on after a change, however long it has blocked", async () => {
  const { a, b, topology, client } = await openPair();
  const connection = client.connection({ waitForLeaderMs: 200 });
  await connection.ping();
  const pop = outcome(connection.blpop("list", 0));
  await sleep(400);
  await switchOver(a, b);
  topology.push(2, b);
  await until(() => connection.status === "ready" && connection.options.port === b.port);
  await b.admin.rpush("list", "x");
  expect((await pop).value).toEqual(["list", "x"]);
});

test("a closed client makes no connection", async () => {
  const { client } = await openPair();
  await client.close();
  expect(() => client.connection()).toThrow("The client is closed");
  expect(() => client.leader.duplicate()).toThrow("The client is closed");
  const { error } = await outcome(client.transaction((tx) => tx.get("k")));
  expect(error?.message).toContain("closed");
});
