import { afterEach, describe, expect, test } from "vitest";
import { setTimeout as sleep } from "node:timers/promises";
import { Redis } from "ioredis";
import {
  NotLeaderError,
  outcomeOf,
  ScanInterruptedError,
  TransactionAbortedError,
} from "../../src/index.ts";
import { closeAll, openPair, outcome } from "./open-clients.ts";
import { switchOver, until } from "./real-redis.ts";

afterEach(closeAll);

describe("order", () => {
  test("row 13: a refused write is not sent again behind an acknowledged later one", async () => {
    const { a, client } = await openPair();
    // All in one write: the server is a replica at the first, and a primary again at the last.
    const first = outcome(client.leader.set("k", "first"));
    const read = outcome(client.leader.get("k"));
    const last = outcome(client.leader.set("k", "last"));
    await Promise.all([first, read, last]);
    await a.admin.set("k", "before");
    await a.admin.call("REPLICAOF", "127.0.0.1", "1");
    const refused = outcome(client.leader.set("k", "refused"));
    client.leader.stream.cork();
    const promoted = client.leader.call("REPLICAOF", "NO", "ONE");
    const acknowledged = outcome(client.leader.set("k", "acknowledged"));
    client.leader.stream.uncork();
    const [one, , other] = await Promise.all([refused, promoted, acknowledged]);
    expect(one.error).toBeInstanceOf(NotLeaderError);
    expect(other.value).toBe("OK");
    await sleep(50);
    expect(await a.admin.get("k")).toBe("acknowledged");
    console.log(`row 13: ${one.error?.message}`);
  });
});

describe("transactions", () => {
  test("row 14: EXEC after a change of leader is not sent, where stock ioredis writes", async () => {
    const { a, b, topology, client } = await openPair();
    const tx = client.connection();
    await tx.watch("k");
    await switchOver(a, b);
    topology.push(2, b);
    await until(() => tx.status === "ready" && tx.options.port === b.port);
    await b.admin.set("k", "other's");
    const { error } = await outcome(tx.multi().set("k", "lost update").exec());
    expect(error).toBeInstanceOf(TransactionAbortedError);
    expect((error as TransactionAbortedError).reason).toBe("leaderChanged");
    expect(await b.admin.get("k")).toBe("other's");
    // And the connection is as good as new.
    expect(await tx.multi().set("k", "mine").exec()).toEqual([[null, "OK"]]);

    const stock = new Redis({ host: b.host, port: b.port, retryStrategy: () => 10 });
    try {
      await stock.watch("k");
      await b.admin.call("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes");
      await until(() => stock.status === "reconnecting");
      await until(() => stock.status === "ready");
      await b.admin.set("k", "other's");
      expect(await stock.multi().set("k", "lost update").exec()).toEqual([[null, "OK"]]);
      expect(await b.admin.get("k")).toBe("lost update");
    } finally {
      stock.disconnect();
    }
  });

  test("commands of an open MULTI never run outside of it", async () => {
    const { a, b, topology, client } = await openPair();
    const tx = client.connection();
    await tx.multi({ pipeline: false });
    await tx.set("k", "1");
    await switchOver(a, b);
    topology.push(2, b);
    await until(() => tx.status === "ready" && tx.options.port === b.port);
    expect((await outcome(tx.set("k", "2"))).error).toBeInstanceOf(TransactionAbortedError);
    expect((await outcome(tx.exec())).error).toBeInstanceOf(TransactionAbortedError);
    expect(await b.admin.get("k")).toBeNull();
    expect(await tx.set("k", "3")).toBe("OK");
  });

  test("row 15: a MULTI across a demotion is refused whole, and transaction(fn) runs it again", async () => {
    const { a, b, topology, client } = await openPair();
    await client.leader.ping();
    await a.admin.call("REPLICAOF", b.host, String(b.port));
    const plain = await outcome(client.leader.multi().incr("n").incr("n").exec());
    expect(plain.error).toBeInstanceOf(TransactionAbortedError);
    expect(outcomeOf(plain.error)).toBe("not-applied");
    topology.push(2, b);
    await b.promote();
    await a.follow(b);
    let attempts = 0;
    const result = await client.transaction(async (tx, { attempt }) => {
      attempts = attempt;
      await tx.watch("n");
      const n = Number((await tx.get("n")) ?? 0);
      if (attempt === 1) {
        await switchOver(b, a);
        setTimeout(() => topology.push(3, a), 50);
      }
      return tx
        .multi()
        .set("n", n + 1)
        .exec();
    });
    console.log(`row 15: applied once in ${attempts} attempts`);
    expect(result).toEqual([[null, "OK"]]);
    expect(await a.admin.get("n")).toBe("1");
    expect(attempts).toBe(2);
    expect(attempts).toBeLessThanOrEqual(5);
  });

  test("a transaction's connection is its own, and leaves nothing behind", async () => {
    const { client } = await openPair();
    await outcome(
      client.transaction(async (tx) => {
        await tx.watch("k");
        throw new Error("the body failed");
      }),
    );
    await client.leader.set("k", "1");
    const results = await client.transaction((tx) => tx.multi().set("k", "2").exec());
    expect(results).toEqual([[null, "OK"]]);
  });
});

