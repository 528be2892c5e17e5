/**
 * The example as it is printed, at a real group: through a switchover nobody notices anything;
 * after the death of the primary's Redis everything that was promised is there.
 */
import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { Redis } from "ioredis";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startGroup, whole, type Group, type GroupMember } from "@leasehold/testkit/group";
import { startApplication, type Application } from "./application.ts";
import { logIn, startShoppers, type Seen, type Shoppers } from "./shoppers.ts";

const PEOPLE = 8;
const LEADER_MS = 15_000;
/**
 * No Service here: a member of the harness knows itself by another address than the one that it is
 * reached by, so that who hears of it from both takes it for two.
 */
const NOWHERE = "leasehold://127.0.0.1:1";

let group: Group;
let application: Application;
let shoppers: Shoppers;
let leader: GroupMember;
const placed: string[] = [];
let visits = { counted: 0, unknown: 0 };

beforeAll(async () => {
  group = await startGroup({ members: 3 });
  leader = await whole(group, LEADER_MS);
  const status = group.members.map(({ httpUrl }) => httpUrl).join(",");
  application = await startApplication(`${NOWHERE}?status=${status}`);
  await group.until("the application ready", LEADER_MS, async () => {
    const response = await fetch(`${application.url}/ready`);
    await response.arrayBuffer();
    return response.ok;
  });
  shoppers = await startShoppers(application.url, PEOPLE);
  await goneOn();
});

afterAll(async () => {
  await application?.stop();
  await group?.close();
});

async function switchOver(): Promise<void> {
  const old = await whole(group, LEADER_MS);
  const to = group.members.find((member) => member !== old)?.name;
  const request = { id: randomUUID(), kind: "switchover", to, force: false };
  group.api.objects.put({
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name: `${group.name}-control`, namespace: group.namespace },
    data: { request: JSON.stringify(request) },
  });
  leader = await group.leader(LEADER_MS, old);
}

/** Everybody has placed another order, and more. */
async function goneOn(): Promise<void> {
  const before = shoppers.seen().placed.length;
  await group.until("more orders", LEADER_MS, () => {
    return shoppers.seen().placed.length > before + 3 * PEOPLE;
  });
}

/** All connections that come from where no member is, but for the one that asks. */
async function cutApplication(admin: Redis): Promise<void> {
  const own = String(await admin.client("ID"));
  const clients = (await admin.client("LIST")) as string;
  const found = clients.matchAll(/^id=(\d+) addr=127\.0\.0\.1:/gm);
  const ids = [...found].flatMap(([, id = ""]) => (id === own ? [] : [id]));
  for (const id of ids) await admin.client("KILL", "ID", id);
}

/** Adds up what counts in the end, and begins anew. */
function takeStock(): Seen {
  const seen = shoppers.seen();
  placed.push(...seen.placed);
  visits = {
    counted: visits.counted + (seen.answers["POST /visits 200"] ?? 0),
    unknown: visits.unknown + (seen.answers["POST /visits 500"] ?? 0),
  };
  shoppers.reset();
  return seen;
}

const failed = ({ answers }: Seen): readonly string[] =>
  Object.entries(answers).flatMap(([what, times]) =>
    / 20[01]$/.test(what) ? [] : [`${times} × ${what}`],
  );

const describeSeen = (seen: Seen): string =>
  `${seen.placed.length} orders, the slowest took ${seen.slowestMs.toFixed(0)} ms, ` +
  `failed: ${failed(seen).join(", ") || "nothing"}`;

test("nobody may try to log in a sixth time within the minute", async () => {
  for (let n = 0; n < 5; n += 1) await logIn(application.url, "mallory");
  await expect(logIn(application.url, "mallory")).rejects.toThrow("429");
});

test("users notice nothing of a switchover, and all that they know goes along", async () => {
  takeStock();
  await switchOver();
  await goneOn();
  await expect(logIn(application.url, "mallory")).rejects.toThrow("429");
  const seen = takeStock();
  console.log(`switchover: ${describeSeen(seen)}`);
  expect(seen.placed.length).toBeGreaterThan(PEOPLE);
  expect(failed(seen)).toEqual([]);
});

test("what is unknown after a cut is asked for again, and there once in the end", async () => {
  const admin = new Redis({ host: leader.realHost, port: leader.redisPort });
  try {
    for (let n = 0; n < 10; n += 1) {
      // What is held and then cut off has no outcome that anybody could know.
      await admin.call("CLIENT", "PAUSE", "200", "WRITE");
      await sleep(30);
      await cutApplication(admin);
      await admin.call("CLIENT", "UNPAUSE");
      await sleep(100);
    }
  } finally {
    admin.disconnect();
  }
  await goneOn();
  const seen = takeStock();
  console.log(`connections cut ten times: ${describeSeen(seen)}`);
  expect(seen.answers["POST /visits 500"]).toBeGreaterThan(0);
  expect(seen.placed.length).toBeGreaterThan(PEOPLE);
  expect(seen.notSeen).toEqual([]);
});

test("after the primary's Redis was killed every order is there, once, with its mail", async () => {
  leader.redis.signal("SIGKILL");
  leader = await group.leader(LEADER_MS, leader);
  await goneOn();
  await shoppers.stop();
  const seen = takeStock();
  console.log(`Redis killed: ${describeSeen(seen)}`);
  // No session was lost: nobody was asked to log in again.
  expect(seen.answers).not.toHaveProperty("POST /orders 401");
  expect(seen.notSeen).toEqual([]);

  const redis = new Redis({ host: leader.realHost, port: leader.redisPort });
  try {
    const items = await Promise.all(placed.map((id) => redis.hget(`order:${id}`, "item")));
    expect(placed.filter((id, n) => items[n] !== `item of ${id}`)).toEqual([]);
    const counted = Number(await redis.get("visits"));
    console.log(
      `${visits.counted} visits were answered, ${visits.unknown} are unknown: ${counted}`,
    );
    // What was acknowledged just before the kill may not have reached a replica.
    expect(counted).toBeGreaterThanOrEqual(visits.counted - PEOPLE);
    expect(counted).toBeLessThanOrEqual(visits.counted + visits.unknown);
  } finally {
    redis.disconnect();
  }
  const undelivered = (): readonly string[] =>
    placed.filter((id) => !application.mails.includes(id));
  await group.until("the mails", 15_000, () => undelivered().length === 0).catch(() => {});
  const twice = application.mails.length - new Set(application.mails).size;
  console.log(
    `${placed.length} orders, ${undelivered().length} mails missing, ${twice} sent twice`,
  );
  expect(undelivered().length).toBeLessThanOrEqual(PEOPLE);
});

test("it ends when it is told to, and has complained about nothing", async () => {
  expect(await application.stop()).toBe(0);
  expect(application.complaints()).toBe("");
});

test("without any leader it starts, says so, refuses in time, and ends all the same", async () => {
  const lonely = await startApplication(NOWHERE);
  try {
    const ask = (path: string, method: string) =>
      fetch(`${lonely.url}${path}`, { method, signal: AbortSignal.timeout(5_000) });
    const ready = await ask("/ready", "GET");
    expect(ready.status).toBe(503);
    expect(await ready.text()).toMatch(/^no leader within/);
    const startedAtMs = performance.now();
    expect((await ask("/visits", "POST")).status).toBe(503);
    expect(performance.now() - startedAtMs).toBeLessThan(1_500);
  } finally {
    expect(await lonely.stop()).toBe(0);
  }
});
