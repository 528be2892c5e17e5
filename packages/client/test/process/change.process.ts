import { afterEach, describe, expect, test } from "vitest";
import { setTimeout as sleep } from "node:timers/promises";
import { Redis } from "ioredis";
import { startBalancer, type Balancer } from "@leasehold/testkit/balancer";
import { outcomeOf, serviceTopology, staticTopology } from "../../src/index.ts";
import { closeAll, open, openPair, outcome, type Pair } from "./open-clients.ts";
import { caughtUp, startPair, switchOver, until, type RealRedis } from "./real-redis.ts";
import { startWriters, type Findings } from "./writers.ts";

const balancers: Balancer[] = [];
afterEach(async () => {
  await closeAll();
  for (const balancer of balancers.splice(0)) await balancer.close();
});

const CLEAN = { notApplied: 0, unknown: 0, lost: 0, duplicated: 0, ghosts: 0, inOrder: true };
const HONEST = { lost: 0, duplicated: 0, ghosts: 0, inOrder: true };

function report(
  row: string,
  { acknowledged, notApplied, unknown, gapMs }: Findings,
  writeMs = 0,
): void {
  const counts = `${acknowledged} acknowledged, ${notApplied} not applied, ${unknown} unknown`;
  const write = writeMs > 0 ? `, first write after ${writeMs.toFixed(1)} ms` : "";
  console.log(`${row}: gap ${gapMs.toFixed(1)} ms${write}; ${counts}`);
}

const addressOf = ({ host, port }: RealRedis): { host: string; port: number } => ({ host, port });

/** A Service in front of a pair, leading to its primary, and a client that knows nothing else. */
async function openService(): Promise<Omit<Pair, "topology"> & { balancer: Balancer }> {
  const [a, b] = await startPair();
  const balancer = await startBalancer({ host: "127.0.0.1", port: 0 });
  balancers.push(balancer);
  balancer.setTarget(addressOf(a));
  const writer = `127.0.0.1:${balancer.address.port}`;
  const client = open({ topology: serviceTopology({ writer }) });
  await client.leader.ping();
  return { a, b, client, balancer };
}

test("a client is an ioredis that finds the primary among fixed addresses", async () => {
  const [a, b] = await startPair();
  const client = open({ topology: staticTopology({ nodes: [b, a] }) });
  expect(client.leader).toBeInstanceOf(Redis);
  expect(await client.leader.set("k", "v")).toBe("OK");
  expect(await a.admin.get("k")).toBe("v");
  expect(client.topology.leader?.port).toBe(a.port);
});

test("a client tells what happens to its leader, once, whatever the number of its connections", async () => {
  const { a, b, topology, client } = await openPair();
  await Promise.all([client.connection().ping(), client.connection().ping()]);
  const seen: string[] = [];
  client.on("leaderLost", ({ last }) => seen.push(`lost ${last?.id}`));
  client.on("leaderChanged", ({ from, to, epoch, via }) => {
    seen.push(`${from?.id} to ${to.id} of ${epoch} by ${via}`);
  });
  client.on("roleCheckFailed", ({ node, found }) => seen.push(`${node}: ${found}`));
  await switchOver(a, b);
  client.leader.disconnect(true);
  await until(() => seen.some((text) => text.startsWith("a: ")));
  topology.push(2, b);
  expect(await client.leader.incr("n")).toBe(1);
  expect(new Set(seen)).toEqual(new Set(["lost a", "a: it is a replica", "a to b of 2 by push"]));
  expect(seen.filter((text) => text.startsWith("lost"))).toHaveLength(1);
  await client.close();
  expect(seen.filter((text) => text.startsWith("lost"))).toHaveLength(1);
});

