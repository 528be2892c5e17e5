import { randomUUID } from "node:crypto";
import { afterEach, describe, expect, test } from "vitest";
import { setTimeout as sleep } from "node:timers/promises";
import { startBalancer } from "@leasehold/testkit/balancer";
import { startGroup, whole } from "@leasehold/testkit/group";
import { serviceTopology, statusTopology } from "../../src/index.ts";
import { kubernetesTopology } from "../../src/kubernetes.ts";
import { startStatus, type Mood } from "./fake-status.ts";
import { closeAll, open } from "./open-clients.ts";
import { startPair, switchOver, until } from "./real-redis.ts";
import { startWriters } from "./writers.ts";

const closing: { close(): Promise<void> }[] = [];
afterEach(async () => {
  await closeAll();
  for (const one of closing.splice(0)) await one.close();
});

describe("row 25: the status stream", () => {
  test.each<Mood>(["silent", "hung", "500", "half"])(
    "an endpoint that is %s is left for the next one, and writes go on",
    async (mood) => {
      const [a, b] = await startPair();
      const bad = await startStatus({ a, b });
      const good = await startStatus({ a, b });
      closing.push(bad, good);
      for (const status of [bad, good]) await status.push(1, a);
      const endpoints = [bad.endpoint, good.endpoint];
      const client = open({ topology: statusTopology({ endpoints, silenceTimeoutMs: 500 }) });
      await client.leader.ping();
      const writers = startWriters(client, 5);
      bad.mood = mood;
      if (mood !== "silent") bad.cut();
      const startedAtMs = performance.now();
      await until(() => good.asked > 0);
      await switchOver(a, b);
      await good.push(2, b);
      await until(() => client.topology.epoch === 2);
      const tookMs = performance.now() - startedAtMs;
      await sleep(50);
      await writers.stop();
      const found = await writers.check(b);
      console.log(
        `row 25 (${mood}): another endpoint and its news after ${tookMs.toFixed(0)} ms, ` +
          `writes with a gap of ${found.gapMs.toFixed(0)} ms`,
      );
      expect(found).toMatchObject({
        unknown: 0,
        notApplied: 0,
        lost: 0,
        duplicated: 0,
        inOrder: true,
      });
      expect(tookMs).toBeLessThan(3_000);
      // Of the switchover, which is not announced: the stream's break adds nothing to it.
      expect(found.gapMs).toBeLessThan(1_500);
    },
  );

  test("all sidecars gone: the Services take over, and no write fails", async () => {
    const [a, b] = await startPair();
    const status = await startStatus({ a, b });
    const balancer = await startBalancer({ host: "127.0.0.1", port: 0 });
    closing.push(balancer);
    balancer.setTarget({ host: a.host, port: a.port });
    await status.push(7, a);
    const writer = `127.0.0.1:${balancer.address.port}`;
    const client = open({
      topology: [
        statusTopology({ endpoints: [status.endpoint], silenceTimeoutMs: 500 }),
        serviceTopology({ writer }),
      ],
    });
    await until(() => client.topology.epoch === 7);
    const writers = startWriters(client, 5);
    await sleep(50);
    await status.close();
    await switchOver(a, b);
    balancer.setTarget({ host: b.host, port: b.port });
    const writeMs = await writers.nextAcknowledgement();
    await sleep(50);
    await writers.stop();
    const found = await writers.check(b);
    console.log(
      `row 25 (all gone): first write after ${writeMs.toFixed(0)} ms by the Service, ` +
        `a gap of ${found.gapMs.toFixed(0)} ms in all`,
    );
    expect(found).toMatchObject({
      unknown: 0,
      notApplied: 0,
      lost: 0,
      duplicated: 0,
      inOrder: true,
    });
    expect(Math.max(writeMs, found.gapMs)).toBeLessThan(6_000);
  });
});

