/**
 * What becomes of a WAIT over an announced switchover. Redis answers it with UNBLOCKED when its
 * primary is demoted, and sends no request for acknowledgements while writes are paused; and the
 * announcement proves nothing, since who announced it may die before the successor has everything.
 * The histories of the two do: where they say that the successor has it, the write is done, or
 * `applied`; else it is `unknown`, wherever it is. What waited behind it on the same connection
 * never ran: Redis closes a connection that it unblocks.
 */
import { afterEach, describe, expect, test } from "vitest";
import { setTimeout as sleep } from "node:timers/promises";
import { outcomeOf, WriteConcernError, type Leasehold } from "../../src/index.ts";
import { closeAll, open, openPair, outcome } from "./open-clients.ts";
import { pushedTopology } from "./pushed-topology.ts";
import { startRedis, switchOver, until } from "./real-redis.ts";

afterEach(closeAll);

type Durable = ReturnType<Leasehold["withWriteConcern"]>;

/** A write that no replica has confirmed when its leader is demoted. */
async function inFlight({ w, isCutOff }: { readonly w: number; readonly isCutOff: boolean }) {
  const options = { waitForLeaderMs: 3_000, durableConnections: 1 };
  const [a, b, c] = await Promise.all([startRedis(), startRedis(), startRedis()]);
  await b.follow(a);
  await c.follow(a);
  const topology = pushedTopology({ a, b, c });
  const client = open({ topology: topology.provider, ...options });
  topology.push(1, a);
  await client.leader.ping();
  await client.withWriteConcern({ w: 1, wtimeoutMs: 1_000 }).set("n", 0);
  if (isCutOff) await b.admin.call("REPLICAOF", "127.0.0.1", "1");
  c.signal("SIGSTOP");
  const durable = client.withWriteConcern({ w, wtimeoutMs: 5_000 });
  const write = outcome(durable.incr("n")).finally(() => c.signal("SIGCONT"));
  await until(async () => (await a.admin.get("n")) === "1");
  return { a, b, topology, durable, write };
}

describe("a WAIT in flight at a demotion", () => {
  test("is told how many copies are proven to have it, when they are too few", async () => {
    const { a, b, topology, write } = await inFlight({ w: 3, isCutOff: false });
    topology.announce(1_000);
    await switchOver(a, b);
    topology.push(2, b);
    const { error, tookMs } = await write;
    console.log(`WAIT at a demotion: ${outcomeOf(error)} after ${tookMs.toFixed(0)} ms`);
    expect(error).toBeInstanceOf(WriteConcernError);
    expect(error).toMatchObject({ outcome: "applied", result: 1, acknowledged: 2, requested: 3 });
    expect(await b.admin.get("n")).toBe("1");
  });

  test("is done, when the successor has it, and the one before is another", async () => {
    const { a, b, topology, write } = await inFlight({ w: 2, isCutOff: true });
    // It catches up when nothing acknowledges any more.
    topology.announce(1_000);
    await a.admin.call("CLIENT", "PAUSE", "10000", "WRITE");
    await b.admin.call("REPLICAOF", a.host, String(a.port));
    await switchOver(a, b);
    topology.push(2, b);
    expect(await write).toMatchObject({ value: 1 });
    expect(await b.admin.get("n")).toBe("1");
  });

  test("keeps a transaction behind it from running, which then runs once, at the successor", async () => {
    const { a, b, topology, durable, write } = await inFlight({ w: 2, isCutOff: true });
    const behind = durable.multi().incr("m").exec();
    await sleep(20);
    await a.admin.call("REPLICAOF", "127.0.0.1", "1");
    await b.promote();
    await a.admin.call("REPLICAOF", b.host, String(b.port));
    topology.push(2, b);
    expect(await behind).toEqual([[null, 1]]);
    expect(await b.admin.get("m")).toBe("1");
    expect(outcomeOf((await write).error)).toBe("unknown");
  });

  test("stays unknown, when the next leader lacks it", async () => {
    const { a, b, topology, write } = await inFlight({ w: 2, isCutOff: true });
    topology.announce(1_000);
    await a.admin.call("REPLICAOF", "127.0.0.1", "1");
    await b.promote();
    topology.push(2, b);
    const { error } = await write;
    expect(error).toBeInstanceOf(WriteConcernError);
    expect(error).toMatchObject({ outcome: "unknown", result: 1, acknowledged: null });
    expect(String((error as Error).cause)).toContain("a refused WAIT with UNBLOCKED");
    expect(await b.admin.get("n")).toBe("0");
  });

  test("counts one copy, when its leader leads again", async () => {
    const { a, topology, write } = await inFlight({ w: 2, isCutOff: true });
    topology.announce(1_000);
    await a.admin.call("REPLICAOF", "127.0.0.1", "1");
    await sleep(50);
    await a.promote();
    topology.push(2, a);
    const { error } = await write;
    expect(error).toMatchObject({ outcome: "applied", acknowledged: 1, requested: 2 });
    expect(await a.admin.get("n")).toBe("1");
  });

  test("is unknown, when nobody follows in time", async () => {
    const { a, write } = await inFlight({ w: 2, isCutOff: true });
    await a.admin.call("REPLICAOF", "127.0.0.1", "1");
    const { error, tookMs } = await write;
    expect(outcomeOf(error)).toBe("unknown");
    expect(tookMs).toBeLessThan(3_500);
  });
});

test.each([
  ["writes", (durable: Durable, token: string) => durable.rpush("tokens", token)],
  [
    "transactions",
    (durable: Durable, token: string) => durable.multi().rpush("tokens", token).exec(),
  ],
])(
  "%s with a concern over an announced switchover: each is there once, and done",
  async (what, write) => {
    const { a, b, topology, client } = await openPair();
    const stop = new AbortController();
    const told = { done: [] as string[], unknown: [] as string[], other: [] as unknown[] };
    const work = startDurable(client, write, { told, signal: stop.signal });
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
      `${what} with a concern over an announced switchover, 20 writers: ${told.done.length} done, ` +
        `${told.unknown.length} unknown`,
    );
    expect(told.other).toEqual([]);
    expect(told.unknown).toEqual([]);
    expect(present.toSorted()).toEqual(told.done.toSorted());
  },
);

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

interface Told {
  readonly done: string[];
  readonly unknown: string[];
  readonly other: unknown[];
}

async function startDurable(
  client: Leasehold,
  write: (durable: Durable, token: string) => Promise<unknown>,
  { told, signal }: { readonly told: Told; readonly signal: AbortSignal },
): Promise<void> {
  const durable = client.withWriteConcern({ w: 2, wtimeoutMs: 2_000 });
  const writeOne = async (token: string): Promise<void> => {
    const { error } = await outcome(write(durable, token));
    if (!error) told.done.push(token);
    else if (outcomeOf(error) === "unknown") told.unknown.push(token);
    else told.other.push(error);
  };
  const writers = Array.from({ length: 20 }, async (_, writer) => {
    for (let n = 0; !signal.aborted; n += 1) await writeOne(`${writer}:${n}`);
  });
  await Promise.all(writers);
}
