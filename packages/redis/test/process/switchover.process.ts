/**
 * The Redis half of a switchover (docs/protocol.md, section 5) by this adapter alone: what the
 * core orders, without Lease and slice, under writers that go where the address points.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { Redis } from "ioredis";
import { afterEach, expect, it } from "vitest";
import type { RedisProcess, RedisServer, RoleCommand } from "@leasehold/replication";
import {
  connect,
  infoOf,
  processOf,
  startRedis,
  stopAll,
  until,
  type RealRedis,
} from "./real-redis.ts";

afterEach(stopAll);

const WRITERS = 8;
const SWITCHOVERS = 6;
/** Measured 3–15 ms in all on an idle machine. */
const PAUSE_BOUND_MS = 300;

interface Member {
  readonly redis: RealRedis;
  readonly server: RedisServer;
  readonly process: RedisProcess;
}

async function startMember(): Promise<Member> {
  const redis = await startRedis("repl-backlog-size 64mb");
  const server = connect({ socket: redis.socket });
  return { redis, server, process: await processOf(server) };
}

async function order({ server, process }: Member, command: RoleCommand): Promise<void> {
  const outcome = await server.role(command, process, 1_000);
  if (!outcome.ok) throw new Error(`${command.kind}: ${outcome.error}: ${outcome.message}`);
}

const upstreamOf = ({ redis }: Member) => ({ host: "127.0.0.1", port: redis.port });

async function untilEqual(from: Member, to: Member, timeoutMs = 300): Promise<void> {
  await until(async () => {
    const [a, b] = await Promise.all([from.server.offset(100), to.server.offset(100)]);
    return a !== null && a === b;
  }, timeoutMs);
}

/** From the pause to the promotion, in milliseconds; `pointTo` plays the slice. */
async function switchover(
  from: Member,
  to: Member,
  pointTo: (to: Member) => void,
): Promise<number> {
  const startedAtMs = performance.now();
  await order(from, { kind: "pause", pauseMs: 500 });
  await untilEqual(from, to);
  await order(from, { kind: "demote", cutClients: false });
  await untilEqual(from, to);
  await order(to, { kind: "promote", epoch: 1, pauseMs: 10_000 });
  pointTo(to);
  await order(to, { kind: "unpause" });
  const tookMs = performance.now() - startedAtMs;
  await order(from, { kind: "unpause" });
  await sleep(50);
  await order(from, { kind: "cutClients" });
  await order(from, { kind: "follow", upstream: upstreamOf(to), bounce: false });
  await until(async () => (await infoOf(from.server)).linkUp);
  return tookMs;
}

interface Workload {
  readonly acknowledged: ReadonlySet<string>;
  /** The longest time between two acknowledged writes of one writer. */
  longestGapMs(): number;
  stop(): Promise<void>;
}

/** Writers that write as fast as they can and connect again, to where `port` says, on any error. */
function startWorkload(port: () => number): Workload {
  const acknowledged = new Set<string>();
  const running = new AbortController();
  let longestGapMs = 0;
  const writer = async (name: number): Promise<void> => {
    let lastAtMs = performance.now();
    let client: Redis | null = null;
    for (let n = 0; !running.signal.aborted; n += 1) {
      client ??= clientOf(port());
      const key = `w${name}:${n}`;
      const answer = await client.set(key, "x").catch(() => null);
      if (answer === "OK") {
        acknowledged.add(key);
        longestGapMs = Math.max(longestGapMs, performance.now() - lastAtMs);
        lastAtMs = performance.now();
      } else {
        client.disconnect();
        client = null;
      }
    }
    client?.disconnect();
  };
  const done = Promise.all(Array.from({ length: WRITERS }, (_, name) => writer(name)));
  return {
    acknowledged,
    longestGapMs: () => longestGapMs,
    async stop() {
      running.abort();
      await done;
    },
  };
}

function clientOf(port: number): Redis {
  const client = new Redis({ port, retryStrategy: null, enableReadyCheck: false });
  client.on("error", () => {});
  return client;
}

async function missing(redis: RealRedis, keys: ReadonlySet<string>): Promise<number> {
  const present = new Set(await redis.client().keys("*"));
  return Array.from(keys).filter((key) => !present.has(key)).length;
}

async function fullSyncs(member: Member): Promise<number> {
  const stats = await member.redis.client().info("stats");
  return Number(/sync_full:(\d+)/.exec(stats)?.[1]);
}

it("loses no acknowledged write and needs no full sync, forth and back under writers", async () => {
  let [leader, other] = [await startMember(), await startMember()];
  await order(leader, { kind: "promote", epoch: 1, pauseMs: 1 });
  await order(other, { kind: "follow", upstream: upstreamOf(leader), bounce: false });
  await until(async () => (await infoOf(other.server)).linkUp);
  // After a full sync the stream starts with the replica's next acknowledgement, once a second.
  await leader.redis.client().set("first", "x");
  await untilEqual(leader, other, 3_000);
  const fullSyncsBefore = (await fullSyncs(leader)) + (await fullSyncs(other));

  let port = leader.redis.port;
  const workload = startWorkload(() => port);
  const pausesMs: number[] = [];
  for (let n = 0; n < SWITCHOVERS; n += 1) {
    await sleep(150);
    pausesMs.push(await switchover(leader, other, (to) => (port = to.redis.port)));
    [leader, other] = [other, leader];
  }
  await workload.stop();
  await untilEqual(leader, other);

  const sorted = pausesMs.toSorted((a, b) => a - b).map((ms) => ms.toFixed(1));
  console.log(
    `${SWITCHOVERS} switchovers, ${workload.acknowledged.size} acknowledged writes; pause until ` +
      `unpause ${sorted.join(", ")} ms; longest gap ${workload.longestGapMs().toFixed(1)} ms`,
  );
  expect(workload.acknowledged.size).toBeGreaterThan(1_000);
  expect(await missing(leader.redis, workload.acknowledged)).toBe(0);
  expect(await missing(other.redis, workload.acknowledged)).toBe(0);
  expect((await fullSyncs(leader)) + (await fullSyncs(other))).toBe(fullSyncsBefore);
  expect(Math.max(...pausesMs)).toBeLessThan(PAUSE_BOUND_MS);
});