describe("row 20: blocking commands", () => {
  test("wait through a demotion, and a healthy block is never cut", async () => {
    const { a, b, topology, client } = await openPair({
      replyTimeoutMs: 300,
      heartbeatIntervalMs: 500,
    });
    await b.admin.xgroup("CREATE", "stream", "group", "$", "MKSTREAM").catch(() => {});
    await a.admin.xgroup("CREATE", "stream", "group", "$", "MKSTREAM");
    const [one, two, three] = [client.connection(), client.connection(), client.connection()];
    const connections = [one, two, three];
    const pops = [
      one.blpop("list", 0),
      two.bzpopmin("set", 0),
      three.xreadgroup("GROUP", "group", "me", "BLOCK", 0, "STREAMS", "stream", ">"),
    ];
    await sleep(800);
    expect(connections.map((connection) => connection.status)).toEqual(Array(3).fill("ready"));
    await switchOver(a, b);
    const switchedAtMs = performance.now();
    topology.push(2, b);
    await until(() => connections.every((c) => c.status === "ready" && c.options.port === b.port));
    const movedMs = performance.now() - switchedAtMs;
    console.log(
      `row 20 (demotion, pushed): all block at the next leader after ${movedMs.toFixed(0)} ms`,
    );
    expect(movedMs).toBeLessThan(1_500);
    await b.admin.rpush("list", "x");
    await b.admin.zadd("set", 1, "y");
    await b.admin.xadd("stream", "*", "f", "z");
    const results = await Promise.all(pops);
    expect(results[0]).toEqual(["list", "x"]);
    expect(results[1]).toEqual(["set", "y", "1"]);
    expect(JSON.stringify(results[2])).toContain('"z"');
    const startedAtMs = performance.now();
    expect(await one.blpop("none", 1)).toBeNull();
    const blockedMs = performance.now() - startedAtMs;
    expect(blockedMs).toBeGreaterThan(950);
    // The server answers it; the margin is for one that does not.
    expect(blockedMs).toBeLessThan(3_000);
  });
});

test("row 20: at a leader that hangs, a pop is unknown with the push and a read goes on at the next one", async () => {
  const { a, b, topology, client } = await openPair();
  const commands = ["blpop", "bzpopmin", "xread"];
  const [one, two, three] = [client.connection(), client.connection(), client.connection()];
  const pops = [outcome(one.blpop("list", 0)), outcome(two.bzpopmin("set", 0))];
  const read = outcome(three.xread("BLOCK", 0, "STREAMS", "stream", "$"));
  await until(async () => {
    const list = String(await a.admin.client("LIST"));
    return commands.every((name) => list.includes(`cmd=${name}`));
  });
  a.signal("SIGSTOP");
  await b.promote();
  const pushedAtMs = performance.now();
  topology.push(2, b);
  const results = await Promise.all(pops);
  const settledMs = performance.now() - pushedAtMs;
  const again = [one.blpop("list", 0), two.bzpopmin("set", 0)];
  await until(async () => {
    const list = String(await b.admin.client("LIST"));
    return commands.every((name) => list.includes(`cmd=${name}`));
  });
  const blockedMs = performance.now() - pushedAtMs;
  await b.admin.rpush("list", "x");
  await b.admin.zadd("set", 1, "y");
  await b.admin.xadd("stream", "*", "f", "z");
  expect(await Promise.all(again)).toEqual([
    ["list", "x"],
    ["set", "y", "1"],
  ]);
  expect(JSON.stringify((await read).value)).toContain('"z"');
  a.signal("SIGCONT");
  console.log(
    `row 20 (hung, pushed): pops unknown after ${settledMs.toFixed(0)} ms, ` +
      `all block at the next leader after ${blockedMs.toFixed(0)} ms`,
  );
  expect(results.map(({ error }) => outcomeOf(error))).toEqual(["unknown", "unknown"]);
  expect(blockedMs).toBeLessThan(1_500);
});

test("a blocking command that was sent away waits for what is left of its time", async () => {
  const { a, b, topology, client } = await openPair();
  const blocked = client.connection();
  await blocked.ping();
  const startedAtMs = performance.now();
  const pop = blocked.blpop("none", 2);
  await sleep(1_000);
  await switchOver(a, b);
  topology.push(2, b);
  expect(await pop).toBeNull();
  const tookMs = performance.now() - startedAtMs;
  expect(tookMs).toBeGreaterThan(1_900);
  expect(tookMs).toBeLessThan(2_900);
});

