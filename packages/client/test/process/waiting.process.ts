import { once } from "node:events";
import { afterEach, describe, expect, test } from "vitest";
import { setImmediate as nextTurn, setTimeout as sleep } from "node:timers/promises";
import type { Redis } from "ioredis";
import {
  LeaderUnavailableError,
  OperationTimeoutError,
  outcomeOf,
  QueueFullError,
} from "../../src/index.ts";
import { closeAll, open, openPair, outcome } from "./open-clients.ts";
import { pushedTopology, type PushedTopology } from "./pushed-topology.ts";
import { startRedis, until } from "./real-redis.ts";

afterEach(closeAll);

describe("row 12: there is no leader until the deadline", () => {
  test("what expires is never sent, batches expire whole, the rest is", async () => {
    const redis = await startRedis();
    const topology = pushedTopology({ a: redis });
    const client = open({ topology: topology.provider, waitForLeaderMs: 200 });
    const single = outcome(client.leader.incr("expired"));
    const batch = outcome(client.leader.pipeline().incr("expired").incr("expired").exec());
    const multi = outcome(client.leader.multi().incr("expired").exec());
    const patient = client.withOptions({ waitForLeaderMs: 5_000 }).incr("patient");
    const results = await Promise.all([single, multi]);
    for (const { error, tookMs } of results) {
      expect(error).toBeInstanceOf(LeaderUnavailableError);
      expect(tookMs).toBeGreaterThanOrEqual(195);
      expect(tookMs).toBeLessThan(500);
    }
    const { value } = await batch;
    expect(value?.map(([error]) => outcomeOf(error))).toEqual(["not-applied", "not-applied"]);
    topology.push(1, redis);
    expect(await patient).toBe(1);
    await sleep(50);
    expect(await redis.admin.get("expired")).toBeNull();
    const tookMs = results.map((one) => one.tookMs.toFixed(0)).join(", ");
    console.log(`row 12: expired after ${tookMs} ms (200 asked for), none ran`);
  });

  test("an operation of 0 ms fails at once, and its error tells what to do", async () => {
    const client = open({ topology: pushedTopology({}).provider });
    const { error, tookMs } = await outcome(
      client.withOptions({ waitForLeaderMs: 0 }).get("secret-key"),
    );
    expect(tookMs).toBeLessThan(100);
    expect(error?.message).toMatch(/^No leader within \d+ ms.*GET was not sent, retrying is safe/);
    expect(error?.message).not.toContain("secret-key");
  });

  test("the queue is bounded", async () => {
    const client = open({
      topology: pushedTopology({}).provider,
      maxQueued: 2,
      waitForLeaderMs: 50,
    });
    const all = await Promise.all([1, 2, 3].map((n) => outcome(client.leader.set("k", n))));
    expect(all[2]?.error).toBeInstanceOf(QueueFullError);
    expect(all.map(({ error }) => outcomeOf(error))).toEqual(Array(3).fill("not-applied"));
  });
});

describe("maxQueued counts commands", () => {
  test("those of a pipeline each, and of one without room nothing is sent", async () => {
    const redis = await startRedis();
    const topology = pushedTopology({ a: redis });
    const client = open({ topology: topology.provider, maxQueued: 3 });
    const { leader } = client;
    const one = outcome(leader.incr("one"));
    const tooLong = leader.pipeline().incr("long").incr("long").incr("long").exec();
    const fits = leader.pipeline().incr("fits").incr("fits").exec();
    const full = await outcome(leader.incr("full"));
    expect(full.error).toBeInstanceOf(QueueFullError);
    expect((await tooLong)?.map(([error]) => outcomeOf(error))).toEqual(
      Array(3).fill("not-applied"),
    );
    topology.push(1, redis);
    expect((await one).value).toBe(1);
    expect(await fits).toEqual([
      [null, 1],
      [null, 2],
    ]);
    expect(await redis.admin.exists("long", "full")).toBe(0);
  });

  test("auto-pipelined ones find room each by itself", async () => {
    const redis = await startRedis();
    const topology = pushedTopology({ a: redis });
    const client = open({
      topology: topology.provider,
      maxQueued: 2,
      redis: { enableAutoPipelining: true },
    });
    const all = [1, 2, 3].map((n) => outcome(client.leader.rpush("k", n)));
    // ioredis hands over the calls of one turn at its end, and settles them together.
    await nextTurn();
    topology.push(1, redis);
    const results = await Promise.all(all);
    expect(results.map(({ value }) => value)).toEqual([1, 2, undefined]);
    expect(results[2]?.error).toBeInstanceOf(QueueFullError);
  });
});

