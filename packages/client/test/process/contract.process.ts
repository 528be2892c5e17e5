/**
 * Row 32: what the client stands on in ioredis beside its documented API, each thing by itself, so
 * that a new version that moves one of them is named here.
 */
import { afterEach, describe, expect, test } from "vitest";
import { setTimeout as sleep } from "node:timers/promises";
import type { Command } from "ioredis";
import { Redis } from "ioredis";
import { UnsupportedIoredisError } from "../../src/index.ts";
import { checkIoredis } from "../../src/ioredis-contract.ts";
import { closeAll, open, openPair } from "./open-clients.ts";
import { pushedTopology } from "./pushed-topology.ts";
import { startRedis, switchOver, until } from "./real-redis.ts";

afterEach(closeAll);

describe("row 32: touch points", () => {
  test("are all there", () => {
    expect(checkIoredis).not.toThrow();
  });

  test("sendCommand gets every command, single, in a pipeline and of a script, with its stream", async () => {
    const redis = await startRedis();
    const seen: [name: string, hasStream: boolean][] = [];
    class Spy extends Redis {
      override sendCommand(
        command: Command,
        stream?: Parameters<Redis["sendCommand"]>[1],
      ): unknown {
        seen.push([command.name, stream !== undefined]);
        return super.sendCommand(command, stream);
      }
    }
    const spy = new Spy({
      port: redis.port,
      protocol: 2,
      disableClientInfo: true,
      enableReadyCheck: false,
    });
    try {
      // What waits for the connection passes twice.
      await spy.ping();
      seen.length = 0;
      await spy.get("k");
      await spy.pipeline().get("k").exec();
      await spy.eval("return 1", 0);
      expect(seen).toEqual([
        ["get", false],
        ["get", true],
        ["eval", false],
      ]);
    } finally {
      spy.disconnect();
    }
  });

  test("commandQueue holds what is written and not answered, in order, with its stream", async () => {
    const redis = await startRedis();
    const plain = new Redis({ port: redis.port });
    try {
      await plain.ping();
      const all = Promise.all([plain.get("a"), plain.pipeline().get("b").exec()]);
      const items = plain.commandQueue.toArray();
      expect(items.map(({ command, stream }) => [command.name, stream !== undefined])).toEqual([
        ["get", false],
        ["get", true],
      ]);
      await all;
      expect(plain.commandQueue.isEmpty()).toBe(true);
    } finally {
      plain.disconnect();
    }
  });

  test("handleReconnection gets every error reply with its item, and rejects only by our hand", async () => {
    const redis = await startRedis();
    await redis.admin.set("text", "x");
    const seen: string[] = [];
    class Spy extends Redis {
      override handleReconnection(
        error: Error,
        item: Parameters<Redis["handleReconnection"]>[1],
      ): void {
        if (item.command.name !== "client") {
          seen.push(`${item.command.name}: ${error.message.split(" ")[0]}`);
        }
        super.handleReconnection(error, item);
      }
    }
    const spy = new Spy({ port: redis.port });
    try {
      await expect(spy.incr("text")).rejects.toThrow("not an integer");
      await spy.pipeline().lpush("text", 1).exec();
      expect(seen).toEqual(["incr: ERR", "lpush: WRONGTYPE"]);
    } finally {
      spy.disconnect();
    }
  });

  test("condition.handshake is true while ioredis builds a connection up, and false when it is ready", async () => {
    const redis = await startRedis();
    const plain = new Redis({ port: redis.port, enableReadyCheck: false });
    const seen: unknown[] = [];
    plain.on("connect", () => seen.push(plain.condition?.handshake));
    try {
      await plain.ping();
      seen.push(plain.condition?.handshake);
      expect(seen).toEqual([true, false]);
    } finally {
      plain.disconnect();
    }
  });

  test("_runningAutoPipelines holds back what is asked for until the replies before it are there", async () => {
    const redis = await startRedis();
    const plain = new Redis({ port: redis.port, enableAutoPipelining: true });
    const running = (plain as unknown as { _runningAutoPipelines: Set<string> })
      ._runningAutoPipelines;
    try {
      await plain.ping();
      await redis.admin.call("CLIENT", "PAUSE", "10000", "WRITE");
      const first = plain.incr("n");
      await until(() => plain.commandQueue.length === 1);
      expect(running.size).toBe(1);
      const second = plain.incr("n");
      await sleep(20);
      expect(plain.commandQueue.length).toBe(1);
      await redis.admin.call("CLIENT", "UNPAUSE");
      expect(await Promise.all([first, second])).toEqual([1, 2]);
      // Cleared at once, as by the client, it holds back nobody.
      await redis.admin.call("CLIENT", "PAUSE", "10000", "WRITE");
      const third = plain.incr("n");
      await until(() => plain.commandQueue.length === 1);
      running.clear();
      const fourth = plain.incr("n");
      await until(() => plain.commandQueue.length === 2);
      await redis.admin.call("CLIENT", "UNPAUSE");
      expect(await Promise.all([third, fourth])).toEqual([3, 4]);
      expect(running.size).toBe(0);
    } finally {
      plain.disconnect();
    }
  });

  test.each(["sendCommand", "handleReconnection", "commandQueue", "_runningAutoPipelines"])(
    "a client is not made with an ioredis that has no %s",
    (name) => {
      const { prototype } = Redis;
      const before = Object.getOwnPropertyDescriptor(prototype, name);
      // What the constructor sets it cannot set then.
      Object.defineProperty(prototype, name, {
        configurable: true,
        get: () => undefined,
        set() {},
      });
      try {
        expect(checkIoredis).toThrow(UnsupportedIoredisError);
        expect(checkIoredis).toThrow(`This ioredis has no Redis.${name}: install ioredis ~6.0.0`);
      } finally {
        if (before) Object.defineProperty(prototype, name, before);
        else Reflect.deleteProperty(prototype, name);
      }
    },
  );
});

