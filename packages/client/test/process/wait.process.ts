/**
 * What becomes of a WAIT over an announced switchover. Redis answers it with UNBLOCKED when its
 * primary is demoted, and sends no request for acknowledgements while writes are paused; and the
 * announcement proves nothing, since who announced it may die before the successor has everything.
 * So a concern that was not met by then is `unknown`, wherever the write is. What waited behind it
 * on the same connection never ran: Redis closes a connection that it unblocks.
 */
import { afterEach, expect, test } from "vitest";
import { setTimeout as sleep } from "node:timers/promises";
import { outcomeOf, WriteConcernError, type Leasehold } from "../../src/index.ts";
import { closeAll, open, openPair, outcome } from "./open-clients.ts";
import { pushedTopology } from "./pushed-topology.ts";
import { startRedis, switchOver, until } from "./real-redis.ts";

afterEach(closeAll);

test("a WAIT in flight at an announced demotion is unknown, and the write is at the successor, once", async () => {
  const [a, b, c] = await Promise.all([startRedis(), startRedis(), startRedis()]);
  await b.follow(a);
  await c.follow(a);
  const topology = pushedTopology({ a, b, c });
  const client = open({ topology: topology.provider });
  topology.push(1, a);
  const durable = client.withWriteConcern({ w: 3, wtimeoutMs: 5_000 });
  await durable.set("n", 0);
  c.signal("SIGSTOP");
  const write = outcome(durable.incr("n"));
  await until(async () => (await a.admin.get("n")) === "1");
  topology.announce(1_000);
  await switchOver(a, b);
  topology.push(2, b);
  const { error, tookMs } = await write;
  c.signal("SIGCONT");
  console.log(`WAIT at a demotion: ${outcomeOf(error)} after ${tookMs.toFixed(0)} ms`);
  expect(error).toBeInstanceOf(WriteConcernError);
  expect(error).toMatchObject({ outcome: "unknown", result: 1, acknowledged: null });
  expect(String((error as Error).cause)).toContain("WAIT");
  expect(await b.admin.get("n")).toBe("1");
});

test("writes with a concern over an announced switchover: each is there once, and at worst unknown", async () => {
  const { a, b, topology, client } = await openPair();
  const stop = new AbortController();
  const told = { done: [] as string[], unknown: [] as string[], other: [] as unknown[] };
  const work = startDurable(client, told, stop.signal);
  await sleep(200);
  topology.announce(1_000);
  await switchOver(a, b);
  topology.push(2, b);
  const before = told.done.length;
  await until(() => told.done.length > before + 100);
  stop.abort();
  await work;
  const present = await b.admin.lrange("tokens", 0, -1);
  console.log(
    `write concern over an announced switchover, 20 writers: ${told.done.length} done, ` +
      `${told.unknown.length} unknown`,
  );
  expect(told.other).toEqual([]);
  expect(told.unknown.length).toBeLessThanOrEqual(20);
  // The successor has everything, what is unknown, too.
  expect(present.toSorted()).toEqual([...told.done, ...told.unknown].toSorted());
});

test("what waited behind a blocking pop at a demotion runs once, at the successor", async () => {
  const { a, b, topology, client } = await openPair();
  const pop = client.leader.blpop("jobs", 5);
  const behind = Promise.all([client.leader.incr("n"), client.leader.rpush("tokens", "one")]);
  await until(async () => (await a.admin.info("clients")).includes("blocked_clients:1"));
  await switchOver(a, b);
  topology.push(2, b);
  // Behind the pop again, and in their order.
  await until(async () => (await b.admin.info("clients")).includes("blocked_clients:1"));
  await b.admin.rpush("jobs", "job");
  expect(await pop).toEqual(["jobs", "job"]);
  expect(await behind).toEqual([1, 1]);
});

async function startDurable(
  client: Leasehold,
  told: { done: string[]; unknown: string[]; other: unknown[] },
  signal: AbortSignal,
): Promise<void> {
  const durable = client.withWriteConcern({ w: 2, wtimeoutMs: 2_000 });
  const write = async (token: string): Promise<void> => {
    const { error } = await outcome(durable.rpush("tokens", token));
    if (!error) told.done.push(token);
    else if (error instanceof WriteConcernError && error.outcome === "unknown") {
      told.unknown.push(token);
    } else told.other.push(error);
  };
  const writers = Array.from({ length: 20 }, async (_, writer) => {
    for (let n = 0; !signal.aborted; n += 1) await write(`${writer}:${n}`);
  });
  await Promise.all(writers);
}