describe("timeoutMs and signal", () => {
  test("take a waiting operation out, and tell that a written one may have run", async () => {
    const { a, client, topology } = await openPair();
    await a.admin.call("CLIENT", "PAUSE", "10000", "WRITE");
    const abort = new AbortController();
    const written = outcome(client.withOptions({ timeoutMs: 100 }).incr("n"));
    const aborted = outcome(client.withOptions({ signal: abort.signal }).incr("n"));
    await sleep(50);
    abort.abort();
    for (const { error } of await Promise.all([written, aborted])) {
      expect(error).toBeInstanceOf(OperationTimeoutError);
      expect(outcomeOf(error)).toBe("unknown");
    }
    await a.admin.call("CLIENT", "UNPAUSE");
    expect(await client.leader.incr("n")).toBe(3);

    topology.push(2, null);
    const waiting = await outcome(client.withOptions({ timeoutMs: 50 }).incr("n"));
    expect(outcomeOf(waiting.error)).toBe("not-applied");
    topology.push(3, a);
    expect(await client.leader.incr("n")).toBe(4);
  });
});

describe("row 19: the end of a connection", () => {
  /** How a connection comes to stand there, while `topology` names a leader, or nobody. */
  const STATUSES = {
    wait: () => {},
    connecting: (one, topology) => {
      topology.push(topology.nextEpoch(), null);
      one.connect().catch(() => {});
    },
    connect: (one) => void one.connect().catch(() => {}),
    ready: (one) => void one.connect().catch(() => {}),
    reconnecting: (one) => {
      one.once("ready", () => one.stream.destroy());
      one.connect().catch(() => {});
    },
  } satisfies Record<string, (one: Redis, topology: PushedTopology) => void>;

  test.each(Object.keys(STATUSES) as (keyof typeof STATUSES)[])(
    "disconnect, quit and disconnect(true) settle all in status %s, and only the first two end it",
    async (status) => {
      const { client, topology, a } = await openPair();
      let worstMs = 0;
      for (const how of ["disconnect", "quit", "reconnect"] as const) {
        topology.push(topology.nextEpoch(), a);
        const one = client.connection({ redis: { lazyConnect: true } });
        const reached = status === "wait" ? Promise.resolve() : once(one, status);
        STATUSES[status](one, topology);
        const pending = await reached.then(() => {
          expect([how, one.status]).toEqual([how, status]);
          // One that only waits to be asked for is asked for by a command.
          const asked = status === "wait" ? null : outcome(one.get("k"));
          const endedAtMs = performance.now();
          const ended =
            how === "quit" ? one.quit() : Promise.resolve(one.disconnect(how === "reconnect"));
          return { asked, ended, endedAtMs };
        });
        await pending.ended;
        if (how === "reconnect") {
          if (status === "connecting") topology.push(topology.nextEpoch(), a);
          expect(await one.set("k", "v")).toBe("OK");
          await pending.asked;
          worstMs = Math.max(worstMs, performance.now() - pending.endedAtMs);
          one.disconnect();
        } else {
          await pending.asked;
          await until(() => one.status === "end", 2_000);
          worstMs = Math.max(worstMs, performance.now() - pending.endedAtMs);
        }
        await until(() => one.status === "end", 2_000);
        expect(outcomeOf((await outcome(one.get("k"))).error)).toBe("not-applied");
      }
      console.log(`row 19 (${status}): over or back within ${worstMs.toFixed(0)} ms`);
      expect(worstMs).toBeLessThan(1_000);
    },
  );

  test("asking for it again and again adds no listener, and the connection comes back", async () => {
    const { client } = await openPair();
    const { stream } = client.leader;
    for (let n = 0; n < 20; n += 1) client.leader.disconnect(true);
    expect(stream.listenerCount("close")).toBeLessThan(8);
    expect(await client.leader.ping()).toBe("PONG");
  });

  test("close settles everything, and nothing is taken afterwards", async () => {
    const { client, topology } = await openPair();
    topology.push(2, null);
    const waiting = outcome(client.leader.incr("n"));
    await client.close();
    expect(outcomeOf((await waiting).error)).toBe("not-applied");
    expect(outcomeOf((await outcome(client.leader.incr("n"))).error)).toBe("not-applied");
    expect(client.leader.status).toBe("end");
  });
});
