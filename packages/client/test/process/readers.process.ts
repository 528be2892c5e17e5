/** Row 23: a node that stops fitting its reader is left, and where none fits the error says why. */
import { randomBytes } from "node:crypto";
import { afterEach, describe, expect, test } from "vitest";
import { setTimeout as sleep } from "node:timers/promises";
import type { Redis } from "ioredis";
import {
  NoEligibleNodeError,
  ReadOnlyConnectionError,
  staticTopology,
  type Leasehold,
  type ReadPreference,
  type TopologySink,
} from "../../src/index.ts";
import { nodeOf } from "../../src/topology/node.ts";
import { startProxy, type LossyProxy } from "./lossy-proxy.ts";
import { closeAll, open, outcome } from "./open-clients.ts";
import { startRedis, until, type RealRedis } from "./real-redis.ts";

const LOOK_MS = 200;
/** The design says a second, for a machine of its own. */
const BOUND_MS = 2_000;

const proxies: LossyProxy[] = [];
const stops: (() => void)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0)) stop();
  await closeAll();
  for (const proxy of proxies.splice(0)) await proxy.close();
});

interface Replica {
  readonly redis: RealRedis;
  /** Between it and its leader. */
  readonly proxy: LossyProxy;
}

interface Staged {
  readonly a: RealRedis;
  readonly client: Leasehold;
  readonly reader: Redis;
  /** Where the reader sits, and where it does not. */
  readonly here: Replica;
  readonly there: Replica;
}

async function startReplica(a: RealRedis): Promise<Replica> {
  const redis = await startRedis();
  const proxy = await startProxy(a);
  proxies.push(proxy);
  await redis.follow({ ...a, host: proxy.host, port: proxy.port });
  return { redis, proxy };
}

const portOf = async (reader: Redis): Promise<number> =>
  Number(/tcp_port:(\d+)/.exec(await reader.info("server"))?.[1]);

/** A primary, two replicas, and a reader at one of these. */
async function stage(preference: Partial<ReadPreference> = {}): Promise<Staged> {
  const a = await startRedis("--repl-backlog-size", "16384");
  const replicas = [await startReplica(a), await startReplica(a)] as const;
  const nodes = [a, replicas[0].redis, replicas[1].redis].map(({ host, port }) => ({ host, port }));
  const topology = staticTopology({ nodes, probeIntervalMs: LOOK_MS });
  const client = open({ topology, waitForLeaderMs: 500 });
  await client.leader.set("k", "v");
  const writing = setInterval(() => void a.admin.incr("n").catch(() => {}), 20);
  stops.push(() => clearInterval(writing));
  await until(
    () => client.topology.nodes.filter(({ stalenessMs }) => stalenessMs !== null).length === 3,
  );
  const reader = client.reader({ preference: { mode: "replica", ...preference } });
  const port = await portOf(reader);
  const [here, there] = replicas[0].redis.port === port ? replicas : [replicas[1], replicas[0]];
  return { a, client, reader, here, there };
}

interface Since {
  readonly what: string;
  readonly atMs: number;
}

/** Resolves when the reader sits there; says so, and holds it to the bound. */
async function moved(reader: Redis, to: RealRedis, since: Since): Promise<void> {
  const { what, atMs: sinceMs } = since;
  await until(async () => (await portOf(reader)) === to.port);
  const tookMs = performance.now() - sinceMs;
  console.log(`row 23: ${what}: another node after ${tookMs.toFixed(0)} ms`);
  expect(tookMs).toBeLessThan(BOUND_MS);
}

/** What a read is told when none is left: `mode` where the primary alone is well. */
async function filterOf(reader: Redis): Promise<string> {
  let found = "";
  await until(async () => {
    const { error } = await outcome(reader.get("k"));
    if (error instanceof NoEligibleNodeError) found = error.emptiedBy;
    return found !== "";
  });
  return found;
}

