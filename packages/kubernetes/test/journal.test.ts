import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { LeaderChange } from "@leasehold/replication";
import type { KubernetesObject } from "@leasehold/testkit/fake-kubernetes-api";
import {
  createControlAnswers,
  createHistory,
  createJournal,
  type Announcement,
  type ControlAnswers,
  type Journal,
} from "../src/index.ts";
import { DEADLINE_MS, GROUP, startBench, type Bench } from "./bench.ts";

const POD = { name: "orders-0", uid: "pod-uid", nodeName: null };
const CHANGE: LeaderChange = {
  kind: "failover",
  from: "a",
  to: "orders-0",
  lostBytesMax: 0,
  writeGapMs: null,
};
const HISTORY = { resource: "configmaps", name: "orders-history" };
const CONTROL = { resource: "configmaps", name: "orders-control" };

let bench: Bench;

beforeEach(async () => {
  bench = await startBench();
});
afterEach(() => bench.close());

const dataOf = (reference: typeof HISTORY): Record<string, string> =>
  (bench.api.objects.get(reference)?.["data"] ?? {}) as Record<string, string>;
const historyLines = (): string[] => (dataOf(HISTORY)["history"] ?? "").split("\n").filter(Boolean);

function announcement(words: string, more: Partial<Announcement> = {}): Announcement {
  return { reason: "acquireExpired", epoch: 3, words, change: null, ...more };
}

describe("the history", () => {
  const entry = (epoch: number) => ({
    ...CHANGE,
    epoch,
    time: "2026-11-25T15:46:01.000Z",
    reason: "acquireExpired" as const,
    words: `change ${epoch}`,
    by: "orders-0",
  });

  test("keeps the last hundred changes, oldest first", async () => {
    const history = createHistory(bench.client, GROUP);
    for (let epoch = 1; epoch <= 103; epoch += 1) await history.append(entry(epoch), DEADLINE_MS);
    const { exists, epoch, lines } = await history.read(DEADLINE_MS);
    expect({ exists, epoch, count: lines.length }).toEqual({
      exists: true,
      epoch: 103,
      count: 100,
    });
    expect(JSON.parse(lines[0] as string)).toEqual(entry(4));
  });

  test("that does not exist says so", async () => {
    const history = createHistory(bench.client, GROUP);
    expect(await history.read(DEADLINE_MS)).toEqual({ exists: false, epoch: 0, lines: [] });
  });

  test("loses no entry of two writers at once", async () => {
    const other = createHistory(await bench.connect(), GROUP);
    const history = createHistory(bench.client, GROUP);
    await Promise.all([history.append(entry(1), DEADLINE_MS), other.append(entry(2), DEADLINE_MS)]);
    expect((await history.read(DEADLINE_MS)).lines).toHaveLength(2);
  });

  test("holds an entry once, although its first answer was lost", async () => {
    const history = createHistory(bench.client, GROUP);
    bench.api.faults.inject({ kind: "cutAnswer" }, { verbs: ["create"], times: 1 });
    await expect(history.append(entry(1), DEADLINE_MS)).rejects.toThrow("was not written");
    await history.append(entry(1), DEADLINE_MS);
    expect(historyLines()).toHaveLength(1);
  });

  test("carries lines along that it cannot read, and takes no epoch from them", async () => {
    bench.api.objects.put({
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { name: HISTORY.name },
      data: { history: 'nonsense\n{"epoch":"9"}', other: "kept" },
    });
    const history = createHistory(bench.client, GROUP);
    await history.append(entry(2), DEADLINE_MS);
    expect(await history.read(DEADLINE_MS)).toMatchObject({ epoch: 2 });
    expect(historyLines().slice(0, 2)).toEqual(["nonsense", '{"epoch":"9"}']);
    expect(dataOf(HISTORY)["other"]).toBe("kept");
  });
});

