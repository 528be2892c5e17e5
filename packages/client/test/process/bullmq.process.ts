import { afterEach, expect, test } from "vitest";
import { setTimeout as sleep } from "node:timers/promises";
import { Queue, QueueEvents, Worker } from "bullmq";
import { outcomeOf, type Leasehold } from "../../src/index.ts";
import { closeAll, openPair } from "./open-clients.ts";
import { caughtUp, switchOver, until, type RealRedis } from "./real-redis.ts";

const closing: { close(): Promise<void> }[] = [];
afterEach(async () => {
  await Promise.all(closing.splice(0).map((one) => Promise.race([one.close(), sleep(2_000)])));
  await closeAll();
});

function openQueue(client: Leasehold, workers: number, done: (id: string) => void): Queue {
  const queue = new Queue("mail", { connection: client.bullmqConnection("producer") });
  queue.on("error", () => {});
  for (let n = 0; n < workers; n += 1) {
    const connection = client.bullmqConnection("worker");
    // A worker whose script is cut off sleeps for `runRetryDelay`, by default for 15 s.
    const options = {
      connection,
      stalledInterval: 1_000,
      lockDuration: 2_000,
      drainDelay: 1,
      runRetryDelay: 500,
    };
    const worker = new Worker("mail", (job) => Promise.resolve(done(job.id ?? "")), options);
    worker.on("error", () => {});
    closing.push(worker);
  }
  closing.push(queue);
  return queue;
}

type Failover = (from: RealRedis, to: RealRedis, moved: () => void) => Promise<void>;

/**
 * What is acknowledged survives each of these: unplanned ones wait for the replica first, and as in
 * a group the old leader is not back before the new one is known.
 */
const FAILOVERS: readonly Failover[] = [
  async (from, to, moved) => {
    await switchOver(from, to);
    moved();
  },
  async (from, to, moved) => {
    await switchOver(from, to);
    moved();
    await from.admin.call("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes");
  },
  async (from, to, moved) => {
    await from.admin.call("CLIENT", "PAUSE", "10000", "WRITE");
    await caughtUp(from, to);
    await from.kill();
    await to.promote();
    moved();
    await from.start();
  },
  async (from, to, moved) => {
    await from.admin.call("CLIENT", "PAUSE", "10000", "WRITE");
    await caughtUp(from, to);
    from.signal("SIGSTOP");
    await to.promote();
    moved();
    await sleep(200);
    from.signal("SIGCONT");
    await from.admin.call("CLIENT", "UNPAUSE");
  },
];

test("row 27: 100 jobs a second over 10 mixed failovers: every acknowledged one is done", async () => {
  const { a, b, topology, client } = await openPair();
  const times = new Map<string, number>();
  const queue = openQueue(client, 4, (id) => times.set(id, (times.get(id) ?? 0) + 1));
  const events = new QueueEvents("mail", { connection: client.bullmqConnection("worker") });
  events.on("error", () => {});
  closing.push(events);
  const acknowledged: string[] = [];
  const failed: string[] = [];
  const stop = new AbortController();
  const add = async (id: string): Promise<void> => {
    try {
      await queue.add("send", {}, { jobId: id });
      acknowledged.push(id);
    } catch (error) {
      failed.push(outcomeOf(error));
    }
  };
  const adds: Promise<void>[] = [];
  const producer = (async () => {
    const startedAtMs = performance.now();
    while (!stop.signal.aborted) {
      const due = (performance.now() - startedAtMs) / 10;
      while (adds.length < due) adds.push(add(`job-${adds.length}`));
      await sleep(5);
    }
  })();
  let [leader, other] = [a, b];
  let worstMs = 0;
  for (let n = 0; n < 10; n += 1) {
    await sleep(300);
    const next = other;
    const moved = (): void => topology.push(n + 2, next);
    await FAILOVERS[n % FAILOVERS.length]?.(leader, next, moved);
    const before = times.size;
    const startedAtMs = performance.now();
    await until(() => times.size > before, 15_000);
    worstMs = Math.max(worstMs, performance.now() - startedAtMs);
    [leader, other] = [other, leader];
    await other.follow(leader);
  }
  stop.abort();
  await producer;
  await Promise.all(adds);
  await until(() => acknowledged.every((id) => times.has(id)), 20_000).catch(() => {});
  const missing = acknowledged.filter((id) => !times.has(id));
  const repeated = [...times.values()].filter((count) => count > 1).length;
  console.log(
    `row 27: ${acknowledged.length} acknowledged, ${missing.length} not done, ${repeated} done twice, ` +
      `${failed.length} adds failed (${[...new Set(failed)].join(", ") || "none"}); ` +
      `jobs went on after ${worstMs.toFixed(0)} ms at worst`,
  );
  expect(missing).toEqual([]);
  expect(failed.filter((outcome) => outcome === "applied")).toEqual([]);
  expect(repeated).toBeLessThan(20);
  expect(worstMs).toBeLessThan(8_000);
});

test("row 28: BullMQ's own disconnect(true) during ten seconds without a leader parks nobody", async () => {
  const { a, topology, client } = await openPair();
  const done: string[] = [];
  const queue = openQueue(client, 1, (id) => done.push(id));
  await queue.add("send", {}, { jobId: "before" });
  await until(() => done.includes("before"));
  const follower = client.bullmqConnection("worker");
  topology.push(2, null);
  // Beyond the longest pause of every back-off.
  for (let n = 0; n < 20; n += 1) {
    await sleep(500);
    follower.disconnect(true);
  }
  expect(follower.status).not.toBe("end");
  const startedAtMs = performance.now();
  topology.push(3, a);
  await queue.add("send", {}, { jobId: "after" });
  await until(() => done.includes("after"));
  expect(await follower.ping()).toBe("PONG");
  const tookMs = performance.now() - startedAtMs;
  console.log(`row 28: worker and connection are back ${tookMs.toFixed(0)} ms after the leader`);
  expect(tookMs).toBeLessThan(4_000);
});

test("a producer fails within its time, with the message that BullMQ knows and the reason in its cause", async () => {
  const { topology, client } = await openPair();
  topology.push(2, null);
  const producer = client.bullmqConnection("producer", { waitForLeaderMs: 100 });
  const error = await producer.get("k").then(
    () => null,
    (failed: Error) => failed,
  );
  expect(error?.message).toBe("Connection is closed.");
  expect(String(error?.cause)).toContain("GET was not sent, retrying is safe");
  expect(outcomeOf(error)).toBe("not-applied");
});
