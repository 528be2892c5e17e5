/**
 * Plain clients that keep their connection whatever Redis answers, led by a late proxy to a member
 * that does not lead (docs/failure-modes.md, G7; docs/protocol.md, 5.6).
 */
import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import type { Redis } from "ioredis";
import { afterEach, expect, it } from "vitest";
import { startGroup, type Group, type GroupMember } from "@leasehold/testkit/group";
import { connect } from "@leasehold/testkit/workload";
import { command, lastWords, whole } from "./bench.ts";

const WHOLE_MS = 20_000;
/** Longer than the 2 s for which a demoted member cuts all its clients. */
const LATE_MS = 3_000;
/** A probe, a look, and a busy machine. */
const CUT_MS = 3_000;

let group: Group | null = null;

afterEach(async ({ task }) => {
  if (group && task.result?.state === "fail") process.stderr.write(`${lastWords(group)}\n`);
  await group?.close();
});

const clientOf = ({ realHost: host, redisPort: port }: GroupMember) =>
  connect({ address: { host, port }, deadlineMs: 2_000 });

const closing = (client: Redis) =>
  new Promise<number>((resolve) => {
    client.once("close", () => resolve(performance.now()));
  });

it("a client that comes late to a demoted member is refused once and cut, and its readers stay", async () => {
  group = await startGroup({ members: 3, settings: { switchover: { maxPauseMs: 1000 } } });
  const old = await whole(group, WHOLE_MS);
  const request = { id: randomUUID(), kind: "switchover", to: null, force: false };
  group.api.objects.put({
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name: `${group.name}-control`, namespace: group.namespace },
    data: { request: JSON.stringify(request) },
  });
  await group.leader(10_000, old);
  await whole(group, WHOLE_MS);
  await sleep(LATE_MS);
  const [writer, reader] = [await clientOf(old), await clientOf(old)];
  expect(await reader.get("a")).toBeNull();
  const ended = closing(writer);
  const refusedMs = performance.now();
  await expect(writer.set("a", "1")).rejects.toThrow(/^READONLY/);
  const cutMs = (await Promise.race([ended, sleep(CUT_MS, Infinity)])) - refusedMs;
  process.stdout.write(`cut ${cutMs.toFixed(0)} ms after the refusal\n`);
  expect(cutMs).toBeLessThan(CUT_MS);
  // One that asks for confirmations: its last command is never the write.
  const careful = await clientOf(old);
  const isCut = closing(careful);
  for (let n = 0; n < 15 && careful.status === "ready"; n += 1) {
    await careful
      .pipeline()
      .set("a", "1")
      .wait(1, 100)
      .exec()
      .catch(() => undefined);
    await sleep(CUT_MS / 15);
  }
  expect(await Promise.race([isCut, sleep(0, Infinity)])).toBeLessThan(Infinity);
  // Whoever goes on misusing the member costs its readers nothing.
  for (let n = 0; n < 3; n += 1) {
    await command(old, "SET", "a", "1").catch(() => undefined);
    await sleep(500);
  }
  expect(await reader.get("a")).toBeNull();
  writer.disconnect();
  reader.disconnect();
});
