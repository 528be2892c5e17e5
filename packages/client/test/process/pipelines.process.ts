/**
 * Pipelines of the client are built in another way than those of ioredis, and what is noted of
 * their commands is noted once. So whatever is asked of them has the answer that stock ioredis
 * gives, in its place; and what goes wrong in the middle of one is told of the right command.
 */
import * as fc from "fast-check";
import { Pipeline, Redis, type RedisOptions } from "ioredis";
import { channel } from "node:diagnostics_channel";
import { afterEach, describe, expect, test } from "vitest";
import { rejectedIn } from "../../src/index.ts";
import { startProxy, type LossyProxy } from "./lossy-proxy.ts";
import { closeAll, open, openPair, outcome } from "./open-clients.ts";
import { pushedTopology } from "./pushed-topology.ts";
import { redirects, startRedis, switchOver, until, type RealRedis } from "./real-redis.ts";

const commands = channel("tracing:ioredis:command:start");
const proxies: LossyProxy[] = [];
const plain: Redis[] = [];
afterEach(async () => {
  for (const redis of plain.splice(0)) redis.disconnect();
  await closeAll();
  for (const proxy of proxies.splice(0)) await proxy.close();
});

type Callable = Record<string, (...args: readonly unknown[]) => unknown>;
type Asked = readonly [name: string, ...args: unknown[]];
/** What is asked for in one turn of the event loop. */
interface Act {
  readonly kind: "single" | "pipeline" | "multi";
  readonly asked: readonly Asked[];
}

const KEYS = fc.constantFrom("a", "b", "text");
const ASKED: fc.Arbitrary<Asked> = fc.oneof(
  fc.tuple(fc.constant("set"), KEYS, fc.string({ maxLength: 4, unit: "grapheme" })),
  fc.tuple(
    fc.constant("set"),
    KEYS,
    fc.uint8Array({ maxLength: 4 }).map((bytes) => Buffer.from(bytes)),
  ),
  fc.tuple(fc.constantFrom("get", "getBuffer", "incr", "incrBuffer", "lpush"), KEYS, fc.nat(9)),
  fc.tuple(fc.constant("hset"), fc.constant("h"), fc.dictionary(fc.constantFrom("f", "g"), KEYS)),
  fc.constantFrom<Asked>(
    ["mset", { a: "1", b: "2" }],
    ["mget", ["a", "b"]],
    ["hgetall", "h"],
    ["hgetallBuffer", "h"],
    ["call", "echo", "said"],
    ["zadd", "z", 1, "one", 2, "two"],
    ["zrange", "z", 0, -1, "WITHSCORES"],
    ["nosuchcommand"],
    ["answer", "k", "MOVED 1 127.0.0.1:1"],
    ["answer", "k", "READONLY of its own"],
    ["answerBuffer", "k", "fine"],
  ),
);
/** Too many words for `get` and `incr` are errors that the server gives, in the middle. */
const ACT: fc.Arbitrary<Act> = fc.record({
  kind: fc.constantFrom("single", "pipeline", "multi"),
  asked: fc.array(ASKED, { minLength: 1, maxLength: 8 }),
});

const ANSWER = `
  if ARGV[1] == "fine" then return "fine" end
  return redis.error_reply(ARGV[1])`;

function askFor(target: object, [name, ...args]: Asked, callback?: unknown): unknown {
  const words = name === "nosuchcommand" ? [name] : args;
  const method = name === "nosuchcommand" ? "call" : name;
  return (target as Callable)[method]?.(...words, ...(callback ? [callback] : []));
}

const plainly = (value: unknown): unknown =>
  value instanceof Error ? value.message : Array.isArray(value) ? value.map(plainly) : value;

/** All answers, and what the callbacks of each pipeline were told, in their order. */
async function play(redis: Redis, acts: readonly Act[]): Promise<unknown> {
  const told: unknown[][] = acts.map(() => []);
  const tell =
    (n: number, what: unknown) =>
    (error: unknown, value: unknown): void =>
      void told[n]?.push([what, plainly(error), plainly(value)]);
  const answers = acts.flatMap(({ kind, asked }, n): readonly Promise<unknown>[] => {
    if (kind === "single") return asked.map((one) => askFor(redis, one) as Promise<unknown>);
    const chain = kind === "multi" ? redis.multi() : redis.pipeline();
    for (const [m, one] of asked.entries()) {
      askFor(chain, one, m % 2 === 0 ? tell(n, m) : undefined);
    }
    expect(chain.length).toBe(asked.length + (kind === "multi" ? 1 : 0));
    return [chain.exec(tell(n, "all"))];
  });
  const ends = await Promise.all(answers.map(outcome));
  return { told, ends: ends.map(({ value, error }) => plainly(error ?? value)) };
}