test("two sources that name the same leader, each by its own address, move no connection", async () => {
  const [a, b] = await startPair();
  const status = await startStatus({ a, b });
  const balancer = await startBalancer({ host: "127.0.0.1", port: 0 });
  closing.push(balancer, status);
  balancer.setTarget({ host: a.host, port: a.port });
  await status.push(1, a);
  const writer = `127.0.0.1:${balancer.address.port}`;
  const topology = [
    serviceTopology({ writer, probeIntervalMs: 20 }),
    statusTopology({ endpoints: [status.endpoint] }),
  ];
  const client = open({ topology });
  await until(() => client.topology.epoch === 1);
  await client.leader.ping();
  await until(() => client.leader.options.port === a.port && client.leader.status === "ready");
  let connects = 0;
  client.leader.on("connect", () => (connects += 1));
  for (let n = 0; n < 5; n += 1) {
    await status.push(1, a);
    await sleep(50);
    await client.leader.incr("n");
  }
  expect(connects).toBe(0);
});

test("where nothing can be streamed, it asks", async () => {
  const [a, b] = await startPair();
  const status = await startStatus({ a, b });
  closing.push(status);
  status.mood = "polled";
  await status.push(3, a);
  const endpoints = [status.endpoint];
  const client = open({ topology: statusTopology({ endpoints, pollIntervalMs: 50 }) });
  expect(await client.leader.set("k", "v")).toBe("OK");
  await switchOver(a, b);
  await status.push(4, b);
  await until(() => client.topology.epoch === 4);
  expect(await client.leader.get("k")).toBe("v");
});

describe("a real group", () => {
  test("is followed through a switchover and the death of its Redis", async () => {
    const group = await startGroup({ members: 3 });
    try {
      const first = await whole(group, 20_000);
      const client = open({
        topology: statusTopology({ endpoints: group.members.map(({ httpUrl }) => httpUrl) }),
      });
      await client.leader.ping();
      await until(
        () => client.topology.nodes.filter((node) => node.state === "up").length === 3,
        20_000,
      );
      const cluster = {
        server: group.api.url,
        ca: group.api.ca,
        token: () => Promise.resolve(group.api.token()),
      };
      const { namespace, name: service } = group;
      const watching = open({ topology: kubernetesTopology({ namespace, service, cluster }) });
      await watching.leader.ping();
      const diverged: (bigint | null)[] = [];
      client.on("leaderChanged", ({ divergedBytes }) => diverged.push(divergedBytes));
      const writers = startWriters(client, 10);
      await sleep(200);
      const to = group.members.find((member) => member !== first);
      const request = { id: randomUUID(), kind: "switchover", to: to?.name, force: false };
      const metadata = { name: `${group.name}-control`, namespace: group.namespace };
      const data = { request: JSON.stringify(request) };
      group.api.objects.put({ apiVersion: "v1", kind: "ConfigMap", metadata, data });
      const second = await group.leader(15_000, first);
      await writers.nextAcknowledgement();
      const planned = writers.soFar();
      await sleep(1_500);
      second.redis.signal("SIGKILL");
      const third = await group.leader(15_000, second);
      await until(() => client.topology.leader?.id === third.name);
      await writers.nextAcknowledgement();
      await writers.stop();
      const { gapMs, acknowledged, unknown } = writers.soFar();
      console.log(
        `a real group: switchover with a gap of ${planned.gapMs.toFixed(0)} ms and ` +
          `${planned.unknown + planned.notApplied} errors; Redis killed: ${gapMs.toFixed(0)} ms, ` +
          `${unknown} unknown, ${acknowledged} acknowledged in all`,
      );
      expect(planned).toMatchObject({ unknown: 0, notApplied: 0 });
      expect(unknown).toBeLessThanOrEqual(10);
      expect(gapMs).toBeLessThan(8_000);
      await until(() => watching.topology.leader?.id === third.name);
      expect(watching.topology.epoch).toBe(client.topology.epoch);
      // Both were pushed, and the lineage beside the address tells where the history branched off.
      expect(diverged[0]).toBe(0n);
      expect(diverged.at(-1)).not.toBeNull();
      const [told, seen] = [client, watching].map(({ topology }) => topology.leader);
      expect(told?.branchOffset).toBeTypeOf("bigint");
      expect(seen?.branchOffset).toBe(told?.branchOffset);
      expect(seen?.previousReplicationId).toBe(told?.previousReplicationId);
      expect(await watching.leader.rpush("tokens", "by the other")).toBeGreaterThan(
        acknowledged / 2,
      );
    } finally {
      await closeAll();
      await group.close();
    }
  });
});
