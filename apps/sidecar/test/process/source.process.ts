/**
 * Moving in from a plain Redis that is written to all the time (docs/protocol.md, section 4.6): the
 * group follows, nobody of it takes a write, and a cutover loses nothing that was acknowledged.
 * Each test has a source and a group of its own.
 */
import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { Redis } from "ioredis";
import { afterEach, expect, it } from "vitest";
import { startGroup, type Group, type GroupMember } from "@leasehold/testkit/group";
import { command, lastWords, takesWrites, viewOf, whole } from "./bench.ts";
import {
  SOURCE_USER,
  startMover,
  startSource,
  type Mover,
  type SourceServer,
} from "./source-server.ts";

const ends: (() => Promise<unknown>)[] = [];
let group: Group | null = null;

afterEach(async ({ task }) => {
  if (task.result?.state === "fail" && group) process.stderr.write(`${lastWords(group)}\n`);
  for (const end of ends.splice(0).toReversed()) await end();
  group = null;
});

const WHOLE_MS = 20_000;
const KEYS = 20_000;

async function groupBehind(source: SourceServer, extra: object = {}): Promise<Group> {
  const { host, port, passwordFile } = source;
  const started = await startGroup({
    members: 3,
    password: "of the group",
    settings: { source: { host, port, username: SOURCE_USER, passwordFile }, ...extra },
  });
  group = started;
  ends.push(() => started.close());
  return started;
}

async function sourceWithKeys(): Promise<SourceServer> {
  const source = await startSource();
  ends.push(() => source.stop());
  const filler = `for i = 1, ${KEYS} do redis.call("SET", "old:" .. i, ARGV[1]) end`;
  await source.client().eval(filler, 0, "x".repeat(100));
  return source;
}

/** The one that copies the source, once its copy is whole and another member has it, too. */
async function follower(of: Group): Promise<GroupMember> {
  let found: GroupMember | null = null;
  await of.until("a member that follows the source", WHOLE_MS, async () => {
    const views = await Promise.all(of.members.map(viewOf));
    const index = views.findIndex((view) => {
      const redis = view?.status.redis;
      const isWhole = redis?.linkUp && !redis.syncing && !redis.rewriting;
      const isUp = view?.report.redis === "up" && view.status.phase.endsWith("until a cutover");
      return isUp && view.status.holdsLease && isWhole && redis.upstream?.host === "127.0.0.1";
    });
    found = of.members[index] ?? null;
    return found !== null;
  });
  if (!found) throw new Error("nobody follows the source");
  return found;
}

async function fullSyncsOf(member: GroupMember): Promise<number> {
  const stats = String(await command(member, "INFO", "stats"));
  return Number(/^sync_full:(\d+)/m.exec(stats)?.[1]);
}

function ask(of: Group, request: object): string {
  const id = randomUUID();
  of.api.objects.put({
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name: `${of.name}-control`, namespace: of.namespace },
    data: { request: JSON.stringify({ id, to: null, force: false, ...request }) },
  });
  return id;
}

function requestOf(of: Group): string | undefined {
  const name = `${of.name}-control`;
  const found = of.api.objects.get({ resource: "configmaps", namespace: of.namespace, name });
  return (found?.["data"] as Record<string, string> | undefined)?.["request"];
}

interface Answer {
  readonly id: string;
  readonly done: boolean;
  readonly refused: boolean;
  readonly words: string;
}

async function answerTo(of: Group, id: string, timeoutMs: number): Promise<Answer> {
  let answer: Answer | null = null;
  await of.until("an answer", timeoutMs, () => {
    const name = `${of.name}-control`;
    const found = of.api.objects.get({ resource: "configmaps", namespace: of.namespace, name });
    const data = found?.["data"] as Record<string, string> | undefined;
    answer = JSON.parse(data?.["answer"] ?? "null") as Answer | null;
    return answer?.id === id;
  });
  if (!answer) throw new Error("no answer");
  return answer;
}

/** A client of the write address, as it is now; null: it leads nowhere. */
function writeAddress(of: Group): () => Redis | null {
  const clients = new Map<GroupMember, Redis>();
  ends.push(async () => {
    for (const client of clients.values()) client.disconnect();
  });
  return () => {
    const leader = of.currentLeader();
    if (leader === null) return null;
    const { realHost: host, redisPort: port } = leader;
    const client =
      clients.get(leader) ?? new Redis({ host, port, password: leader.password ?? "" });
    client.on("error", () => undefined);
    clients.set(leader, client);
    return client;
  };
}

