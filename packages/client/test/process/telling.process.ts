/** What the client tells of itself: events, channels, log; and the calls that only wait or end. */
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { afterEach, describe, expect, test } from "vitest";
import { setTimeout as sleep } from "node:timers/promises";
import type { Redis } from "ioredis";
import { LeaderUnavailableError, outcomeOf, serviceTopology } from "../../src/index.ts";
import { startBalancer, type Balancer } from "@leasehold/testkit/balancer";
import { closeAll, open, openPair, outcome } from "./open-clients.ts";
import { pushedTopology } from "./pushed-topology.ts";
import { redirects, startPair, startRedis, switchOver, until } from "./real-redis.ts";

type Message = Readonly<Record<string, unknown>>;

const ending: (() => unknown)[] = [];
afterEach(async () => {
  await closeAll();
  for (const end of ending.splice(0)) await end();
});

/** What is published on a channel from now on. */
function heardOn(name: string): readonly Message[] {
  const heard: Message[] = [];
  const listener = (message: unknown): void => void heard.push({ ...(message as Message) });
  subscribe(name, listener);
  ending.push(() => unsubscribe(name, listener));
  return heard;
}

describe("channels", () => {
  test("leader-change is traced from the loss of a leader to the first reply of the next one", async () => {
    const starts = heardOn("tracing:leasehold:leader-change:start");
    const ends = heardOn("tracing:leasehold:leader-change:end");
    const { a, b, topology, client } = await openPair();
    expect([starts, ends]).toEqual([[], []]);
    a.signal("SIGSTOP");
    await b.promote();
    // The next leader is connected to, and answers nothing yet.
    b.signal("SIGSTOP");
    topology.push(2, b);
    await until(() => starts.length === 1);
    await sleep(100);
    expect(ends).toEqual([]);
    b.signal("SIGCONT");
    await until(() => ends.length === 1);
    a.signal("SIGCONT");
    expect(starts[0]).toMatchObject({ reason: "leader changed to b", last: { id: "a" } });
    expect(ends[0]).toMatchObject({ reason: "leader changed to b", leader: { id: "b" } });
    expect(ends[0]?.["gapMs"]).toBeGreaterThan(100);
    expect(await client.leader.incr("n")).toBe(1);
    expect([starts.length, ends.length]).toEqual([1, 1]);
  });

  test("topology tells what was known before and is now", async () => {
    const heard = heardOn("leasehold:topology");
    const { b, topology } = await openPair();
    topology.push(2, b);
    const last = heard.at(-1) as { previous: { epoch: number }; current: { epoch: number } };
    expect([last.previous.epoch, last.current.epoch]).toEqual([1, 2]);
    expect(Object.isFrozen(last.current)).toBe(true);
  });

  test("outcome tells each operation that failed, with what its error says", async () => {
    const heard = heardOn("leasehold:outcome");
    const { a, topology, client } = await openPair();
    await client.leader.set("text", "x");
    await outcome(client.leader.incr("text"));
    await outcome(client.withWriteConcern({ w: 9, wtimeoutMs: 20 }).set("k", "v"));
    await a.admin.call("CLIENT", "PAUSE", "300", "WRITE");
    await outcome(client.withOptions({ timeoutMs: 20 }).set("k", "v"));
    topology.push(2, null);
    await outcome(client.withOptions({ waitForLeaderMs: 20 }).set("k", "v"));
    expect(heard.map(({ command, outcome: how }) => [command, how])).toEqual([
      ["INCR", "not-applied"],
      ["SET", "applied"],
      ["SET", "unknown"],
      ["SET", "not-applied"],
    ]);
  });
});

describe("events", () => {
  test("roleCheckFailed tells what was expected and what was found", async () => {
    const { a, b, topology, client } = await openPair();
    const failed: unknown[] = [];
    client.on("roleCheckFailed", (event) => failed.push(event));
    await switchOver(a, b);
    client.leader.disconnect(true);
    await until(() => failed.length > 0);
    topology.push(2, b);
    expect(failed[0]).toEqual({ node: "a", expected: "leader", found: "it is a replica" });
  });

  test("heartbeatFailed names the node, the reason and how long it was waited for", async () => {
    const { a, client } = await openPair({ heartbeatIntervalMs: 500, handshakeTimeoutMs: 300 });
    const failed: { node: string; error: Error; durationMs: number }[] = [];
    client.on("heartbeatFailed", (event) => failed.push(event));
    a.signal("SIGSTOP");
    await until(() => failed.length === 1);
    a.signal("SIGCONT");
    expect(failed[0]?.node).toBe("a");
    expect(failed[0]?.error).toBeInstanceOf(Error);
    expect(failed[0]?.durationMs).toBeGreaterThan(290);
    expect(failed[0]?.durationMs).toBeLessThan(1_500);
  });

  test("leaderChanged tells that a refused write was what told, where nothing is pushed", async () => {
    const [a, b] = await startPair();
    const balancer: Balancer = await startBalancer({ host: "127.0.0.1", port: 0 });
    ending.push(() => balancer.close());
    balancer.setTarget({ host: a.host, port: a.port });
    const writer = `127.0.0.1:${balancer.address.port}`;
    const client = open({ topology: serviceTopology({ writer, probeIntervalMs: 60_000 }) });
    await client.leader.ping();
    const via: string[] = [];
    client.on("leaderChanged", (change) => via.push(change.via));
    await switchOver(a, b);
    balancer.setTarget({ host: b.host, port: b.port });
    expect(await client.leader.incr("n")).toBe(1);
    // And what is found without one is not laid to the one before.
    await a.follow(b);
    await switchOver(b, a);
    balancer.setTarget({ host: a.host, port: a.port });
    client.leader.disconnect(true);
    await until(() => via.length === 2);
    expect(via).toEqual([(await redirects(a)) ? "redirect" : "rejection", "probe"]);
  });
});