describe("row 23: a reader leaves a replica", () => {
  test("that dies", async () => {
    const { reader, here, there } = await stage();
    const atMs = performance.now();
    await here.redis.kill();
    await moved(reader, there.redis, { what: "dead", atMs });
    await there.redis.kill();
    expect(await filterOf(reader)).toBe("mode");
  });

  test("that lags", async () => {
    const maxStalenessMs = 2_000;
    const { reader, here, there } = await stage({ maxStalenessMs });
    here.proxy.swallow();
    const overAtMs = performance.now() + maxStalenessMs;
    await moved(reader, there.redis, { what: "lagging (from the bound on)", atMs: overAtMs });
    expect(await reader.get("k")).toBe("v");
    there.proxy.swallow();
    expect(await filterOf(reader)).toBe("maxStalenessMs");
  });

  test("that has lost its leader, though it answers", async () => {
    const { reader, here, there } = await stage();
    const atMs = performance.now();
    await here.proxy.close();
    await moved(reader, there.redis, { what: "without a link", atMs });
    await there.proxy.close();
    expect(await filterOf(reader)).toBe("mode");
  });

  test("that loads its data", async () => {
    const { a, reader, here, there } = await stage();
    await here.redis.admin.config("SET", "key-load-delay", "20000");
    await here.redis.admin.config("SET", "loading-process-events-interval-bytes", "1024");
    // More than the backlog has, so that it takes everything anew.
    here.proxy.swallow();
    for (let n = 0; n < 100; n += 1) await a.admin.set(`key${n}`, randomBytes(2_000));
    const atMs = performance.now();
    here.proxy.cut();
    await moved(reader, there.redis, { what: "loading", atMs });
    await until(
      async () =>
        (await outcome(here.redis.admin.get("k"))).error?.message.startsWith("LOADING") === true,
    );
    expect(await portOf(reader)).toBe(there.redis.port);
    await there.redis.kill();
    expect(await filterOf(reader)).toBe("mode");
  });

  test("that becomes the primary, and never writes there", async () => {
    const { reader, here, there } = await stage();
    const { host, port } = here.redis;
    await there.redis.admin.call("REPLICAOF", host, String(port));
    const isLinked = async (): Promise<boolean> =>
      (await there.redis.admin.info("replication")).includes("master_link_status:up");
    await until(isLinked);
    const atMs = performance.now();
    await here.redis.promote();
    await moved(reader, there.redis, { what: "primary now", atMs });
    expect((await outcome(reader.set("k", "w"))).error).toBeInstanceOf(ReadOnlyConnectionError);
    await there.redis.promote();
    await here.redis.kill();
    expect(await filterOf(reader)).toBe("mode");
  });
});

test("row 23: a reader that demands its zone follows it, and is told when nobody is in it", async () => {
  const [a, b, c] = await Promise.all([startRedis(), startRedis(), startRedis()]);
  await b.follow(a);
  await c.follow(a);
  let sink: TopologySink | null = null;
  const tell = (zones: Readonly<Record<"b" | "c", string>>): void => {
    const place = ({ host, port }: RealRedis) => ({ host, port });
    const nodes = [
      nodeOf({ id: "a", ...place(a), role: "primary", zone: "far" }),
      nodeOf({ id: "b", ...place(b), role: "replica", zone: zones.b }),
      nodeOf({ id: "c", ...place(c), role: "replica", zone: zones.c }),
    ];
    const rest = { version: null, expectedNodes: 3, authoritative: true, via: "push" } as const;
    sink?.observe({ source: "told", epoch: 1, leaderId: "a", nodes, ...rest });
  };
  const topology = {
    name: "told",
    start: (to: TopologySink) => void (sink = to),
    requestCheck() {},
  };
  const client = open({ topology, waitForLeaderMs: 300 });
  tell({ b: "near", c: "far" });
  const preference = { mode: "nearest", zone: "near", zonePolicy: "require" } as const;
  const reader = client.reader({ preference });
  expect(await portOf(reader)).toBe(b.port);
  const atMs = performance.now();
  tell({ b: "far", c: "near" });
  await moved(reader, c, { what: "in another zone", atMs });
  tell({ b: "far", c: "far" });
  await sleep(100);
  expect(await filterOf(reader)).toBe("zone");
});
