/**
 * Closings and openings of a source over ways that are slow, or while it is busy: they take effect
 * in the order in which they were decided (docs/protocol.md, section 4.6).
 */
import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { createRedisSource, type RedisSource } from "@leasehold/redis";
import { afterEach, expect, it } from "vitest";
import { oneByOne } from "../../src/source/source.ts";
import { startSource, type SourceServer } from "./source-server.ts";

const DEADLINE_MS = 3_000;
const LATE_MS = 800;
const WHOLE_MS = 10_000;

const ends: (() => unknown)[] = [];

afterEach(async () => {
  for (const end of ends.splice(0).toReversed()) await end();
});

async function source(): Promise<SourceServer> {
  const started = await startSource();
  ends.push(() => started.stop());
  return started;
}

function ordered(port: number): RedisSource {
  const log = { warn: () => undefined, error: () => undefined };
  return oneByOne(async () => createRedisSource({ host: "127.0.0.1", port }), log);
}

/** A way to the source whose first connection sends late what matches. */
async function slowWay(to: number, late: RegExp): Promise<number> {
  let count = 0;
  const open = new Set<Socket>();
  const way = createServer((replica) => {
    const isSlow = count === 0;
    count += 1;
    const upstream = connect(to, "127.0.0.1");
    upstream.pipe(replica);
    for (const socket of [replica, upstream]) {
      open.add(socket);
      socket.on("error", () => undefined);
    }
    replica.on("data", (data) => {
      const waitMs = isSlow && late.test(data.toString()) ? LATE_MS : 0;
      setTimeout(() => upstream.write(data), waitMs);
    });
  }).listen(0, "127.0.0.1");
  await once(way, "listening");
  ends.push(() => {
    for (const socket of open) socket.destroy();
    way.close();
  });
  return (way.address() as AddressInfo).port;
}

it("an opening that is decided while a closing is under way comes after it", async () => {
  const old = await source();
  const asked = ordered(await slowWay(old.port, /CONFIG\r\n\$3\r\nSET/i));
  const closing = asked.stand(true, DEADLINE_MS);
  await sleep(200);
  expect(await asked.reopen(DEADLINE_MS)).toBeNull();
  expect(await closing).toMatchObject({ kind: "stands" });
  expect(await old.client().set("open", "1")).toBe("OK");
});

it("a source that was busy when it was to be opened is opened later", async () => {
  const old = await source();
  const asked = ordered(old.port);
  expect(await asked.stand(true, DEADLINE_MS)).toMatchObject({ kind: "stands" });
  await expect(old.client().set("closed", "1")).rejects.toThrow("NOREPLICAS");
  old.signal("SIGSTOP");
  expect(await asked.reopen(300)).toContain("the source");
  old.signal("SIGCONT");
  await expect
    .poll(() => old.client().set("open", "1").catch(String), { timeout: WHOLE_MS, interval: 100 })
    .toBe("OK");
});

it("no late opening opens what a later cutover has closed", async () => {
  const old = await source();
  const asked = ordered(await slowWay(old.port, /./));
  const opening = asked.reopen(DEADLINE_MS);
  await sleep(100);
  expect(await asked.stand(true, 2 * DEADLINE_MS)).toMatchObject({ kind: "stands" });
  await opening;
  await expect(old.client().set("late", "1")).rejects.toThrow("NOREPLICAS");
});

it("a newer closing ends the tries to open", async () => {
  const old = await source();
  const asked = ordered(old.port);
  old.signal("SIGSTOP");
  expect(await asked.reopen(300)).toContain("the source");
  old.signal("SIGCONT");
  expect(await asked.stand(true, DEADLINE_MS)).toMatchObject({ kind: "stands" });
  await sleep(3_000);
  await expect(old.client().set("late", "1")).rejects.toThrow("NOREPLICAS");
});
