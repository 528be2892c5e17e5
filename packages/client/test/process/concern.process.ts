import { afterEach, describe, expect, test } from "vitest";
import { setTimeout as sleep } from "node:timers/promises";
import {
  ClientClosedError,
  NoEligibleNodeError,
  NotLeaderError,
  outcomeOf,
  ReadOnlyConnectionError,
  serviceTopology,
  staticTopology,
  WriteConcernError,
  WriteConcernUnsupportedError,
} from "../../src/index.ts";
import { closeAll, open, openPair, outcome } from "./open-clients.ts";
import { pushedTopology, type Place } from "./pushed-topology.ts";
import { startPair, startRedis, switchOver, until } from "./real-redis.ts";

afterEach(closeAll);

describe("row 21: write concern", () => {
  test("is met by a replica, and by none that is stopped", async () => {
    const { a, b, client } = await openPair();
    const durable = client.withWriteConcern({ w: 2, wtimeoutMs: 300 });
    expect(await durable.set("k", "1")).toBe("OK");
    expect(await b.admin.get("k")).toBe("1");
    expect(await durable.multi().incr("n").incr("n").exec()).toEqual([
      [null, 1],
      [null, 2],
    ]);
    expect(await client.withWriteConcern({ w: "majority", wtimeoutMs: 300 }).incr("n")).toBe(3);
    b.signal("SIGSTOP");
    const { error, tookMs } = await outcome(durable.incr("n"));
    b.signal("SIGCONT");
    console.log(`row 21: a stopped replica, told after ${tookMs.toFixed(0)} ms (300 asked for)`);
    expect(error).toBeInstanceOf(WriteConcernError);
    expect(error).toMatchObject({ outcome: "applied", result: 4, acknowledged: 1, requested: 2 });
    expect(tookMs).toBeLessThan(900);
    expect(await a.admin.get("n")).toBe("4");
  });

  test("is unknown when the leader changes before the replicas have answered", async () => {
    const { a, b, topology, client } = await openPair();
    const durable = client.withWriteConcern({ w: 2, wtimeoutMs: 5_000 });
    await durable.set("k", "0");
    b.signal("SIGSTOP");
    const write = outcome(durable.set("k", "1"));
    await until(async () => (await a.admin.get("k")) === "1");
    topology.push(2, b);
    const { error } = await write;
    b.signal("SIGCONT");
    expect(error).toBeInstanceOf(WriteConcernError);
    expect(outcomeOf(error)).toBe("unknown");
  });

  test("goes with a write that was refused to the next leader, and counts there", async () => {
    const { a, b, topology, client } = await openPair();
    const durable = client.withWriteConcern({ w: 2, wtimeoutMs: 2_000 });
    await durable.set("k", "0");
    await switchOver(a, b);
    const write = durable.incr("n");
    setTimeout(() => topology.push(2, b), 50);
    expect(await write).toBe(1);
    expect(await a.admin.get("n")).toBe("1");
  });

  test("a WAIT by itself never counts the replicas of another leader", async () => {
    const { a, b, topology, client } = await openPair();
    const waiting = client.connection();
    await waiting.set("k", "v");
    b.signal("SIGSTOP");
    const wait = outcome(waiting.wait(1, 5_000));
    await sleep(50);
    await a.admin.call("REPLICAOF", b.host, String(b.port));
    expect((await wait).error).toBeInstanceOf(NotLeaderError);
    b.signal("SIGCONT");
    const queued = outcome(waiting.wait(1, 100));
    expect((await queued).error).toBeInstanceOf(NotLeaderError);
    await b.promote();
    topology.push(2, b);
    expect(await waiting.set("k", "w")).toBe("OK");
  });

  test("on disk is refused where the server cannot, before anything is written", async () => {
    const { a, client } = await openPair();
    const version = /redis_version:(\S+)/.exec(await a.admin.info("server"))?.[1] ?? "";
    const durable = client.withWriteConcern({ w: 1, wtimeoutMs: 300, journal: true });
    const { error } = await outcome(durable.set("k", "1"));
    if (version.startsWith("7.0")) {
      expect(error).toBeInstanceOf(WriteConcernUnsupportedError);
      expect(await a.admin.get("k")).toBeNull();
    } else expect(error).not.toBeInstanceOf(WriteConcernUnsupportedError);
  });
});

