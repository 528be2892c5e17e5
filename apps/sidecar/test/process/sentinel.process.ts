/**
 * A client that was made for Sentinel finds the primary of a real group, in both versions of the
 * protocol, and follows a switchover and a failover without any other configuration.
 */
import { randomUUID } from "node:crypto";
import { Redis } from "ioredis";
import { afterAll, afterEach, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { startGroup, type Group, type GroupMember } from "@leasehold/testkit/group";
import { lastWords, whole } from "./bench.ts";

const SENTINEL_PORT = 26_379;
const WHOLE_MS = 20_000;

let group: Group;

beforeAll(async () => {
  group = await startGroup({
    members: 3,
    sentinel: true,
    // On a busy machine a replica may need longer than the usual 500 ms to say that it caught up.
    settings: { switchover: { maxPauseMs: 1000 } },
  });
});
afterEach(({ task }) => {
  if (task.result?.state === "fail") process.stderr.write(`${lastWords(group)}\n`);
});
afterAll(() => group?.close());

function open(options: { readonly protocol?: 2 | 3; readonly role?: "slave" }): Redis {
  const redis = new Redis({
    name: "mymaster",
    sentinels: group.members.map(({ realHost }) => ({ host: realHost, port: SENTINEL_PORT })),
    sentinelRetryStrategy: () => 50,
    retryStrategy: () => 20,
    maxRetriesPerRequest: null,
    ...options,
  });
  redis.on("error", () => undefined);
  onTestFinished(() => redis.disconnect());
  return redis;
}

/** Of the one that the client is connected to now. */
const hostOf = (redis: Redis): string | undefined =>
  (redis as unknown as { stream: { remoteAddress?: string } }).stream.remoteAddress;

/** Until it has followed, the old primary may refuse. */
const tryToWrite = (redis: Redis): Promise<unknown> =>
  redis.set("after", "change").catch(() => undefined);

async function switchTo(old: GroupMember): Promise<GroupMember> {
  const to = group.members.find((member) => member !== old)!;
  const request = { id: randomUUID(), kind: "switchover", to: to.name, force: false };
  group.api.objects.put({
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name: `${group.name}-control`, namespace: group.namespace },
    data: { request: JSON.stringify(request) },
  });
  expect(await group.leader(5_000, old)).toBe(to);
  return to;
}

describe.each([2, 3] as const)("a client of Sentinel that speaks version %d", (protocol) => {
  it("finds the primary and follows a switchover", async () => {
    const old = await whole(group, WHOLE_MS);
    const redis = open({ protocol });
    expect(await redis.set("before", String(protocol))).toBe("OK");
    expect(hostOf(redis)).toBe(old.podHost);
    const to = await switchTo(old);
    await group.until("a write at the new leader", 5_000, async () => {
      await tryToWrite(redis);
      return hostOf(redis) === to.podHost;
    });
    expect(await redis.get("before")).toBe(String(protocol));
  });

  it("reads from a replica, and hears of a change of leader by name", async () => {
    const old = await whole(group, WHOLE_MS);
    const replica = open({ protocol, role: "slave" });
    expect(await replica.get("before")).toBe(String(protocol));
    expect(hostOf(replica)).not.toBe(old.podHost);
    const [first] = group.members;
    const port = SENTINEL_PORT;
    const sentinel = new Redis({ host: first!.realHost, port, protocol, enableReadyCheck: false });
    onTestFinished(() => sentinel.disconnect());
    const heard: string[] = [];
    sentinel.on("message", (channel: string, words: string) => heard.push(`${channel} ${words}`));
    await sentinel.subscribe("+switch-master");
    const to = await switchTo(old);
    await group.until("the message", 5_000, () => heard.length > 0);
    const from = `${old.podHost} ${old.redisPort}`;
    expect(heard).toEqual([`+switch-master mymaster ${from} ${to.podHost} ${to.redisPort}`]);
  });
});

it("a client follows a failover, too, and every member tells the same", async () => {
  const old = await whole(group, WHOLE_MS);
  const redis = open({});
  expect(await redis.set("kept", "yes")).toBe("OK");
  expect(await redis.call("WAIT", "2", "1000")).toBe(2);
  await old.cutPower();
  const to = await group.leader(15_000, old);
  await group.until("a write at the new leader", 10_000, async () => {
    await tryToWrite(redis);
    return hostOf(redis) === to.podHost;
  });
  expect(await redis.get("kept")).toBe("yes");
  for (const { realHost } of group.members.filter((member) => member !== old)) {
    const sentinel = new Redis({ host: realHost, port: SENTINEL_PORT, enableReadyCheck: false });
    onTestFinished(() => sentinel.disconnect());
    const address = await sentinel.call("SENTINEL", "get-master-addr-by-name", "mymaster");
    expect(address).toEqual([to.podHost, String(to.redisPort)]);
    await expect(sentinel.call("SENTINEL", "failover", "mymaster")).rejects.toThrow("questions");
    await expect(sentinel.set("k", "v")).rejects.toThrow("unknown command");
  }
});
