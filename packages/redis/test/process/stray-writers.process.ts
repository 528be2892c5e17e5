/** Clients that write to a replica are cut, and nobody else (docs/protocol.md, 5.6). */
import type { Redis } from "ioredis";
import { afterEach, expect, it } from "vitest";
import type { RedisServer } from "@leasehold/replication";
import { connect, infoOf, processOf, startRedis, stopAll, until } from "./real-redis.ts";

afterEach(stopAll);

const CUT = { kind: "cutWriters", scripts: false } as const;
const WRITING_SCRIPT = "return redis.call('set', KEYS[1], 'x')";

async function cutWriters(server: RedisServer): Promise<void> {
  const outcome = await server.role(CUT, await processOf(server), 1_000);
  expect(outcome.ok ? "" : outcome.message).toBe("");
}

const isOpen = (client: Redis): boolean => client.status === "ready";

async function closed(client: Redis): Promise<void> {
  await until(() => Promise.resolve(client.status === "end"), 1_000);
}

it("tells refused writes by their number, and cuts who wrote last, not who reads", async () => {
  const redis = await startRedis();
  const server = connect({ socket: redis.socket });
  let lost = 0;
  server.onClosed(() => (lost += 1));
  const before = (await infoOf(server)).refusedWrites;
  expect(before).toBe(0);
  const [set, queue] = [redis.client(), redis.client()];
  const [reader, script, listener] = [redis.client(), redis.client(), redis.client()];
  await expect(set.set("a", "1")).rejects.toThrow(/^READONLY/);
  await expect(queue.call("xgroup", "create", "s", "g", "$", "mkstream")).rejects.toThrow(
    /^READONLY/,
  );
  await reader.get("a");
  await script.eval("return 1", 0);
  await listener.subscribe("news");
  await until(async () => ((await infoOf(server)).refusedWrites ?? 0) >= 2);
  await cutWriters(server);
  await closed(set);
  await closed(queue);
  expect(await reader.get("a")).toBeNull();
  expect(await script.eval("return 1", 0)).toBe(1);
  expect([reader, script, listener].every(isOpen)).toBe(true);
  expect(lost).toBe(0);
});

it("cuts who ran scripts and transactions where nobody else wrote", async () => {
  const redis = await startRedis();
  const server = connect({ socket: redis.socket });
  const [reader, script, transaction] = [redis.client(), redis.client(), redis.client()];
  await reader.get("a");
  await expect(script.eval(WRITING_SCRIPT, 1, "a")).rejects.toThrow(/READONLY|read only/);
  await expect(transaction.multi().set("a", "1").exec()).rejects.toThrow(/EXECABORT/);
  await cutWriters(server);
  await closed(script);
  await closed(transaction);
  expect(await reader.get("a")).toBeNull();
});

it("cuts nobody of a primary", async () => {
  const redis = await startRedis();
  const server = connect({ socket: redis.socket });
  const promote = { kind: "promote", epoch: 1, pauseMs: 1 } as const;
  expect((await server.role(promote, await processOf(server), 1_000)).ok).toBe(true);
  const writer = redis.client();
  await writer.set("a", "1");
  await cutWriters(server);
  expect(await writer.get("a")).toBe("1");
});
