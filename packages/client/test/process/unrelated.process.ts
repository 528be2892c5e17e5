/** Without epochs: a primary of another history beside the known one. */
import { once } from "node:events";
import { afterEach, describe, expect, test } from "vitest";
import { setTimeout as sleep } from "node:timers/promises";
import { startBalancer, type Balancer } from "@leasehold/testkit/balancer";
import { serviceTopology, staticTopology, type Leasehold } from "../../src/index.ts";
import { closeAll, open } from "./open-clients.ts";
import { startRedis, until, type RealRedis } from "./real-redis.ts";

const LOOK_MS = 100;

const balancers: Balancer[] = [];
afterEach(async () => {
  await closeAll();
  for (const balancer of balancers.splice(0)) await balancer.close();
});

const addressOf = ({ host, port }: RealRedis): { host: string; port: number } => ({ host, port });

/** Resolves when the client knows. */
async function killed(client: Leasehold, redis: RealRedis): Promise<void> {
  const lost = once(client, "leaderLost");
  await redis.kill();
  await lost;
}

/** Behind the Service stands something unrelated by now, and the leader is well. */
async function moveService() {
  const [a, x] = await Promise.all([startRedis(), startRedis()]);
  const balancer = await startBalancer({ host: "127.0.0.1", port: 0 });
  balancers.push(balancer);
  balancer.setTarget(addressOf(a));
  const writer = `127.0.0.1:${balancer.address.port}`;
  const client = open({ topology: serviceTopology({ writer, probeIntervalMs: LOOK_MS }) });
  let conflicts = 0;
  client.on("topologyConflict", () => (conflicts += 1));
  await client.leader.set("k", "first");
  balancer.setTarget(addressOf(x));
  await until(() => conflicts > 0);
  await sleep(1_500);
  return { a, x, client, conflicts: () => conflicts };
}

describe("a Service that leads to something unrelated", () => {
  test("is not followed while the leader is well, and is once that is dead", async () => {
    const { a, x, client, conflicts } = await moveService();
    expect(await client.leader.set("k", "second")).toBe("OK");
    expect([await a.admin.get("k"), await x.admin.get("k")]).toEqual(["second", null]);
    // It is told as it is found, and not for ever.
    expect(conflicts()).toBeLessThan(15);
    await killed(client, a);
    expect(await client.leader.set("k", "third")).toBe("OK");
    expect(await x.admin.get("k")).toBe("third");
  });

  test("is followed once the leader says that it is a replica, though nobody writes", async () => {
    const { a, x, client } = await moveService();
    expect(client.topology.generation).toBe(1);
    await a.admin.call("REPLICAOF", x.host, String(x.port));
    await until(() => client.topology.generation === 2, 3_000);
    expect(await client.leader.set("k", "third")).toBe("OK");
    expect(await x.admin.get("k")).toBe("third");
  });
});

test("of two unrelated primaries at fixed addresses the one that was known leads on", async () => {
  const [a, x] = await Promise.all([startRedis(), startRedis()]);
  // The look at the other one is always the first to be answered.
  const topology = staticTopology({ nodes: [x, a].map(addressOf), probeIntervalMs: LOOK_MS });
  await x.kill();
  const client = open({ topology });
  await client.leader.set("k", "first");
  await x.start();
  await sleep(1_500);
  expect(await client.leader.set("k", "second")).toBe("OK");
  expect(await a.admin.get("k")).toBe("second");
  await killed(client, a);
  expect(await client.leader.set("k", "third")).toBe("OK");
  expect(await x.admin.get("k")).toBe("third");
});
