import { afterEach, describe, expect, test } from "vitest";
import { Redis } from "ioredis";
import { setTimeout as sleep } from "node:timers/promises";
import { createLeasehold, outcomeOf, staticTopology, type Leasehold } from "../../src/index.ts";
import { pushedTopology } from "./pushed-topology.ts";
import { startPair, stopAll, switchOver } from "./real-redis.ts";

const clients: Leasehold[] = [];
function open(options: Parameters<typeof createLeasehold>[0]): Leasehold {
  const client = createLeasehold(options);
  clients.push(client);
  return client;
}
afterEach(async () => {
  await Promise.all(clients.splice(0).map((client) => client.close({ drainMs: 0 })));
  await stopAll();
});

describe("a client of a group", () => {
  test("is an ioredis that finds the primary among fixed addresses", async () => {
    const [a, b] = await startPair();
    const client = open({ topology: staticTopology({ nodes: [b, a] }) });
    expect(client.leader).toBeInstanceOf(Redis);
    expect(await client.leader.set("k", "v")).toBe("OK");
    expect(await a.admin.get("k")).toBe("v");
    expect(client.topology.leader?.port).toBe(a.port);
  });

  test("row 7: a demotion without a kill loses nothing and keeps the order", async () => {
    const [a, b] = await startPair();
    const topology = pushedTopology({ a, b });
    const client = open({ topology: topology.provider });
    topology.push(1, a);
    await client.leader.ping();
    const errors: unknown[] = [];
    const acknowledged: number[] = [];
    const stop = new AbortController();
    const writes: Promise<void>[] = [];
    const write = async (i: number): Promise<void> => {
      try {
        await client.leader.rpush("list", i);
        acknowledged.push(i);
      } catch (error) {
        errors.push(error);
      }
    };
    const writer = (async () => {
      for (let i = 0; !stop.signal.aborted; i += 1) {
        writes.push(write(i));
        await sleep(1);
      }
    })();
    await sleep(100);
    await switchOver(a, b);
    const startedAtMs = performance.now();
    topology.push(2, b);
    const before = acknowledged.length;
    while (acknowledged.length === before) await sleep(1);
    const gapMs = performance.now() - startedAtMs;
    await sleep(100);
    stop.abort();
    await writer;
    await Promise.all(writes);
    console.log(`row 7: ${gapMs.toFixed(1)} ms, ${errors.length} errors of ${writes.length}`);
    expect(errors.map(outcomeOf)).toEqual([]);
    expect((await b.admin.lrange("list", 0, -1)).map(Number)).toEqual(acknowledged);
    expect(gapMs).toBeLessThan(1_000);
  });
});
