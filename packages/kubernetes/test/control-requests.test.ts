import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { ControlRequest } from "@leasehold/replication";
import { createControlRequests, createGroupReader, type ControlRequests } from "../src/index.ts";
import { DEADLINE_MS, GROUP, startBench, type Bench } from "./bench.ts";

const CONTROL = { resource: "configmaps", name: "orders-control" };
const REQUEST: ControlRequest = { id: "7", kind: "switchover", to: "orders-1", force: false };

let bench: Bench;
let requests: ControlRequests;

beforeEach(async () => {
  const rules = [{ apiGroups: [""], resources: ["configmaps"], verbs: ["get"] }];
  bench = await startBench({ identities: [{ name: "reader", role: { rules } }] });
  requests = createControlRequests(bench.client, GROUP, DEADLINE_MS);
});
afterEach(() => bench.close());

const data = (): Record<string, string> =>
  (bench.api.objects.get(CONTROL)?.["data"] as Record<string, string> | undefined) ?? {};

function putControl(content: Record<string, string>): void {
  const metadata = { name: CONTROL.name };
  bench.api.objects.put({ apiVersion: "v1", kind: "ConfigMap", metadata, data: content });
}

describe("a request", () => {
  test("is the first that a group ever got", async () => {
    expect(await requests.send(REQUEST)).toEqual({ kind: "read", value: { kind: "sent" } });
    expect(JSON.parse(data()["request"]!)).toEqual(REQUEST);
    const labels = bench.api.objects.get(CONTROL)?.metadata.labels;
    expect(labels).toEqual({ "leasehold.dev/group": GROUP });
  });

  test("leaves everything else alone", async () => {
    putControl({ paused: "true", answer: "kept", other: "kept" });
    await requests.send(REQUEST);
    expect(data()).toMatchObject({ paused: "true", answer: "kept", other: "kept" });
  });

  test("does not replace one that is not answered", async () => {
    await requests.send(REQUEST);
    const sent = await requests.send({ ...REQUEST, id: "8" });
    expect(sent).toEqual({ kind: "read", value: { kind: "busy", request: REQUEST } });
    expect(JSON.parse(data()["request"]!)).toEqual(REQUEST);
  });

  test("meets one that was written between its look and its write", async () => {
    putControl({});
    bench.api.faults.inject({ kind: "refuse", code: 409 }, { verbs: ["patch"], times: 1 });
    const sending = requests.send({ ...REQUEST, id: "8" });
    putControl({ request: JSON.stringify(REQUEST) });
    expect(await sending).toMatchObject({ value: { kind: "busy" } });
  });

  test("of somebody without the right says which one it takes", async () => {
    const reader = createControlRequests(await bench.connect("reader"), GROUP, DEADLINE_MS);
    expect(await reader.send(REQUEST)).toEqual({ kind: "forbidden", right: "create configmaps" });
    putControl({});
    expect(await reader.send(REQUEST)).toEqual({ kind: "forbidden", right: "patch configmaps" });
  });

  test("that changes too often, or meets no API, has failed", async () => {
    putControl({});
    const end = bench.api.faults.inject({ kind: "refuse", code: 409 }, { verbs: ["patch"] });
    expect(await requests.send(REQUEST)).toMatchObject({ kind: "failed" });
    end();
    bench.api.faults.inject({ kind: "cutRequest" });
    expect(await requests.send(REQUEST)).toMatchObject({ kind: "failed" });
  });
});

describe("a withdrawal", () => {
  test("takes away what it means, and nothing else", async () => {
    expect(await requests.withdraw()).toEqual({ kind: "read", value: null });
    await requests.send(REQUEST);
    expect(await requests.withdraw("8")).toEqual({ kind: "read", value: null });
    expect(data()).toHaveProperty("request");
    expect(await requests.withdraw("7")).toEqual({ kind: "read", value: REQUEST });
    expect(data()).toEqual({});
  });

  test("of whatever is there needs no name", async () => {
    await requests.send(REQUEST);
    expect(await requests.withdraw()).toEqual({ kind: "read", value: REQUEST });
  });
});

test("a pause and its end leave no trace", async () => {
  putControl({ other: "kept" });
  const span = { id: "p", forMs: 1000 };
  await requests.pause({ reason: "racks", span });
  const pauseFor = JSON.stringify(span);
  expect(data()).toEqual({ paused: "true", pauseReason: "racks", pauseFor, other: "kept" });
  const wishes = await createGroupReader(bench.client, DEADLINE_MS).control(GROUP);
  expect(wishes).toMatchObject({ value: { wishes: { paused: true, pauseSpan: span } } });
  await requests.pause({ reason: null, span: null });
  expect(data()).toEqual({ paused: "true", other: "kept" });
  await requests.pause(null);
  expect(data()).toEqual({ other: "kept" });
});

test("people read of the history what can be read, oldest first", async () => {
  const entry = { epoch: 3, time: "2026-11-25T15:46:01.548Z", kind: "failover", from: "a" };
  const more = { to: "b", lostBytesMax: 5, reason: "unfence", words: "leads", by: "b" };
  const line = JSON.stringify({ ...entry, ...more });
  bench.api.objects.put({
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name: "orders-history" },
    data: { history: `nonsense\n{"epoch":2}\n${line}` },
  });
  const reader = createGroupReader(bench.client, DEADLINE_MS);
  // Written by a version that knew no gap.
  const known = { ...entry, ...more, writeGapMs: null };
  expect(await reader.history(GROUP)).toEqual({ kind: "read", value: [known] });
  expect(await reader.history("other")).toEqual({ kind: "missing" });
});
