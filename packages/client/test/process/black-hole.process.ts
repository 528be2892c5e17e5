/**
 * Rows 5 and 6: a link that swallows everything, which no socket is told of. The server lives in a
 * network namespace, and the far end of its cable is taken down. Needs root and `ip`, on Linux.
 */
import { execFileSync, spawn, spawnSync, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { afterEach, describe, expect, test } from "vitest";
import { Redis } from "ioredis";
import { outcomeOf, type NodeDescription } from "../../src/index.ts";
import { closeAll, open, outcome } from "./open-clients.ts";
import { pushedTopology, type Place } from "./pushed-topology.ts";
import { startRedis, until } from "./real-redis.ts";

const CAN = process.getuid?.() === 0 && spawnSync("ip", ["netns", "list"]).status === 0;

interface FarRedis extends Place {
  /** From now on nothing arrives, and nobody is told. */
  swallow(): void;
}

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  await closeAll();
  for (const close of closing.splice(0)) await close();
});

const ip = (...args: readonly string[]): void => void execFileSync("ip", args, { stdio: "pipe" });

async function startFarRedis(): Promise<FarRedis> {
  const name = `lh${process.pid % 100_000}`;
  const subnet = `10.213.${process.pid % 250}`;
  let child: ChildProcess | null = null;
  closing.push(async () => {
    if (child && child.exitCode === null) {
      const gone = once(child, "exit");
      child.kill("SIGKILL");
      await gone;
    }
    spawnSync("ip", ["netns", "del", name]);
    spawnSync("ip", ["link", "del", `${name}h`]);
  });
  ip("netns", "add", name);
  ip("link", "add", `${name}h`, "type", "veth", "peer", "name", `${name}n`, "netns", name);
  ip("addr", "add", `${subnet}.1/24`, "dev", `${name}h`);
  ip("link", "set", `${name}h`, "up");
  ip("-n", name, "addr", "add", `${subnet}.2/24`, "dev", `${name}n`);
  ip("-n", name, "link", "set", `${name}n`, "up");
  const host = `${subnet}.2`;
  const args = [
    "--bind",
    host,
    "--port",
    "6379",
    "--save",
    "",
    "--protected-mode",
    "no",
    "--dir",
    "/",
  ];
  child = spawn("ip", ["netns", "exec", name, "redis-server", ...args], { stdio: "ignore" });
  const probe = new Redis({
    host,
    port: 6379,
    retryStrategy: () => 20,
    maxRetriesPerRequest: null,
  });
  probe.on("error", () => {});
  await probe.ping();
  probe.disconnect();
  return {
    host,
    port: 6379,
    swallow: () => ip("-n", name, "link", "set", `${name}n`, "down"),
  };
}

describe.skipIf(!CAN)("a black-holed link (needs root and ip)", () => {
  test("row 5: with a push, what is in flight is unknown at once, and writes go on", async () => {
    const far = await startFarRedis();
    const near = await startRedis();
    const topology = pushedTopology({ far, near });
    const client = open({ topology: topology.provider });
    topology.push(1, far);
    await client.leader.incr("n");
    far.swallow();
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
    const far = await startFarRedis();
    const topology = pushedTopology({ far });
    const client = open({ topology: topology.provider, replyTimeoutMs: 2_000 });
    topology.push(1, far);
    const [idle, subscriber] = [client.connection(), client.connection()];
    await Promise.all([client.leader.incr("n"), idle.ping(), subscriber.subscribe("news")]);
    far.swallow();
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
  });
});
