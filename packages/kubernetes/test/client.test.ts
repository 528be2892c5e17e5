import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { WatchEnd, WatchEvent } from "../src/api/watch-stream.ts";
import { DEADLINE_MS, startBench, type Bench } from "./bench.ts";

const VERSION = { method: "GET", path: "/version", deadlineMs: DEADLINE_MS } as const;
const PODS = "/api/v1/namespaces/default/pods";

let bench: Bench;

beforeEach(async () => {
  bench = await startBench();
});
afterEach(() => bench.close());

describe("a request", () => {
  test("brings code and JSON", async () => {
    expect(await bench.client.request(VERSION)).toMatchObject({
      kind: "answered",
      status: 200,
      body: { major: "1" },
      retryAfterMs: null,
    });
  });

  test("brings Retry-After in milliseconds", async () => {
    bench.api.faults.inject({ kind: "refuse", code: 429, retryAfterSeconds: 2 });
    expect(await bench.client.request(VERSION)).toMatchObject({ status: 429, retryAfterMs: 2000 });
  });

  test("that was cut fails in words", async () => {
    bench.api.faults.inject({ kind: "cutRequest" });
    const failed = { kind: "failed", message: "socket hang up" };
    expect(await bench.client.request(VERSION)).toEqual(failed);
  });

  test("that hangs takes its connection with it: the next one is answered", async () => {
    await bench.client.request(VERSION);
    bench.api.faults.inject({ kind: "loseRequest" }, { times: 1 });
    const late = await bench.client.request({ ...VERSION, deadlineMs: 50 });
    expect(late).toEqual({ kind: "failed", message: "no answer within 50 ms" });
    await vi.waitFor(() => expect(bench.api.connections()).toBe(0));
    expect(await bench.client.request(VERSION)).toMatchObject({ status: 200 });
  });

  test("fails at once when the client is closed", async () => {
    bench.api.faults.inject({ kind: "loseRequest" });
    const hanging = bench.client.request(VERSION);
    await vi.waitFor(() => expect(bench.api.usage()).toEqual([]));
    bench.client.close();
    expect(await hanging).toMatchObject({ kind: "failed" });
  });
});

describe("a watch", () => {
  interface Heard {
    readonly opened: number[];
    readonly events: WatchEvent[];
    readonly ends: WatchEnd[];
  }

  function listen(silenceMs = DEADLINE_MS): { heard: Heard; stop: () => void } {
    const heard: Heard = { opened: [], events: [], ends: [] };
    const call = { path: PODS, query: { watch: "true" }, silenceMs };
    const stop = bench.client.watch(call, {
      opened: () => void heard.opened.push(1),
      event: (event) => void heard.events.push(event),
      ended: (end) => void heard.ends.push(end),
    });
    return { heard, stop };
  }

  function putPod(name: string): void {
    bench.api.objects.put({ apiVersion: "v1", kind: "Pod", metadata: { name } });
  }

  test("hands on each event", async () => {
    const { heard, stop } = listen();
    await vi.waitFor(() => expect(heard.opened).toHaveLength(1));
    putPod("a");
    putPod("b");
    await vi.waitFor(() => expect(heard.events).toHaveLength(2));
    expect(heard.events[1]).toMatchObject({ type: "ADDED", object: { metadata: { name: "b" } } });
    stop();
  });

  test("joins an event that comes in pieces, in any alphabet", async () => {
    const { heard, stop } = listen();
    await vi.waitFor(() => expect(heard.opened).toHaveLength(1));
    const note = "ж".repeat(200_000);
    bench.api.objects.put({ apiVersion: "v1", kind: "Pod", metadata: { name: "a" }, note });
    await vi.waitFor(() => expect(heard.events).toHaveLength(1));
    expect(heard.events[0]).toMatchObject({ object: { note } });
    stop();
  });

  test("says once how it was refused", async () => {
    bench.api.faults.inject({ kind: "refuse", code: 429, retryAfterSeconds: 1 });
    const { heard } = listen();
    await vi.waitFor(() => expect(heard.ends).toHaveLength(1));
    expect(heard).toMatchObject({ opened: [], ends: [{ status: 429, retryAfterMs: 1000 }] });
  });

  test.each([
    ["its connection is closed", () => bench.api.faults.closeConnections()],
    ["its version expires", () => bench.api.faults.expireWatches()],
  ])("ends once when %s", async (_what, breakIt) => {
    const { heard } = listen();
    await vi.waitFor(() => expect(heard.opened).toHaveLength(1));
    breakIt();
    await vi.waitFor(() => expect(heard.ends).toHaveLength(1));
    expect(heard.ends[0]?.status).toBeNull();
  });

  test("ends when it falls silent", async () => {
    const { heard } = listen(50);
    await vi.waitFor(() => expect(heard.ends).toHaveLength(1));
    expect(heard).toMatchObject({ opened: [1], ends: [{ message: "the watch fell silent" }] });
  });

  test("that is stopped says nothing more", async () => {
    const { heard, stop } = listen();
    await vi.waitFor(() => expect(heard.opened).toHaveLength(1));
    stop();
    putPod("a");
    await bench.client.request(VERSION);
    expect(heard).toEqual({ opened: [1], events: [], ends: [] });
  });
});