describe("planned", () => {
  test("row 1: an announced switchover under 20 writers costs neither error nor order", async () => {
    const { a, b, topology, client } = await openPair();
    const writers = startWriters(client, 20);
    await sleep(100);
    topology.announce(500);
    await switchOver(a, b);
    topology.push(2, b);
    await writers.nextAcknowledgement();
    await sleep(50);
    await writers.stop();
    const found = await writers.check(b);
    report("row 1", found);
    expect(found).toMatchObject(CLEAN);
    expect(found.gapMs).toBeLessThan(500);
  });

  test("what the old leader holds is answered before the successor is moved to, if announced", async () => {
    const { a, b, topology, client } = await openPair();
    const other = client.connection();
    await other.ping();
    await a.admin.call("CLIENT", "PAUSE", "10000", "WRITE");
    const held = client.leader.incr("n");
    await sleep(20);
    topology.announce(500);
    await caughtUp(a, b);
    await a.admin.call("REPLICAOF", "127.0.0.1", "1");
    await b.promote();
    topology.push(2, b);
    // Who has nothing under way does not wait.
    let moved = 0;
    const free = other.incr("m").then((m) => (moved = m));
    await sleep(150);
    expect([moved, await b.admin.get("n")]).toEqual([1, null]);
    await free;
    await a.admin.call("CLIENT", "UNPAUSE");
    expect(await held).toBe(1);
    expect(await b.admin.get("n")).toBe("1");
  });

  test("an old leader that never answers holds up an announced change for a moment only", async () => {
    const { a, b, topology, client } = await openPair();
    a.signal("SIGSTOP");
    const lost = outcome(client.leader.incr("n"));
    topology.announce(15_000);
    await b.promote();
    topology.push(2, b);
    const { error, tookMs } = await lost;
    a.signal("SIGCONT");
    expect(outcomeOf(error)).toBe("unknown");
    expect(tookMs).toBeLessThan(700);
    expect(await client.leader.incr("n")).toBe(1);
  });

  test("an announced change that does not come reopens the gate", async () => {
    const { topology, client } = await openPair();
    let aborted = 0;
    client.on("leaderChangeAborted", () => (aborted += 1));
    topology.announce(100);
    const startedAtMs = performance.now();
    expect(await client.leader.incr("n")).toBe(1);
    expect(performance.now() - startedAtMs).toBeGreaterThan(90);
    await until(() => aborted === 1);
  });

  test("row 7: a demotion without a kill, by push", async () => {
    const { a, b, topology, client } = await openPair();
    const writers = startWriters(client, 20);
    await sleep(100);
    await switchOver(a, b);
    await sleep(30);
    topology.push(2, b);
    const writeMs = await writers.nextAcknowledgement();
    await sleep(50);
    await writers.stop();
    const found = await writers.check(b);
    report("row 7", found, writeMs);
    expect(found).toMatchObject(CLEAN);
    expect(writeMs).toBeLessThan(500);
  });

  test("row 8: a demotion without a kill, behind a Service alone", async () => {
    const { a, b, client, balancer } = await openService();
    const writers = startWriters(client, 20);
    await sleep(100);
    await switchOver(a, b);
    await sleep(100);
    balancer.setTarget(addressOf(b));
    const writeMs = await writers.nextAcknowledgement();
    await sleep(50);
    await writers.stop();
    const found = await writers.check(b);
    report("row 8", found, writeMs);
    expect(found).toMatchObject(CLEAN);
    expect(writeMs).toBeLessThan(1_500);
  });

  test.each([
    ["a", "unpaused first, and every held write gets a definite answer"],
    ["b", "killed while held, and every held write is unknown, none applied"],
  ])("row 9%s: a demotion with a kill: %s", async (variant) => {
    const { a, b, topology, client } = await openPair();
    await a.admin.call("CLIENT", "PAUSE", "10000", "WRITE");
    const writers = startWriters(client, 20);
    await until(() => client.leader.commandQueue.length === 20);
    // All of one turn leave together at its end: the server has them when it holds their client.
    await until(async () => /flags=b/.test(String(await a.admin.client("LIST"))));
    await a.admin.call("REPLICAOF", b.host, String(b.port));
    await b.promote();
    if (variant === "a") {
      await a.admin.call("CLIENT", "UNPAUSE");
      await sleep(50);
    }
    await a.admin.call("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes");
    topology.push(2, b);
    await writers.nextAcknowledgement();
    await sleep(50);
    await writers.stop();
    const found = await writers.check(b);
    report(`row 9${variant}`, found);
    expect(found).toMatchObject({ ...HONEST, unknown: variant === "a" ? 0 : 20, notApplied: 0 });
    if (variant === "b") expect(await b.admin.lpos("tokens", "0:0")).toBeNull();
  });

  test("row 10: Redis' own FAILOVER", async () => {
    const { a, b, topology, client } = await openPair();
    const writers = startWriters(client, 20);
    await sleep(100);
    await a.admin.call("FAILOVER");
    await until(async () => (await b.admin.info("replication")).includes("role:master"));
    topology.push(2, b);
    await writers.nextAcknowledgement();
    await sleep(50);
    await writers.stop();
    const found = await writers.check(b);
    report("row 10", found);
    expect(found).toMatchObject(CLEAN);
    expect(found.gapMs).toBeLessThan(1_500);
  });
});

