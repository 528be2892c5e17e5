/** A leader with too few replicas in reach: it refuses writes, and leads on. */
import { afterEach, describe, expect, test } from "vitest";
import { setTimeout as sleep } from "node:timers/promises";
import { NotLeaderError, outcomeOf, type Leasehold } from "../../src/index.ts";
import { closeAll, open, openPair, outcome } from "./open-clients.ts";
import { pushedTopology } from "./pushed-topology.ts";
import { startRedis, until, type RealRedis } from "./real-redis.ts";

afterEach(closeAll);

interface Short {
  readonly a: RealRedis;
  readonly checks: () => readonly string[];
  readonly client: Leasehold;
  /** Connections that the server has accepted so far. */
  readonly connects: () => Promise<number>;
}

async function openShort(options: Parameters<typeof openPair>[0] = {}): Promise<Short> {
  const { a, client, topology } = await openPair(options);
  await client.leader.set("k", "0");
  await a.admin.config("SET", "min-replicas-to-write", 2);
  const connects = async (): Promise<number> => {
    const stats = await a.admin.info("stats");
    return Number(/total_connections_received:(\d+)/.exec(stats)?.[1]);
  };
  return { a, client, checks: () => topology.checks(), connects };
}

const enough = (a: RealRedis): Promise<unknown> =>
  a.admin.config("SET", "min-replicas-to-write", 0);