describe("the journal", () => {
  let journal: Journal;
  const events = (): KubernetesObject[] => [...bench.api.objects.list("events")];

  beforeEach(() => {
    bench.api.objects.put({
      apiVersion: "apps/v1",
      kind: "StatefulSet",
      metadata: { name: GROUP, uid: "set-uid" },
    });
    const wallClock = () => new Date("2026-11-25T15:46:01.548Z");
    journal = createJournal({ client: bench.client, group: GROUP, pod: POD, wallClock });
  });
  afterEach(() => journal.close(0));

  test("writes an Event where kubectl describe looks for it", async () => {
    journal.announce(announcement("fenced itself", { reason: "selfFence" }));
    await vi.waitFor(() => expect(events()).toHaveLength(1));
    expect(events()[0]).toMatchObject({
      involvedObject: { apiVersion: "apps/v1", kind: "StatefulSet", name: GROUP, uid: "set-uid" },
      reason: "SelfFence",
      message: "fenced itself",
      type: "Warning",
      source: { component: "leasehold", host: "orders-0" },
      count: 1,
    });
    expect(historyLines()).toEqual([]);
  });

  test("counts the same words up instead of repeating them", async () => {
    for (const words of ["same", "same", "other", "same"]) journal.announce(announcement(words));
    await vi.waitFor(() => expect(events().map(({ count }) => count)).toEqual([3, 1]));
    expect(events()[0]).toMatchObject({ type: "Normal", reason: "AcquireExpired" });
  });

  test("writes a change of the leader into the history too", async () => {
    journal.announce(announcement("took over", { change: CHANGE }));
    await vi.waitFor(() => expect(historyLines()).toHaveLength(1));
    expect(JSON.parse(historyLines()[0] as string)).toEqual({
      ...CHANGE,
      epoch: 3,
      time: "2026-11-25T15:46:01.548Z",
      reason: "acquireExpired",
      words: "took over",
      by: "orders-0",
    });
  });

  test("keeps changes, not Events, until the API is back", async () => {
    const end = bench.api.faults.inject({ kind: "cutRequest" });
    journal.announce(announcement("took over", { change: CHANGE }));
    await vi.waitFor(() => expect(journal.lost()).toBe(1));
    end();
    await vi.waitFor(() => expect(historyLines()).toHaveLength(1), { timeout: 3000 });
    expect(events()).toEqual([]);
    expect(journal.lost()).toBe(1);
  });

  test("never holds more than its bound, and counts what it dropped", async () => {
    bench.api.faults.inject({ kind: "loseRequest" });
    for (let n = 0; n < 100; n += 1) journal.announce(announcement(`event ${n}`));
    expect(journal.lost()).toBe(36);
    await journal.close(0);
    expect(journal.lost()).toBe(100);
  });

  test("writes what is left when it is closed, and nothing after that", async () => {
    journal.announce(announcement("took over", { change: CHANGE }));
    await journal.close(DEADLINE_MS);
    expect({ events: events().length, history: historyLines().length }).toEqual({
      events: 1,
      history: 1,
    });
    journal.announce(announcement("late"));
    await bench.client.request({ method: "GET", path: "/version", deadlineMs: DEADLINE_MS });
    expect(events()).toHaveLength(1);
  });
});

describe("the answer to a request", () => {
  const RESULT = { done: true, refused: false, words: "orders-1 leads" };
  let answers: ControlAnswers;

  beforeEach(() => {
    const wallClock = () => new Date("2026-11-25T15:46:01.548Z");
    answers = createControlAnswers({ client: bench.client, group: GROUP, wallClock });
  });

  function putRequest(id: string): void {
    bench.api.objects.put({
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { name: CONTROL.name },
      data: { paused: "true", request: JSON.stringify({ id, kind: "switchover" }) },
    });
  }

  test("takes the request away and leaves everything else", async () => {
    putRequest("7");
    await answers.finish("7", RESULT, DEADLINE_MS);
    const { answer, ...rest } = dataOf(CONTROL);
    expect(rest).toEqual({ paused: "true" });
    const at = "2026-11-25T15:46:01.548Z";
    expect(JSON.parse(answer as string)).toEqual({ id: "7", ...RESULT, at });
  });

  test("leaves a request alone that was put in its place", async () => {
    putRequest("8");
    await answers.finish("7", RESULT, DEADLINE_MS);
    expect(dataOf(CONTROL)).toHaveProperty("request");
    expect(dataOf(CONTROL)).not.toHaveProperty("answer");
  });

  test("is nothing when nobody ever asked here", async () => {
    await answers.finish("7", RESULT, DEADLINE_MS);
    expect(bench.api.objects.get(CONTROL)).toBeNull();
  });

  test("is told to whoever withdrew the request, once", async () => {
    const data = { paused: "true" };
    const metadata = { name: CONTROL.name };
    bench.api.objects.put({ apiVersion: "v1", kind: "ConfigMap", metadata, data });
    await answers.finish("7", RESULT, DEADLINE_MS);
    expect(JSON.parse(dataOf(CONTROL)["answer"] as string)).toMatchObject({ id: "7", ...RESULT });
    await answers.finish("7", { ...RESULT, words: "said again" }, DEADLINE_MS);
    expect(JSON.parse(dataOf(CONTROL)["answer"] as string)).toMatchObject(RESULT);
  });

  test("a pause that is over is taken away, and no other one", async () => {
    const pauseFor = JSON.stringify({ id: "p", forMs: 1000 });
    const data = { paused: "true", pauseReason: "racks", pauseFor, other: "kept" };
    const metadata = { name: CONTROL.name };
    bench.api.objects.put({ apiVersion: "v1", kind: "ConfigMap", metadata, data });
    await answers.endPause("q", DEADLINE_MS);
    expect(dataOf(CONTROL)).toEqual(data);
    await answers.endPause("p", DEADLINE_MS);
    expect(dataOf(CONTROL)).toEqual({ other: "kept" });
  });

  test("is written anew when somebody wrote in between", async () => {
    putRequest("7");
    bench.api.faults.inject({ kind: "refuse", code: 409 }, { verbs: ["update"], times: 2 });
    await answers.finish("7", RESULT, DEADLINE_MS);
    expect(dataOf(CONTROL)).toHaveProperty("answer");
  });

  test.each([
    ["conflicts without end", { kind: "refuse", code: 409 }, "changes too often"],
    ["a server that is ill", { kind: "refuse", code: 500 }, "was not written"],
  ] as const)("gives up at %s", async (_what, fault, words) => {
    putRequest("7");
    bench.api.faults.inject(fault, { verbs: ["update"] });
    await expect(answers.finish("7", RESULT, DEADLINE_MS)).rejects.toThrow(words);
  });
});