describe("row 23: readers", () => {
  test("read from the replica, never write, and move when it goes away", async () => {
    const [a, b] = await startPair();
    const nodes = [a, b].map(({ host, port }) => ({ host, port }));
    const client = open({
      topology: staticTopology({ nodes, probeIntervalMs: 200 }),
      waitForLeaderMs: 3_000,
    });
    await client.leader.set("k", "v");
    const reader = client.reader({ preference: "replicaPreferred" });
    await until(() => client.topology.nodes.length === 2);
    expect(await reader.get("k")).toBe("v");
    expect(reader.options.port).toBe(b.port);
    expect((await outcome(reader.set("k", "w"))).error).toBeInstanceOf(ReadOnlyConnectionError);
    const reads = client.withReadPreference("replicaPreferred");
    expect(await reads.get("k")).toBe("v");

    await b.kill();
    const startedAtMs = performance.now();
    expect(await reader.get("k")).toBe("v");
    expect(reader.options.port).toBe(a.port);
    expect(await reads.get("k")).toBe("v");
    console.log(`row 23: read elsewhere after ${(performance.now() - startedAtMs).toFixed(0)} ms`);
    expect(performance.now() - startedAtMs).toBeLessThan(2_000);
  });

  test("ask elsewhere what waits at a node that is on no list any more", async () => {
    const [a, b] = await startPair();
    const members: Record<string, Place> = { a, b };
    const topology = pushedTopology(members);
    const client = open({ topology: topology.provider });
    topology.push(1, a);
    await client.leader.set("k", "v");
    const reads = client.withReadPreference("replicaPreferred");
    await until(async () => (await reads.get("k")) === "v");
    b.signal("SIGSTOP");
    const read = outcome(reads.get("k"));
    await sleep(20);
    const asked = topology.checks().length;
    delete members["b"];
    topology.push(1, a);
    const { value, error } = await read;
    b.signal("SIGCONT");
    expect(error).toBeUndefined();
    expect(value).toBe("v");
    // A connection that was let go is no reason to doubt what is known.
    expect(topology.checks().length).toBe(asked);
    const after = client.withReadPreference("replicaPreferred");
    await client.close();
    const { error: closed, tookMs } = await outcome(after.get("k"));
    expect(closed).toBeInstanceOf(ClientClosedError);
    expect(tookMs).toBeLessThan(100);
  });

  test("say which filter left no node", async () => {
    const { client } = await openPair({ waitForLeaderMs: 100 });
    const preference = { mode: "replica", zone: "elsewhere", zonePolicy: "require" } as const;
    const [one, other] = await Promise.all([
      outcome(client.reader({ preference }).get("k")),
      outcome(client.withReadPreference(preference).get("k")),
    ]);
    for (const { error } of [one, other]) {
      expect(error).toBeInstanceOf(NoEligibleNodeError);
      expect(error).toMatchObject({ emptiedBy: "zone", outcome: "not-applied" });
    }
  });

  test("leave a replica that becomes the leader", async () => {
    const { a, b, topology, client } = await openPair();
    const reader = client.reader({ preference: "replica" });
    await reader.get("k");
    expect(reader.options.port).toBe(b.port);
    await switchOver(a, b);
    topology.push(2, b);
    await until(() => reader.status === "ready" && reader.options.port === a.port);
    expect(await reader.get("k")).toBeNull();
  });
});