describe("what is restored on another server", () => {
  test("database, name and subscriptions are; a SELECT of the caller stays in its place", async () => {
    const { a, b, topology, client } = await openPair({ redis: { db: 1, connectionName: "app" } });
    const connection = client.connection();
    await connection.set("in", "one");
    await connection.select(2);
    await connection.set("in", "two");
    await switchOver(a, b);
    const waiting = [connection.get("in"), connection.select(1), connection.get("in")];
    topology.push(2, b);
    expect(await Promise.all(waiting)).toEqual(["two", "OK", "one"]);
    expect(await connection.client("GETNAME")).toBe("app");
  });

  test("what is sent again runs in the database for which it was meant", async () => {
    const { a, b, topology, client } = await openPair();
    const connection = client.connection();
    await connection.set("k", "before");
    await switchOver(a, b);
    // Refused, and only then the database is another one.
    const refused = connection.set("k", "refused");
    const selected = connection.select(3);
    const later = connection.set("k", "later");
    topology.push(2, b);
    expect(await Promise.all([refused, selected, later])).toEqual(["OK", "OK", "OK"]);
    expect(await connection.get("k")).toBe("later");
    expect(await b.admin.get("k")).toBe("refused");
    await b.admin.select(3);
    expect(await b.admin.get("k")).toBe("later");
  });

  test("a SELECT does not overtake what waits for an announced change", async () => {
    const { a, topology, client } = await openPair();
    const connection = client.connection();
    await connection.select(2);
    topology.announce(100);
    const waiting = [
      connection.set("k", "in two"),
      connection.select(0),
      connection.set("k", "in none"),
    ];
    await Promise.all(waiting);
    expect(await a.admin.get("k")).toBe("in none");
    await a.admin.select(2);
    expect(await a.admin.get("k")).toBe("in two");
  });

  test("a key prefix and a defined command work as with ioredis", async () => {
    const redis = await startRedis();
    const topology = pushedTopology({ a: redis });
    const client = open({ topology: topology.provider, redis: { keyPrefix: "app:" } });
    topology.push(1, redis);
    await client.leader.set("k", "v");
    expect(await redis.admin.get("app:k")).toBe("v");
  });
});

describe("nothing is left behind", () => {
  test("row 30: 200 connections follow one change without a stampede", async () => {
    const { a, b, topology, client } = await openPair();
    const connections = Array.from({ length: 200 }, () => client.connection());
    await Promise.all(connections.map((one) => one.ping()));
    await switchOver(a, b);
    const received = async (): Promise<number> => {
      const info = await b.admin.info("stats");
      return Number(/total_connections_received:(\d+)/.exec(info)?.[1]);
    };
    const before = await received();
    const startedAtMs = performance.now();
    topology.push(2, b);
    await until(() =>
      connections.every((one) => one.status === "ready" && one.options.port === b.port),
    );
    const tookMs = performance.now() - startedAtMs;
    const made = (await received()) - before;
    console.log(`row 30: 200 connections moved in ${tookMs.toFixed(0)} ms, by ${made} connects`);
    expect(tookMs).toBeLessThan(3_000);
    // One each, and the client's first.
    expect(made).toBeLessThanOrEqual(201);
  });

  test("50 changes of leader leave no listener, no timer and no connection more", async () => {
    const { a, b, topology, client } = await openPair({ waitForLeaderMs: 5_000 });
    const connections = [client.leader, client.connection(), client.connection()];
    const count = (): number[] => [
      ...connections.flatMap((one) => one.eventNames().map((name) => one.listenerCount(name))),
      process.getActiveResourcesInfo().filter((name) => name === "TCPSocketWrap").length,
    ];
    await Promise.all(connections.map((one) => one.ping()));
    let [leader, other] = [a, b];
    let before: number[] = [];
    for (let n = 0; n < 50; n += 1) {
      await other.admin.call("REPLICAOF", "NO", "ONE");
      topology.push(n + 2, other);
      await Promise.all(connections.map((one) => one.incr("n")));
      [leader, other] = [other, leader];
      if (n === 5) before = count();
    }
    await sleep(100);
    void leader;
    const after = count();
    expect(after.slice(0, -1)).toEqual(before.slice(0, -1));
    expect(after.at(-1)).toBeLessThanOrEqual((before.at(-1) ?? 0) + 2);
    await client.close();
    await until(() => connections.every((one) => one.status === "end"));
  });
});
