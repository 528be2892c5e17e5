/** Row 26: all pods get new addresses. */
import dns from "node:dns";
import { afterEach, describe, expect, test, vi } from "vitest";
import { serviceTopology } from "../../src/index.ts";
import { closeAll, open, outcome } from "./open-clients.ts";
import { pushedTopology } from "./pushed-topology.ts";
import { freePort, startPair, startRedis, type RealRedis } from "./real-redis.ts";

afterEach(async () => {
  vi.restoreAllMocks();
  await closeAll();
});

/** Answers for one name, as often as it is asked; everything else goes the usual way. */
function resolveTo(name: string, address: () => string): void {
  const usual = dns.lookup;
  const answer = (host: string, options: unknown, callback: (...args: unknown[]) => void): void => {
    if (host !== name) {
      Reflect.apply(usual, dns, [host, options, callback]);
      return;
    }
    const found = address();
    const isAll = (options as { all?: boolean } | null)?.all === true;
    const args = isAll ? [[{ address: found, family: 4 }]] : [found, 4];
    process.nextTick(() => callback(null, ...args));
  };
  vi.spyOn(dns, "lookup").mockImplementation(answer as never);
}

describe("row 26: all pods get new addresses", () => {
  test("and the client follows what is pushed", async () => {
    const [a, b] = await startPair();
    const members: Record<string, RealRedis> = { a, b };
    const topology = pushedTopology(members);
    const client = open({ topology: topology.provider });
    topology.push(1, a);
    await client.leader.set("k", "v");
    const [newA, newB] = await startPair();
    await Promise.all([a.kill(), b.kill()]);
    const write = outcome(client.leader.set("k", "w"));
    Object.assign(members, { a: newA, b: newB });
    const pushedAtMs = performance.now();
    topology.push(2, newA);
    expect((await write).value).toBe("OK");
    const tookMs = performance.now() - pushedAtMs;
    console.log(`row 26: followed ${tookMs.toFixed(0)} ms after the push`);
    expect(client.leader.options.port).toBe(newA.port);
    expect(tookMs).toBeLessThan(5_000);
  });

  test("and the client follows within one epoch: the leader is the same, elsewhere", async () => {
    const redis = await startRedis();
    const elsewhere = await startRedis();
    const members = { a: redis };
    const topology = pushedTopology(members);
    const client = open({ topology: topology.provider });
    topology.push(1, redis);
    await client.leader.set("k", "v");
    const changes: unknown[] = [];
    client.on("leaderChanged", (change) => changes.push(change));
    Object.assign(members, { a: elsewhere });
    topology.push(1, elsewhere);
    await client.leader.set("k", "w");
    expect([await redis.admin.get("k"), await elsewhere.admin.get("k")]).toEqual(["v", "w"]);
    const { epoch, generation, leader } = client.topology;
    expect([epoch, generation, leader?.port]).toEqual([1, 1, elsewhere.port]);
    expect(changes).toEqual([]);
  });

  test("and the client follows the name", async () => {
    const port = await freePort();
    let address = "127.0.0.1";
    resolveTo("orders.test", () => address);
    const before = await startRedis("--port", String(port));
    const after = await startRedis("--port", String(port), "--bind", "127.0.0.2");
    await after.follow({ ...before, port });
    const client = open({ topology: serviceTopology({ writer: `orders.test:${port}` }) });
    await client.leader.set("k", "v");
    await before.kill();
    await after.promote();
    const write = outcome(client.leader.incr("n"));
    const movedAtMs = performance.now();
    address = "127.0.0.2";
    expect((await write).value).toBe(1);
    const tookMs = performance.now() - movedAtMs;
    console.log(`row 26: followed ${tookMs.toFixed(0)} ms after DNS`);
    expect(await after.admin.get("k")).toBe("v");
    expect(tookMs).toBeLessThan(5_000);
  });
});