describe("row 18: who it speaks to, and whether it may", () => {
  test("the role is checked without INFO and CLIENT; a wrong password is said in words", async () => {
    const redis = await startRedis();
    const acl = ["SETUSER", "app", "on", ">pw", "~*", "+@all", "-info", "-client"] as const;
    await redis.admin.call("ACL", ...acl);
    const nodes = [{ host: redis.host, port: redis.port }];
    const client = open({
      topology: staticTopology({ nodes }),
      redis: { username: "app", password: "pw", disableClientInfo: true },
    });
    expect(await client.leader.set("k", "v")).toBe("OK");
    await redis.admin.call("REPLICAOF", "127.0.0.1", "1");
    const impatient = client.withOptions({ waitForLeaderMs: 300 });
    expect(outcomeOf((await outcome(impatient.set("k", "w"))).error)).toBe("not-applied");
    // Not even a read is sent to what is no leader.
    client.leader.disconnect(true);
    const { error: refused } = await outcome(impatient.get("k"));
    expect(refused?.message).toContain("was refused: it is a replica");

    const wrong = open({
      topology: staticTopology({ nodes }),
      redis: { username: "app", password: "wrong" },
      waitForLeaderMs: 300,
    });
    const faults: string[] = [];
    wrong.on("providerFault", ({ error }) => faults.push(String(error.cause)));
    const { error } = await outcome(wrong.leader.get("k"));
    expect(outcomeOf(error)).toBe("not-applied");
    expect(faults.join()).toContain("WRONGPASS");
    console.log(`row 18: ${error?.message}`);
    expect(error?.message).toMatch(
      /WRONGPASS .*GET was not sent, .*Check `username` and `password` of the option `redis`$/,
    );
    expect(`${error?.message} ${faults.join()}`).not.toMatch(/\bpw\b|"wrong"/);
  });

  test.each(["pushed", "static"])(
    "a password that is missing is said in words, too, where the topology is %s",
    async (kind) => {
      const redis = await startRedis("--requirepass", "secret");
      const { host, port } = redis;
      const pushed = pushedTopology({ a: redis });
      const topology =
        kind === "pushed" ? pushed.provider : staticTopology({ nodes: [{ host, port }] });
      const client = open({ topology, waitForLeaderMs: 300 });
      pushed.push(1, redis);
      const { error } = await outcome(client.leader.get("k"));
      expect(error?.message).toMatch(/NOAUTH .*Check `username` and `password` of the option/);
    },
  );

  test("a user without INFO meets, at a name, the leader that it looked for", async () => {
    const redis = await startRedis();
    await redis.admin.call("ACL", "SETUSER", "app", "on", ">pw", "~*", "+@all", "-info");
    const [host, { port }] = ["localhost", redis];
    const topologies = [
      staticTopology({ nodes: [{ host, port }] }),
      serviceTopology({ writer: `${host}:${port}` }),
    ];
    for (const topology of topologies) {
      const client = open({
        topology,
        redis: { username: "app", password: "pw", disableClientInfo: true },
        waitForLeaderMs: 300,
      });
      const conflicts: string[] = [];
      client.on("topologyConflict", ({ claimed }) => conflicts.push(claimed));
      expect(await client.leader.set("k", "v")).toBe("OK");
      expect(conflicts).toEqual([]);
    }
  });

  test("a connection's own user and TLS are what it is checked with, and nothing goes in clear", async () => {
    const { a, client } = await openPair();
    await a.admin.call("ACL", "SETUSER", "other", "on", ">pw", "~*", "+@all");
    const other = client.connection({ redis: { username: "other", password: "pw" } });
    expect(await other.acl("WHOAMI")).toBe("other");
    const secret = client.connection({ redis: { tls: {} }, waitForLeaderMs: 300 });
    expect(outcomeOf((await outcome(secret.set("secret", "v"))).error)).toBe("not-applied");
    expect(await a.admin.get("secret")).toBeNull();
  });
});