describe("whatever is asked is answered as by stock ioredis, in its place", () => {
  const kinds: Record<string, Partial<RedisOptions>> = {
    "as it is": {},
    "with a key prefix": { keyPrefix: "app:" },
    "auto-pipelined": { enableAutoPipelining: true },
    "with RESP3": { protocol: 3, replyMapping: "resp3" },
  };
  test.each(Object.entries(kinds))("%s", async (_, options) => {
    const [one, other] = await Promise.all([startRedis(), startRedis()]);
    const stock = new Redis(one.port, one.host, options as never);
    plain.push(stock);
    const topology = pushedTopology({ other });
    const client = open({ topology: topology.provider, redis: options });
    topology.push(1, other);
    const contestants = [stock, client.connection()];
    for (const redis of contestants) {
      redis.defineCommand("answer", { numberOfKeys: 1, lua: ANSWER });
    }
    const property = fc.asyncProperty(
      fc.array(ACT, { minLength: 1, maxLength: 4 }),
      async (acts) => {
        await Promise.all([one.admin.flushall(), other.admin.flushall()]);
        const [expected, found] = await Promise.all(contestants.map((redis) => play(redis, acts)));
        expect(found).toEqual(expected);
      },
    );
    await fc.assert(property, { numRuns: 150 });
  });
});

test("a pipeline is one of ioredis, keeps its length, and takes commands by a list and defined ones", async () => {
  const { client } = await openPair();
  client.leader.defineCommand("double", { numberOfKeys: 0, lua: "return 2 * ARGV[1]" });
  const pipeline = client.leader.pipeline([
    ["set", "k", "v"],
    ["get", "k"],
    ["double", 4],
  ]);
  expect(pipeline).toBeInstanceOf(Pipeline);
  expect(pipeline.length).toBe(3);
  const results = [
    [null, "OK"],
    [null, "v"],
    [null, 8],
  ];
  expect(await pipeline.exec()).toEqual(results);
  expect(pipeline.length).toBe(3);
  expect(await client.leader.pipeline().exec()).toEqual([]);
  const inside = client.leader.pipeline([["multi"], ["set", "k", "w"], ["get", "k"], ["exec"]]);
  expect(await inside.exec()).toEqual([
    [null, "OK"],
    [null, "QUEUED"],
    [null, "QUEUED"],
    [null, ["OK", "w"]],
  ]);
  for (const another of [client.leader.duplicate(), client.withOptions({ timeoutMs: 5_000 })]) {
    expect(await another.pipeline().get("k").incr("k").exec()).toMatchObject([
      [null, "w"],
      [{ message: expect.stringContaining("not an integer") as string }],
    ]);
  }
});

async function openLossy(): Promise<{
  readonly redis: RealRedis;
  readonly proxy: LossyProxy;
  readonly leader: Redis;
  readonly connect: (options: { replayUnknown: () => boolean }) => Redis;
}> {
  const redis = await startRedis();
  const proxy = await startProxy(redis);
  proxies.push(proxy);
  const topology = pushedTopology({ a: { host: proxy.host, port: proxy.port } });
  const client = open({ topology: topology.provider });
  topology.push(1, topology.members["a"] ?? null);
  await client.leader.ping();
  return { redis, proxy, leader: client.leader, connect: (options) => client.connection(options) };
}

