import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { createLeaseStore } from "../src/index.ts";
import { GROUP, startBench, type Bench } from "./bench.ts";

let bench: Bench;
let calls = 0;
let versions: (string | undefined)[] = [];
let stop = (): void => {};

beforeEach(async () => {
  bench = await startBench();
  calls = 0;
  versions = [];
});
afterEach(async () => {
  stop();
  await bench.close();
});

function watch(watchSilenceMs = 10_000): void {
  const store = createLeaseStore({ client: bench.client, group: GROUP, watchSilenceMs });
  stop = store.watch((lease) => {
    calls += 1;
    versions.push(lease?.resourceVersion);
  });
}

function touch(name: string = GROUP): string | undefined {
  const { metadata } = bench.api.objects.put({
    apiVersion: "coordination.k8s.io/v1",
    kind: "Lease",
    metadata: { name },
    spec: {},
  });
  return metadata.resourceVersion;
}

const opened = () => bench.api.usage().find(({ verb }) => verb === "watch")?.count ?? 0;
const expectCalls = async (count: number): Promise<void> => {
  await vi.waitFor(() => expect(calls).toBe(count));
};

describe("a watch of the Lease", () => {
  test("calls when it is open, and at every change of this Lease alone", async () => {
    watch();
    await expectCalls(1);
    touch("another");
    touch();
    await expectCalls(2);
    touch();
    bench.api.objects.remove({ resource: "leases", name: GROUP });
    await expectCalls(4);
  });

  test("says the version of a change, but not of its opening and of a deletion", async () => {
    const first = touch();
    watch();
    await expectCalls(2);
    const second = touch();
    bench.api.objects.remove({ resource: "leases", name: GROUP });
    await expectCalls(4);
    expect(versions).toEqual([undefined, first, second, undefined]);
  });

  test.each([
    ["its connection is closed", () => bench.api.faults.closeConnections()],
    ["its version expires", () => bench.api.faults.expireWatches()],
  ])("opens again and calls after %s", async (_what, breakIt) => {
    watch();
    await expectCalls(1);
    breakIt();
    await vi.waitFor(() => expect(opened()).toBe(2));
    const before = calls;
    touch();
    await vi.waitFor(() => expect(calls).toBeGreaterThan(before));
  });

  test.each([401, 403, 410, 429, 500])("opens again after a refusal with %i", async (code) => {
    bench.api.faults.inject({ kind: "refuse", code }, { verbs: ["watch"], times: 2 });
    watch();
    await expectCalls(1);
    expect(opened()).toBe(3);
  });

  test("opens again when it falls silent", async () => {
    bench.api.faults.inject({ kind: "holdWatches" });
    watch(40);
    await vi.waitFor(() => expect(calls).toBeGreaterThanOrEqual(3));
  });

  test("opens again when nobody answers", async () => {
    bench.api.faults.inject({ kind: "loseRequest" }, { times: 1 });
    watch(40);
    await vi.waitFor(() => expect(calls).toBeGreaterThanOrEqual(1));
    expect(opened()).toBe(2);
  });

  test("waits between openings that end at once, so that a sick server is not flooded", async () => {
    bench.api.faults.inject({ kind: "cutRequest" });
    watch();
    await vi.waitFor(() => expect(opened()).toBe(4), { timeout: 3000 });
    const begunMs = performance.now();
    await vi.waitFor(() => expect(opened()).toBe(6), { timeout: 5000 });
    expect(performance.now() - begunMs).toBeGreaterThan(500);
  });

  test("calls no more once it is ended", async () => {
    watch();
    await expectCalls(1);
    stop();
    touch();
    bench.api.faults.closeConnections();
    const other = createLeaseStore({ client: bench.client, group: GROUP, watchSilenceMs: 10_000 });
    await other.read(1000);
    expect({ calls, opened: opened() }).toEqual({ calls: 1, opened: 1 });
  });
});