describe("NOREPLICAS", () => {
  test("keeps the connection: writes wait in order, reads go on, and all are applied once", async () => {
    const { a, client, connects, checks } = await openShort();
    const before = await connects();
    const asked = checks().length;
    const { leader } = client;
    const writes = Array.from({ length: 20 }, (_, n) => leader.rpush("list", n));
    const batch = leader.pipeline().incr("n").get("k").incr("n").exec();
    const multi = sleep(20).then(() => leader.multi().incr("m").exec());
    await sleep(50);
    expect(await client.check()).toMatchObject({ ok: true });
    const message = leader.publish("channel", "behind the writes");
    const reads: number[] = [];
    const endAtMs = performance.now() + 1_000;
    while (performance.now() < endAtMs) {
      const { value, tookMs } = await outcome(leader.get("k"));
      expect(value).toBe("0");
      reads.push(tookMs);
    }
    expect(leader.status).toBe("ready");
    expect(await connects()).toBe(before);
    const later = leader.rpush("list", "later");
    await enough(a);
    const startedAtMs = performance.now();
    expect(await Promise.all(writes)).toEqual(Array.from({ length: 20 }, (_, n) => n + 1));
    expect(await later).toBe(21);
    expect(await message).toBe(0);
    const tookMs = performance.now() - startedAtMs;
    expect(await batch).toEqual([
      [null, 1],
      [null, "0"],
      [null, 2],
    ]);
    expect(await multi).toEqual([[null, 1]]);
    const written = await a.admin.lrange("list", 0, -1);
    expect(written).toEqual([...Array.from({ length: 20 }, (_, n) => `${n}`), "later"]);
    expect(await connects()).toBe(before);
    // Nothing says that another one leads.
    expect(new Set(checks().slice(asked))).toEqual(new Set(["rejected"]));
    const slowest = Math.max(...reads).toFixed(0);
    console.log(
      `NOREPLICAS for 1 s: 0 connections more, ${reads.length} reads (slowest ${slowest} ms), writes ${tookMs.toFixed(0)} ms after the replicas`,
    );
    expect(tookMs).toBeLessThan(1_500);
  });

  test("a script that publishes before it writes does so with each try, unless it has flags", async () => {
    const { a, client } = await openShort();
    const heard: string[] = [];
    const subscriber = client.connection({ profile: "pubsub" });
    subscriber.on("message", (_channel, message) => heard.push(message));
    await subscriber.subscribe("channel");
    const body = 'redis.call("publish", "channel", ARGV[1]); return redis.call("incr", KEYS[1])';
    const bare = client.leader.eval(body, 1, "n", "bare");
    const flagged = client.leader.eval(`#!lua\n${body}`, 1, "n", "flagged");
    await until(() => heard.length > 1);
    await enough(a);
    expect(await Promise.all([bare, flagged])).toEqual([1, 2]);
    await until(() => heard.includes("flagged"));
    expect(heard.filter((message) => message === "flagged")).toEqual(["flagged"]);
    expect(heard.filter((message) => message === "bare").length).toBeGreaterThan(1);
  });

  test("ends with the deadline of each write, and what has expired is never sent", async () => {
    const { a, client } = await openShort({ waitForLeaderMs: 300 });
    const results = await Promise.all([
      outcome(client.leader.incr("n")),
      outcome(client.leader.set("k", "1")),
    ]);
    for (const { error, tookMs } of results) {
      expect(error).toBeInstanceOf(NotLeaderError);
      expect(error).toMatchObject({ serverCode: "NOREPLICAS", outcome: "not-applied" });
      expect(error?.message).toContain("too few replicas");
      expect(tookMs).toBeLessThan(1_000);
    }
    // A deadline that comes before the next try is tried at once.
    const hasty = await outcome(client.withOptions({ waitForLeaderMs: 0 }).incr("n"));
    expect(hasty.error).toMatchObject({ serverCode: "NOREPLICAS", outcome: "not-applied" });
    await enough(a);
    expect(await client.leader.incr("m")).toBe(1);
    await sleep(50);
    expect(await a.admin.mget("n", "k")).toEqual([null, "0"]);
  });

  test("does not let a read into another database than its SELECT before it says", async () => {
    const { a, client } = await openShort();
    const connection = client.connection();
    await connection.ping();
    await a.admin.select(3);
    await a.admin.config("SET", "min-replicas-to-write", 0);
    await a.admin.set("k", "in three");
    await a.admin.config("SET", "min-replicas-to-write", 2);
    const write = connection.set("w", "in none");
    await sleep(30);
    const selected = connection.select(3);
    const read = connection.get("k");
    await sleep(30);
    await enough(a);
    expect(await Promise.all([write, selected, read])).toEqual(["OK", "OK", "in three"]);
    expect(await client.leader.get("w")).toBe("in none");
  });

  test("a change of leader meanwhile takes the writes along", async () => {
    const { a, b, topology, client } = await openPair();
    await a.admin.config("SET", "min-replicas-to-write", 2);
    const writes = Array.from({ length: 5 }, (_, n) => client.leader.rpush("list", n));
    await sleep(120);
    await b.promote();
    topology.push(2, b);
    expect(await Promise.all(writes)).toEqual([1, 2, 3, 4, 5]);
    expect(await b.admin.lrange("list", 0, -1)).toEqual(["0", "1", "2", "3", "4"]);
  });

  test("transactions and durable writes wait for replicas without a storm", async () => {
    const { a, client, connects } = await openShort();
    const before = await connects();
    const durable = client.withWriteConcern({ w: 1, wtimeoutMs: 500 }).incr("durable");
    await sleep(500);
    const stats = await a.admin.info("commandstats");
    const tries = Number(/cmdstat_incr:calls=\d+,.*rejected_calls=(\d+)/.exec(stats)?.[1]);
    expect(tries).toBeGreaterThan(0);
    expect(tries).toBeLessThan(20);
    await enough(a);
    expect(await durable).toBe(1);
    const body = async (tx: typeof client.leader): Promise<unknown> => {
      await tx.watch("t");
      return tx.multi().incr("t").exec();
    };
    expect(await client.transaction(body)).toEqual([[null, 1]]);
    // Two of the durable pool, one for the transaction.
    expect((await connects()) - before).toBeLessThanOrEqual(3);
    await a.admin.config("SET", "min-replicas-to-write", 2);
    const { error, tookMs } = await outcome(client.transaction(body));
    expect(outcomeOf(error)).toBe("not-applied");
    console.log(`a transaction without replicas: given up after ${tookMs.toFixed(0)} ms`);
    expect(client.leader.status).toBe("ready");
  });

  test("a write that waits is not sent after a later one was acknowledged", async () => {
    const redis = await startRedis();
    const topology = pushedTopology({ a: redis });
    const client = open({ topology: topology.provider });
    topology.push(1, redis);
    await client.leader.ping();
    await redis.admin.config("SET", "min-replicas-to-write", 1);
    // The replicas come back between the two, for the server: both are in its input already.
    const first = outcome(client.leader.set("k", "first"));
    const back = client.leader.config("SET", "min-replicas-to-write", 0);
    const second = client.leader.set("k", "second");
    expect(await second).toBe("OK");
    await back;
    const { error } = await first;
    expect(error).toBeInstanceOf(NotLeaderError);
    expect(error?.message).toContain("acknowledged a later write");
    await until(async () => (await redis.admin.get("k")) === "second");
    await sleep(150);
    expect(await redis.admin.get("k")).toBe("second");
  });
});