describe("row 22: cursors and scripts", () => {
  test("a scan over a change of leader is told so, and begins anew", async () => {
    const { a, b, topology, client } = await openPair();
    const keys = Array.from({ length: 2_000 }, (_, n) => [`k${n}`, "v"]).flat();
    await client.leader.mset(...keys);
    const [first, some] = await client.leader.scan(0, "COUNT", 10);
    const [cursor, more] = await client.leader.scan(first, "COUNT", 10);
    const stream = client.leader.scanStream({ count: 10 });
    const iterator = stream[Symbol.asyncIterator]();
    await iterator.next();
    await switchOver(a, b);
    topology.push(2, b);
    await until(() => client.leader.status === "ready" && client.leader.options.port === b.port);
    const { error } = await outcome(client.leader.scan(cursor, "COUNT", 10));
    expect(error).toBeInstanceOf(ScanInterruptedError);
    expect(error).toMatchObject({ keysSeen: some.length + more.length });
    expect(error?.message).toContain(`after ${some.length + more.length} elements`);
    const drained = outcome(
      (async () => {
        for (;;) if ((await iterator.next()).done === true) return;
      })(),
    );
    expect((await drained).error).toBeInstanceOf(ScanInterruptedError);
    let found = 0;
    for await (const batch of client.leader.scanStream({ count: 500 })) {
      found += (batch as string[]).length;
    }
    expect(found).toBeGreaterThanOrEqual(2_000);
  });

  test("NOSCRIPT passes, and a defined command works on the next leader, in MULTI too", async () => {
    const { a, b, topology, client } = await openPair();
    const sha = String(await client.leader.script("LOAD", "return redis.call('incr', KEYS[1])"));
    expect(await client.leader.evalsha(sha, 1, "n")).toBe(1);
    client.leader.defineCommand("bump", {
      numberOfKeys: 1,
      lua: "return redis.call('incr', KEYS[1]) ",
    });
    // A script named like a method of ours must break neither.
    client.leader.defineCommand("release", { numberOfKeys: 0, lua: "return 'released'" });
    const bumping = client.leader as Redis & {
      bump(key: string): Promise<number>;
      release(): Promise<string>;
    };
    expect(await bumping.bump("n")).toBe(2);
    await switchOver(a, b);
    topology.push(2, b);
    await until(() => client.leader.status === "ready" && client.leader.options.port === b.port);
    expect((await outcome(client.leader.evalsha(sha, 1, "n"))).error?.message).toMatch(/^NOSCRIPT/);
    expect(await bumping.bump("n")).toBe(3);
    expect(await bumping.release()).toBe("released");
    const multi = client.leader.multi() as unknown as { bump(key: string): { exec(): unknown } };
    expect(await multi.bump("n").exec()).toEqual([[null, 4]]);
  });

  test("a script refused by a demoted server runs once on the next leader", async () => {
    const { a, b, topology, client } = await openPair();
    await switchOver(a, b);
    const run = client.leader.eval("return redis.call('incr', KEYS[1])", 1, "n");
    setTimeout(() => topology.push(2, b), 50);
    expect(await run).toBe(1);
  });
});

describe("row 6: subscribers", () => {
  test("are subscribed again, and told of the gap", async () => {
    const { a, b, topology, client } = await openPair();
    const subscriber = client.connection();
    await subscriber.subscribe("news", "weather");
    await subscriber.psubscribe("p*");
    const gaps: { channels: readonly string[]; gapMs: number }[] = [];
    client.on("subscriptionGap", (gap) => gaps.push(gap));
    const heard: string[] = [];
    subscriber.on("message", (_channel, message) => heard.push(message));
    await client.leader.publish("news", "one");
    await switchOver(a, b);
    topology.push(2, b);
    await until(() => gaps.length === 1);
    await client.leader.publish("news", "two");
    await until(() => heard.length === 2);
    console.log(`row 6 (push): gap of ${gaps[0]?.gapMs.toFixed(1)} ms`);
    expect(heard).toEqual(["one", "two"]);
    expect(gaps[0]?.channels).toEqual(expect.arrayContaining(["news", "weather", "p*"]));
  });

  test("of a stopped server are noticed by the heartbeat", async () => {
    const { a, client } = await openPair({ heartbeatIntervalMs: 500, handshakeTimeoutMs: 300 });
    const subscriber = client.connection();
    await subscriber.subscribe("news");
    a.signal("SIGSTOP");
    const startedAtMs = performance.now();
    await until(() => subscriber.status !== "ready");
    const tookMs = performance.now() - startedAtMs;
    a.signal("SIGCONT");
    console.log(`row 6 (heartbeat of 500 ms): cut after ${tookMs.toFixed(0)} ms`);
    expect(tookMs).toBeLessThan(2_000);
  });
});