describe("unplanned", () => {
  test.each(["SIGSTOP", "SIGKILL"] as const)(
    "rows 2 and 4: the leader gets %s, and the change is pushed",
    async (signal) => {
      const { a, b, topology, client } = await openPair();
      const writers = startWriters(client, 20);
      await sleep(100);
      a.signal(signal);
      await sleep(20);
      await b.promote();
      topology.push(2, b);
      const writeMs = await writers.nextAcknowledgement();
      await sleep(50);
      await writers.stop();
      const found = await writers.check(b);
      a.signal("SIGCONT");
      report(`row ${signal === "SIGSTOP" ? 2 : 4} (${signal})`, found, writeMs);
      // Replication is asynchronous: what the old leader alone had may be gone, and nothing else.
      expect(found).toMatchObject({ duplicated: 0, ghosts: 0, inOrder: true, notApplied: 0 });
      expect(found.lost).toBeLessThanOrEqual(20);
      expect(found.unknown).toBeLessThanOrEqual(20);
      expect(writeMs).toBeLessThan(1_000);
    },
  );

  test("row 4: what is in flight when the leader is killed is unknown at once, without a push", async () => {
    const { a, b, topology, client } = await openPair();
    await a.admin.call("CLIENT", "PAUSE", "10000", "WRITE");
    const held = [1, 2, 3].map(() => outcome(client.leader.incr("n")));
    await until(async () => /flags=b/.test(String(await a.admin.client("LIST"))));
    const killedAtMs = performance.now();
    a.signal("SIGKILL");
    const results = await Promise.all(held);
    const settledMs = performance.now() - killedAtMs;
    console.log(`row 4 (SIGKILL): in flight settled ${settledMs.toFixed(1)} ms after the kill`);
    expect(results.map(({ error }) => outcomeOf(error))).toEqual(Array(3).fill("unknown"));
    expect(settledMs).toBeLessThan(500);
    await b.promote();
    topology.push(2, b);
    expect(await client.leader.incr("n")).toBe(1);
  });

  test("row 3: the leader is stopped behind a Service that moves at once", async () => {
    const { a, b, client, balancer } = await openService();
    const writers = startWriters(client, 5);
    await sleep(100);
    a.signal("SIGSTOP");
    await b.promote();
    balancer.setTarget(addressOf(b));
    const writeMs = await writers.nextAcknowledgement();
    await writers.stop();
    const found = await writers.check(b);
    a.signal("SIGCONT");
    report("row 3 (busy)", found, writeMs);
    expect(found).toMatchObject({ duplicated: 0, ghosts: 0, inOrder: true });
    expect(writeMs).toBeLessThan(8_000);
  });

  test("row 3: the same while idle is noticed by the heartbeat", async () => {
    const { a, b, client, balancer } = await openService();
    a.signal("SIGSTOP");
    await b.promote();
    balancer.setTarget(addressOf(b));
    const startedAtMs = performance.now();
    await until(() => client.leader.status === "ready" && client.topology.generation === 2);
    const tookMs = performance.now() - startedAtMs;
    a.signal("SIGCONT");
    console.log(`row 3 (idle): ${tookMs.toFixed(0)} ms`);
    expect(await client.leader.incr("n")).toBe(1);
    expect(tookMs).toBeLessThan(8_000);
  });
});