describe("a connection that is lost in the middle of a pipeline", () => {
  const outcomesOf = (results: Awaited<ReturnType<Pipeline["exec"]>>): string[] =>
    rejectedIn(results).map((one) => `${one.index} ${one.outcome}`);

  test("leaves its answers, and of the rest each says unknown if any of it may have written", async () => {
    const { redis, proxy, leader } = await openLossy();
    const mixed = leader.pipeline().incr("n").get("n").xread("BLOCK", 0, "STREAMS", "s", "$");
    const results = mixed.get("n").exec();
    await until(async () => (await redis.admin.info("clients")).includes("blocked_clients:1"));
    proxy.cut();
    expect((await results)?.slice(0, 2)).toEqual([
      [null, 1],
      [null, 1 + ""],
    ]);
    expect(outcomesOf(await results)).toEqual(["2 unknown", "3 unknown"]);
    expect(await redis.admin.get("n")).toBe("1");
  });

  test("is no loss for one that only reads: what is missing is asked for again, in its place", async () => {
    const { redis, proxy, leader } = await openLossy();
    await redis.admin.mset("a", "1", "b", "2");
    const reads = leader.pipeline().get("a").xread("BLOCK", 0, "STREAMS", "s", "$").get("b");
    const results = reads.getBuffer("a").exec();
    await until(async () => (await redis.admin.info("clients")).includes("blocked_clients:1"));
    proxy.cut();
    await until(async () => {
      await redis.admin.xadd("s", "*", "f", "v");
      return (await Promise.race([results, redis.admin.ping()])) !== "PONG";
    });
    expect(await results).toMatchObject([
      [null, "1"],
      [null, [["s", [[expect.anything(), ["f", "v"]]]]]],
      [null, "2"],
      [null, Buffer.from("1")],
    ]);
  });

  test("sends it again where the connection's policy says so for all of it", async () => {
    const { redis, proxy, connect } = await openLossy();
    const asked: string[] = [];
    const connection = connect({
      replayUnknown: (({ name }: { name: string }) => asked.push(name) > 0) as never,
    });
    await connection.ping();
    proxy.swallow();
    const results = connection.pipeline().incr("n").get("n").incr("m").exec();
    await until(async () => (await redis.admin.get("m")) === "1");
    proxy.cut();
    expect(await results).toEqual([
      [null, 2],
      [null, "2"],
      [null, 2],
    ]);
    expect(asked).toEqual(["incr", "incr"]);
  });

  test("runs no write twice if another pipeline was sent from the middle of it", async () => {
    const { redis, proxy, leader } = await openLossy();
    proxy.swallow();
    const sent: Promise<unknown>[] = [];
    // Whoever follows commands is called in the middle of sending them.
    const start = (): void => {
      commands.unsubscribe(start);
      sent.push(leader.pipeline().get("x").exec());
    };
    commands.subscribe(start);
    const results = leader.pipeline().incr("n").get("x").exec();
    await until(async () => (await redis.admin.get("n")) === "1");
    proxy.cut();
    await Promise.all(sent);
    expect(sent.length).toBe(1);
    expect(outcomesOf(await results)).toEqual(["0 unknown", "1 unknown"]);
    expect(await redis.admin.get("n")).toBe("1");
  });
});

test("what a listener to SELECT sends comes behind the pipeline, and each has its own answers", async () => {
  const { client } = await openPair();
  const { leader } = client;
  const sent: Promise<unknown>[] = [];
  leader.on("select", (db: number) => {
    sent.push(leader.pipeline().echo(`pipeline in ${db}`).exec(), leader.echo(`alone in ${db}`));
  });
  const results = leader.pipeline().echo("first").select(1).echo("last").exec();
  expect(await results).toEqual([
    [null, "first"],
    [null, "OK"],
    [null, "last"],
  ]);
  expect(await Promise.all(sent)).toEqual([[[null, "pipeline in 1"]], "alone in 1"]);
});

test("a leader that leads no longer refuses the writes of a pipeline alone, and they follow to the next", async () => {
  const { a, b, topology, client } = await openPair();
  const { leader } = client;
  await leader.set("k", "before");
  const isRedirected = await redirects(b);
  await switchOver(a, b);
  const results = leader.pipeline().get("k").set("k", "w1").getBuffer("k").incr("n").exec();
  topology.push(2, b);
  expect(await results).toEqual([
    [null, "before"],
    [null, "OK"],
    // A server that redirects refuses reads, too: this one follows its write then.
    [null, Buffer.from(isRedirected ? "w1" : "before")],
    [null, 1],
  ]);
  expect(await b.admin.mget("k", "n")).toEqual(["w1", "1"]);
});
