/** Readers through a read Service, behind which there are several pods. */
import { afterEach, describe, expect, test } from "vitest";
import { setTimeout as sleep } from "node:timers/promises";
import { startBalancer, type Balancer } from "@leasehold/testkit/balancer";
import {
  serviceTopology,
  staticTopology,
  type Leasehold,
  type LeaseholdOptions,
} from "../../src/index.ts";
import { closeAll, open } from "./open-clients.ts";
import { startPair, startRedis, until, type RealRedis } from "./real-redis.ts";

const balancers: Balancer[] = [];
afterEach(async () => {
  await closeAll();
  for (const balancer of balancers.splice(0)) await balancer.close();
});

interface Shared {
  readonly client: Leasehold;
  readonly readers: Balancer;
  readonly replicas: readonly [RealRedis, RealRedis];
}

async function openShared(options: Partial<LeaseholdOptions>): Promise<Shared> {
  const [a, b, c] = await Promise.all([startRedis(), startRedis(), startRedis()]);
  await b.follow(a);
  await c.follow(a);
  const readers = await startBalancer({ host: "127.0.0.1", port: 0 });
  balancers.push(readers);
  readers.setTarget(addressOf(b));
  const writer = `${a.host}:${a.port}`;
  const client = open({
    topology: serviceTopology({ writer, readers: `127.0.0.1:${readers.address.port}` }),
    ...options,
  });
  await client.leader.set("k", "v");
  await until(() => client.topology.nodes.length === 2);
  return { client, readers, replicas: [b, c] };
}

const addressOf = ({ host, port }: RealRedis): { host: string; port: number } => ({ host, port });

const portOf = async (reader: { info(section: string): Promise<string> }): Promise<number> =>
  Number(/tcp_port:(\d+)/.exec(await reader.info("server"))?.[1]);

describe("a reader through a Service", () => {
  test("stays with its pod for readerMaxAgeMs, and no read fails when it is renewed", async () => {
    const { client, readers, replicas } = await openShared({ readerMaxAgeMs: 600 });
    const reader = client.reader({ preference: "replica" });
    expect(await portOf(reader)).toBe(replicas[0].port);
    const startedAtMs = performance.now();
    readers.setTarget(addressOf(replicas[1]));
    let reads = 0;
    while ((await portOf(reader)) === replicas[0].port) {
      expect(await reader.get("k")).toBe("v");
      reads += 1;
      expect(performance.now() - startedAtMs).toBeLessThan(3_000);
    }
    const tookMs = performance.now() - startedAtMs;
    console.log(`a reader was renewed after ${tookMs.toFixed(0)} ms, ${reads} reads, none failed`);
    expect(tookMs).toBeGreaterThan(400);
    expect(reader.options.host).toBe("127.0.0.1");
  });

  test("and one that has an address of its own is left alone", async () => {
    const [a, b] = await startPair();
    const nodes = [a, b].map(addressOf);
    const client = open({ topology: staticTopology({ nodes }), readerMaxAgeMs: 100 });
    const reader = client.reader({ preference: "replica" });
    const id = await reader.client("ID");
    await sleep(300);
    expect(await reader.client("ID")).toBe(id);
  });
});

test("connectionsPerReplica: as many connections as there is work for, and no more", async () => {
  const { client, replicas } = await openShared({ connectionsPerReplica: 3 });
  const reads = client.withReadPreference("replica");
  await Promise.all(Array.from({ length: 50 }, () => reads.get("k")));
  const list = async (): Promise<number> =>
    String(await replicas[0].admin.client("LIST")).split(" cmd=get ").length - 1;
  await until(async () => (await list()) === 3);
  await Promise.all(Array.from({ length: 50 }, () => reads.get("k")));
  expect(await list()).toBe(3);
});