/** Acknowledged tokens that are not there. */
async function lostBy(member: GroupMember, movers: readonly Mover[]): Promise<readonly string[]> {
  const lists = movers.map(async ({ name, acknowledged }) => {
    const found = (await command(member, "LRANGE", name, "0", "-1")) as readonly string[];
    const held = new Set(found);
    return acknowledged.filter((token) => !held.has(token));
  });
  return (await Promise.all(lists)).flat();
}

function moversOf(source: SourceServer, next: () => Redis | null): readonly Mover[] {
  const names = Array.from({ length: 8 }, (_, index) => `mover-${index}`);
  return names.map((name) => startMover(name, source.client(), next));
}

it("a cutover under load loses no acknowledged write, and no member takes one before it", async () => {
  const source = await sourceWithKeys();
  const moving = await groupBehind(source);
  const next = writeAddress(moving);
  const movers = moversOf(source, next);
  const holder = await follower(moving);
  await moving.until("the others to follow it", WHOLE_MS, async () => {
    const views = await Promise.all(moving.members.map(viewOf));
    return views.filter((view) => view?.report.follows?.host === holder.podHost).length === 2;
  });
  const writable = await Promise.all(moving.members.map(takesWrites));
  expect(writable).toEqual([false, false, false]);
  expect(moving.currentLeader()).toBeNull();

  const copies = await fullSyncsOf(holder);
  const answer = await answerTo(moving, ask(moving, { kind: "cutover" }), 15_000);
  expect(answer).toMatchObject({ done: true });
  const counts = movers.map(({ acknowledged }) => acknowledged.length);
  await moving.until("all movers to write to the group", 10_000, () =>
    movers.every(({ acknowledged }, index) => acknowledged.length > (counts[index] ?? 0) + 50),
  );
  await Promise.all(movers.map((mover) => mover.stop()));

  expect(await whole(moving, WHOLE_MS)).toBe(holder);
  const total = movers.reduce((sum, { acknowledged }) => sum + acknowledged.length, 0);
  const gapMs = Math.max(...movers.map((mover) => mover.gapMs));
  process.stdout.write(`${total} writes acknowledged, none for ${gapMs.toFixed(0)} ms\n`);
  for (const member of moving.members) {
    expect(await lostBy(member, movers)).toEqual([]);
    expect(Number(await command(member, "DBSIZE"))).toBe(KEYS + movers.length);
  }
  // They had copied it before, and went on from there.
  expect(await fullSyncsOf(holder)).toBe(copies);
  await expect(source.client().set("late", "write")).rejects.toThrow("NOREPLICAS");
  // Data of its own: the source counts for nothing any more.
  await holder.restartPod(20_000);
  expect(await whole(moving, WHOLE_MS)).not.toBe(holder);
  const late = await answerTo(moving, ask(moving, { kind: "cutover" }), 5_000);
  expect(late).toMatchObject({ done: false, refused: false });
  expect(late.words).toContain("leave the source closed");
});

it("the member that ended a cutover is lost, and another one has every byte", async () => {
  const source = await sourceWithKeys();
  const moving = await groupBehind(source);
  // They write to the source alone, as long as it takes their writes.
  const movers = moversOf(source, () => null);
  const holder = await follower(moving);
  ask(moving, { kind: "cutover" });
  await moving.until("an address", 15_000, () => moving.currentLeader() !== null);
  await holder.cutPower();
  const lostAt = performance.now();
  await moving.until("another one to lead", 15_000, async () => {
    const leader = moving.currentLeader();
    return leader !== null && leader !== holder && (await takesWrites(leader));
  });
  const seconds = ((performance.now() - lostAt) / 1000).toFixed(1);
  await Promise.all(movers.map((mover) => mover.stop()));
  const leader = moving.currentLeader();
  if (leader === null) throw new Error("nobody leads");
  const total = movers.reduce((sum, { acknowledged }) => sum + acknowledged.length, 0);
  process.stdout.write(
    `${total} writes acknowledged by the source; led again after ${seconds} s\n`,
  );
  expect(total).toBeGreaterThan(0);
  expect(await lostBy(leader, movers)).toEqual([]);
  expect(Number(await command(leader, "DBSIZE"))).toBeGreaterThanOrEqual(KEYS);
  await moving.until("an answer", 5_000, () => requestOf(moving) === undefined);
  await expect(source.client().set("late", "write")).rejects.toThrow("NOREPLICAS");
});

