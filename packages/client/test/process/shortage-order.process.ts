/**
 * A leader with too few replicas in reach, while something else comes about: a change that is
 * announced, the loss of the connection, a pipeline or a SELECT with a short deadline.
 */
import { afterEach, expect, test } from "vitest";
import { setTimeout as sleep } from "node:timers/promises";
import { NotLeaderError, type Leasehold, type LeaseholdOptions } from "../../src/index.ts";
import { closeAll, open, openPair, outcome } from "./open-clients.ts";
import { pushedTopology, type PushedTopology } from "./pushed-topology.ts";
import { startRedis, until, type RealRedis } from "./real-redis.ts";

afterEach(closeAll);

interface Alone {
  readonly a: RealRedis;
  readonly topology: PushedTopology;
  readonly client: Leasehold;
}

async function openAlone(options: Partial<LeaseholdOptions> = {}): Promise<Alone> {
  const a = await startRedis();
  const topology = pushedTopology({ a });
  const client = open({ topology: topology.provider, ...options });
  topology.push(1, a);
  await client.leader.ping();
  return { a, topology, client };
}

const needReplicas = (a: RealRedis, count: number): Promise<unknown> =>
  a.admin.config("SET", "min-replicas-to-write", count);

/** Keeps everything behind it on its connection waiting, and changes nothing. */
const block = (client: Leasehold, forMs: number): Promise<unknown> =>
  client.leader.xread("BLOCK", forMs, "STREAMS", "nothing", "$");

test("a refused write does not go out behind a later one that was under way when a change was announced", async () => {
  const { a, topology, client } = await openAlone();
  await needReplicas(a, 1);
  const first = outcome(client.leader.set("k", "first"));
  const blocked = block(client, 400);
  const second = client.leader.set("k", "second");
  await sleep(100);
  await needReplicas(a, 0);
  // Over before the answer to the second one.
  topology.announce(100);
  expect(await second).toBe("OK");
  await blocked;
  expect((await first).error).toBeInstanceOf(NotLeaderError);
  expect((await first).error).toMatchObject({ outcome: "not-applied" });
  expect(await client.leader.get("k")).toBe("second");
  expect(await client.leader.set("k", "third")).toBe("OK");
});

test("nor one that is refused while the change is expected", async () => {
  const { a, topology, client } = await openAlone();
  await needReplicas(a, 1);
  const before = block(client, 150);
  const first = outcome(client.leader.set("k", "first"));
  const between = block(client, 300);
  const second = client.leader.set("k", "second");
  await sleep(50);
  topology.announce(600);
  await before;
  await sleep(50);
  await needReplicas(a, 0);
  expect(await second).toBe("OK");
  await between;
  expect((await first).error).toMatchObject({ outcome: "not-applied" });
  expect(await client.leader.get("k")).toBe("second");
});

test("a refused write whose time for the next try comes at the loss of the leader goes to the next one", async () => {
  const { a, b, topology, client } = await openPair();
  await needReplicas(a, 2);
  const first = client.leader.set("k", "first");
  const blocked = block(client, 500);
  const second = outcome(client.leader.set("j", "second"));
  await sleep(200);
  await a.kill();
  await sleep(50);
  await b.promote();
  topology.push(2, b);
  expect(await first).toBe("OK");
  expect(await b.admin.get("k")).toBe("first");
  expect((await second).error).toMatchObject({ outcome: "unknown" });
  await blocked;
});

test("a pipeline with a short deadline goes out whole, or waits whole", async () => {
  const { a, client } = await openAlone();
  const hasty = client.connection({ waitForLeaderMs: 10 });
  await hasty.ping();
  await needReplicas(a, 1);
  for (let round = 0; round < 20; round += 1) {
    await outcome(hasty.set("k", "v"));
    const pipeline = hasty.pipeline();
    for (let n = 0; n < 4_000; n += 1) pipeline.set("k", "v");
    const results = pipeline.exec();
    const echo = await Promise.race([outcome(hasty.echo("hello")), sleep(3_000)]);
    expect(echo).toMatchObject({ value: "hello" });
    expect((await results)?.filter(([error]) => error === null)).toEqual([]);
  }
});

test("what is tried again leaves the connection in the database that its callers have selected", async () => {
  const { a, topology, client } = await openAlone();
  const { leader } = client;
  await leader.set("where", "zero");
  await leader.select(3);
  await leader.set("where", "three");
  await needReplicas(a, 1);
  const blocked = block(client, 150);
  const write = leader.set("k", "v");
  await sleep(50);
  topology.announce(300);
  await blocked;
  await needReplicas(a, 0);
  expect(await write).toBe("OK");
  expect(await leader.get("where")).toBe("three");
});

test("auto-pipelined, reads pass the writes that wait, and each has its own deadline", async () => {
  const { a, client } = await openAlone({ waitForLeaderMs: 600 });
  const auto = client.connection({ redis: { enableAutoPipelining: true } });
  await auto.set("k", "v");
  await needReplicas(a, 1);
  const writes = [outcome(auto.set("k", "w"))];
  await sleep(300);
  const read = await outcome(auto.get("k"));
  expect(read.value).toBe("v");
  expect(read.tookMs).toBeLessThan(200);
  writes.push(outcome(auto.set("k", "x")));
  for (const { error, tookMs } of await Promise.all(writes)) {
    expect(error).toMatchObject({ outcome: "not-applied" });
    expect(tookMs).toBeLessThan(800);
  }
});

test("a reader that its node has refused for a while is let through again", async () => {
  const { a, b, client } = await openPair();
  const reader = client.reader({ preference: "replica" });
  await reader.get("k");
  await b.admin.config("SET", "replica-serve-stale-data", "no");
  await a.admin.config("SET", "requirepass", "secret");
  await a.admin.call("CLIENT", "KILL", "TYPE", "replica");
  await until(async () => (await b.admin.info("replication")).includes("master_link_status:down"));
  const read = outcome(reader.get("k"));
  await sleep(700);
  await b.admin.config("SET", "masterauth", "secret");
  const { error, tookMs } = await read;
  expect(error).toBeUndefined();
  expect(tookMs).toBeLessThan(5_000);
});
