/**
 * Rows 5 and 6: a link that swallows everything, which no socket is told of. The server lives in a
 * network namespace, and the far end of its cable is taken down. Needs root and `ip`, on Linux.
 */
import { afterEach, describe, expect, test } from "vitest";
import type { Redis } from "ioredis";
import { outcomeOf, type NodeDescription } from "../../src/index.ts";
import { canLayCables, layCable, type Cable } from "./cable.ts";
import { closeAll, open, outcome } from "./open-clients.ts";
import { pushedTopology } from "./pushed-topology.ts";
import { startRedis, startRedisAt, until } from "./real-redis.ts";

const cables: Cable[] = [];
afterEach(async () => {
  await closeAll();
  for (const cable of cables.splice(0)) cable.remove();
});

function lay(): Cable {
  const cable = layCable();
  cables.push(cable);
  return cable;
}

describe.skipIf(!canLayCables())("a black-holed link (needs root and ip)", () => {
  test("row 5: with a push, what is in flight is unknown at once, and writes go on", async () => {
    const cable = lay();
    const far = await startRedisAt(cable.far);
    const near = await startRedis();
    const topology = pushedTopology({ far, near });
    const client = open({ topology: topology.provider });
    topology.push(1, far);
    await client.leader.incr("n");
    cable.cut();
    const lost = outcome(client.leader.incr("n"));
    topology.push(2, near);
    const write = outcome(client.leader.incr("n"));
    const { error, tookMs } = await lost;
    const { value, tookMs: writeMs } = await write;
    console.log(
      `row 5 (push): unknown after ${tookMs.toFixed(0)} ms, written after ${writeMs.toFixed(0)} ms`,
    );
    expect([outcomeOf(error), value]).toEqual(["unknown", 1]);
    expect(writeMs).toBeLessThan(1_000);
  });

  test("rows 5 and 6: without one, the silence is noticed, busy, idle and subscribed", async () => {
    const cable = lay();
    const [far, near] = [await startRedisAt(cable.far), await startRedis()];
    const topology = pushedTopology({ far, near });
    const client = open({ topology: topology.provider, replyTimeoutMs: 2_000 });
    topology.push(1, far);
    const gaps: { channels: readonly string[]; gapMs: number }[] = [];
    client.on("subscriptionGap", (gap) => gaps.push(gap));
    const [idle, subscriber] = [client.connection(), client.connection()];
    await Promise.all([client.leader.incr("n"), idle.ping(), subscriber.subscribe("news")]);
    cable.cut();
    const startedAtMs = performance.now();
    const since = (): number => performance.now() - startedAtMs;
    const cut = async (one: Redis): Promise<number> =>
      until(() => one.status !== "ready").then(since);
    const [lost, idleMs, subscriberMs] = await Promise.all([
      outcome(client.leader.incr("n")),
      cut(idle),
      cut(subscriber),
    ]);
    const { error, tookMs } = lost;
    console.log(
      `rows 5 and 6 (no push): busy ${tookMs.toFixed(0)} ms (2000 asked for), ` +
        `idle ${idleMs.toFixed(0)} ms, subscriber ${subscriberMs.toFixed(0)} ms`,
    );
    expect(outcomeOf(error)).toBe("unknown");
    expect(tookMs).toBeLessThan(4_000);
    expect(Math.max(idleMs, subscriberMs)).toBeLessThan(7_000);
    const leader: NodeDescription | null = client.topology.leader;
    expect(leader?.id).toBe("far");

    // Only now somebody else leads: the subscription is there again, and its gap is told.
    const heard: string[] = [];
    subscriber.on("message", (_channel, message) => heard.push(message));
    const pushedAtMs = performance.now();
    topology.push(2, near);
    await until(() => gaps.length === 1);
    const againMs = performance.now() - pushedAtMs;
    const [gap] = gaps;
    console.log(
      `row 6 (black hole): subscribed again ${againMs.toFixed(0)} ms after the push, ` +
        `with a gap of ${gap?.gapMs.toFixed(0)} ms`,
    );
    expect(await near.admin.publish("news", "again")).toBe(1);
    await until(() => heard.length === 1);
    expect(gap?.channels).toEqual(["news"]);
    // From the last that was heard through the link, not from when its silence was noticed.
    expect(gap?.gapMs).toBeGreaterThan(subscriberMs - 100);
    expect(gap?.gapMs).toBeLessThan(since() + 500);
    expect(againMs).toBeLessThan(1_000);
  });
});