it("a source is followed and closed over TLS", async () => {
  const source = await sourceWithKeys();
  const { host, tlsPort: port, caFile, passwordFile } = source;
  const over = { host, port, username: SOURCE_USER, passwordFile, tls: { caFile } };
  const moving = await groupBehind(source, { source: over });
  const holder = await follower(moving);
  await source.client().set("last", "write");
  const answer = await answerTo(moving, ask(moving, { kind: "cutover" }), 15_000);
  expect(answer).toMatchObject({ done: true });
  expect(await command(holder, "GET", "last")).toBe("write");
  expect(Number(await command(holder, "DBSIZE"))).toBe(KEYS + 1);
  await expect(source.client().set("late", "write")).rejects.toThrow("NOREPLICAS");
});

it("a cutover waits for every member's word, and the source stays open until then", async () => {
  const source = await sourceWithKeys();
  const moving = await groupBehind(source);
  const holder = await follower(moving);
  const other = moving.members.find((member) => member !== holder);
  await other?.cutPower();
  await moving.until("the silence to be noticed", 5_000, async () => {
    const view = await viewOf(holder);
    return view?.status.peers.length === 1;
  });
  const refused = await answerTo(moving, ask(moving, { kind: "cutover" }), 5_000);
  expect(refused).toMatchObject({ done: false, refused: true });
  expect(refused.words).toContain("is silent");
  expect(await source.client().set("still", "open")).toBe("OK");
  other?.powerOn({ samePod: true });
});

it("who follows a source goes on after a crash of its sidecar, its Redis and its pod", async () => {
  const source = await sourceWithKeys();
  const moving = await groupBehind(source);
  let holder = await follower(moving);
  await holder.sidecar.stop("SIGKILL", 0);
  holder.sidecar.start();
  expect(await follower(moving)).toBe(holder);
  holder.redis.signal("SIGKILL");
  await moving.until("the new Redis", 5_000, async () => {
    return (await viewOf(holder))?.report.redis !== "up";
  });
  expect(await follower(moving)).toBe(holder);
  await holder.restartPod(20_000);
  holder = await follower(moving);
  await source.client().set("after", "all that");
  const answer = await answerTo(moving, ask(moving, { kind: "cutover" }), 15_000);
  expect(answer).toMatchObject({ done: true });
  expect(await command(holder, "GET", "after")).toBe("all that");
  await whole(moving, WHOLE_MS);
});

const DEATHS = [
  ["sidecar", 40],
  ["redis", 60],
] as const;

it.each(DEATHS)("a cutover whose %s dies after %d ms loses nothing either", async (who, ms) => {
  const source = await sourceWithKeys();
  const moving = await groupBehind(source);
  const next = writeAddress(moving);
  const client = source.client();
  const movers = moversOf(source, () => next() ?? client);
  const holder = await follower(moving);
  ask(moving, { kind: "cutover" });
  await sleep(ms);
  if (who === "redis") holder.redis.signal("SIGKILL");
  else await holder.sidecar.stop("SIGKILL", 0);
  if (who === "sidecar") holder.sidecar.start();
  const leads = async (): Promise<boolean> => {
    const leader = moving.currentLeader();
    return leader !== null && (await takesWrites(leader));
  };
  await moving.until("an end of the cutover", 30_000, async () => {
    const isOpen = await source
      .client()
      .set("open", "1")
      .catch(() => "no");
    const isLed = await leads();
    if (isOpen === "OK" && isLed) throw new Error("both take writes");
    return isLed || (isOpen === "OK" && requestOf(moving) === undefined);
  });
  const isLed = await leads();
  process.stdout.write(`${who} died after ${ms} ms: ${isLed ? "the group leads" : "it goes on"}\n`);
  if (!isLed) {
    await follower(moving);
    const answer = await answerTo(moving, ask(moving, { kind: "cutover" }), 20_000);
    expect(answer).toMatchObject({ done: true });
  }
  await Promise.all(movers.map((mover) => mover.stop()));
  const leader = await whole(moving, WHOLE_MS);
  expect(await lostBy(leader, movers)).toEqual([]);
});