describe("the log", () => {
  test("has the loss of a leader, its change, and for a developer what was tried", async () => {
    const lines: string[] = [];
    const logger = {
      debug: (message: string) => void lines.push(`debug ${message}`),
      info: (message: string) => void lines.push(`info ${message}`),
      warn: (message: string) => void lines.push(`warn ${message}`),
    };
    const { a, b, topology, client } = await openPair({ logger });
    await switchOver(a, b);
    client.leader.disconnect(true);
    await until(() => lines.includes("debug connection given up"));
    topology.push(2, b);
    await a.kill();
    await client.leader.incr("n");
    expect(lines).toEqual(expect.arrayContaining(["info leader changed", "warn leader lost"]));
  });

  test("warns once of what no other server would know", async () => {
    const warned: [string, object | undefined][] = [];
    const logger = {
      debug: () => {},
      info: () => {},
      warn: (message: string, fields?: object) => void warned.push([message, fields]),
    };
    const { client } = await openPair({ logger });
    await client.leader.client("TRACKING", "ON");
    await client.connection().client("TRACKING", "ON");
    await client.leader.call("client", "tracking", "off");
    expect(warned).toEqual([
      [
        "CLIENT TRACKING is state of one server: it is not restored on the next leader",
        { command: "CLIENT TRACKING" },
      ],
    ]);
  });
});

describe("waitForLeader", () => {
  test("resolves with the leader, with a newer one if that is asked for, and rejects in time", async () => {
    const { b, topology, client } = await openPair();
    expect((await client.waitForLeader()).id).toBe("a");
    const newer = client.waitForLeader({ newerThan: 1, timeoutMs: 5_000 });
    const early = await Promise.race([newer, sleep(50, "waits")]);
    topology.push(2, b);
    expect([early, (await newer).id]).toEqual(["waits", "b"]);
    const late = await outcome(client.waitForLeader({ newerThan: 2, timeoutMs: 100 }));
    expect(late.error).toBeInstanceOf(LeaderUnavailableError);
    expect([outcomeOf(late.error), late.error?.message]).toEqual([
      "not-applied",
      expect.stringMatching(/^No leader newer than epoch 2 within \d+ ms/),
    ]);
    expect(late.tookMs).toBeGreaterThan(95);
    expect(late.tookMs).toBeLessThan(500);
    const signal = AbortSignal.timeout(50);
    const aborted = await outcome(client.waitForLeader({ newerThan: 2, signal }));
    expect(aborted.error).toBeInstanceOf(LeaderUnavailableError);
  });
});

test("await using closes the client at the end of its block", async () => {
  const redis = await startRedis();
  const topology = pushedTopology({ a: redis });
  let ended = "";
  const use = async (): Promise<Redis> => {
    await using scoped = open({ topology: topology.provider });
    scoped.on("closed", () => (ended = scoped.leader.status));
    topology.push(1, redis);
    await scoped.leader.set("k", "v");
    return scoped.leader;
  };
  const leader = await use();
  expect([ended, leader.status]).toEqual(["end", "end"]);
  expect(outcomeOf((await outcome(leader.get("k"))).error)).toBe("not-applied");
});

test("a pop that blocks for T is given up after T and blockingMarginMs, and not before", async () => {
  const { a, client } = await openPair({ blockingMarginMs: 400, heartbeatIntervalMs: 0 });
  const blocked = client.connection({ waitForLeaderMs: 100 });
  await blocked.ping();
  const pop = outcome(blocked.blpop("none", 1));
  await until(async () => /cmd=blpop/.test(String(await a.admin.client("LIST"))));
  a.signal("SIGSTOP");
  const { error, tookMs } = await pop;
  a.signal("SIGCONT");
  console.log(`row 20: BLPOP of 1 s on a stopped server given up after ${tookMs.toFixed(0)} ms`);
  expect(outcomeOf(error)).toBe("unknown");
  expect(tookMs).toBeGreaterThan(1_390);
  expect(tookMs).toBeLessThan(2_400);
});
