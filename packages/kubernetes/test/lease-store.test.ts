import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { LeaseRecord, LeaseStore, VersionedLease } from "@leasehold/election";
import type { KubernetesObject } from "@leasehold/testkit/fake-kubernetes-api";
import { createLeaseStore } from "../src/index.ts";
import { DEADLINE_MS, GROUP, startBench, type Bench } from "./bench.ts";

const RECORD: LeaseRecord = {
  holder: "orders-0_u_n",
  durationMs: 5000,
  transitions: 0,
  epoch: 1,
  attempt: "n.1",
  lineage: [],
  members: {},
  position: null,
  handover: null,
  released: null,
  paused: false,
};
const LEASE = { resource: "leases", name: GROUP };
const SHORT_MS = 60;

let bench: Bench;
let store: LeaseStore;
let counter = 1;

beforeEach(async () => {
  bench = await startBench();
  store = createLeaseStore({ client: bench.client, group: GROUP, watchSilenceMs: 10_000 });
});
afterEach(() => bench.close());

/** No two bodies are equal. */
function next(): LeaseRecord {
  counter += 1;
  return { ...RECORD, attempt: `n.${counter}` };
}

async function created(): Promise<VersionedLease> {
  const outcome = await store.write({ record: next(), base: null, acquires: true }, DEADLINE_MS, 0);
  if (outcome.kind !== "committed") throw new Error(JSON.stringify(outcome));
  return outcome.lease;
}

const renew = (base: VersionedLease, deadlineMs = DEADLINE_MS) =>
  store.write({ record: next(), base, acquires: false }, deadlineMs, 1);
const attemptStored = () =>
  bench.api.objects.get(LEASE)?.metadata.annotations?.["leasehold.dev/attempt"];

describe("reading", () => {
  test("a Lease that is there", async () => {
    const lease = await created();
    expect(await store.read(DEADLINE_MS)).toEqual({ kind: "present", lease });
  });

  test("a Lease that is not there is missing", async () => {
    expect(await store.read(DEADLINE_MS)).toEqual({ kind: "missing" });
  });

  test.each([401, 403, 404, 429, 500, 503])(
    "answered with a foreign %i has failed",
    async (code) => {
      bench.api.faults.inject({ kind: "refuse", code });
      expect(await store.read(DEADLINE_MS)).toMatchObject({ kind: "failed", status: code });
    },
  );

  test("without an answer ends at its deadline", async () => {
    bench.api.faults.inject({ kind: "loseRequest" });
    const begunMs = performance.now();
    const outcome = await store.read(SHORT_MS);
    expect(outcome).toEqual({
      kind: "failed",
      status: null,
      message: `no answer within ${SHORT_MS} ms`,
    });
    expect(performance.now() - begunMs).toBeLessThan(SHORT_MS + 500);
  });
});

describe("writing", () => {
  test("creates by POST only, and only once", async () => {
    await created();
    const again = store.write({ record: next(), base: null, acquires: true }, DEADLINE_MS, 0);
    expect(await again).toEqual({ kind: "conflict" });
  });

  test("moves from version to version", async () => {
    const first = await created();
    const second = await renew(first);
    expect(second).toMatchObject({ kind: "committed", lease: { uid: first.uid } });
    expect(await renew(first)).toEqual({ kind: "conflict" });
  });

  test("keeps what others wrote on the version that it replaces", async () => {
    await created();
    const object = bench.api.objects.get(LEASE) as KubernetesObject;
    const annotations = { ...object.metadata.annotations, "example.com/note": "keep" };
    bench.api.objects.put({ ...object, metadata: { ...object.metadata, annotations } });
    const read = await store.read(DEADLINE_MS);
    if (read.kind !== "present") throw new Error(read.kind);
    expect((await renew(read.lease)).kind).toBe("committed");
    const stored = bench.api.objects.get(LEASE)?.metadata.annotations;
    expect(stored).toHaveProperty("example.com/note", "keep");
  });

  test("of a deleted Lease is refused and does not create it", async () => {
    const lease = await created();
    bench.api.objects.remove(LEASE);
    expect(await renew(lease)).toEqual({ kind: "conflict" });
    expect(bench.api.objects.get(LEASE)).toBeNull();
  });

  test("over a version that it never saw is refused without being sent", async () => {
    const lease = await created();
    const before = bench.api.usage();
    expect(await renew({ ...lease, resourceVersion: "1" })).toEqual({ kind: "conflict" });
    expect(bench.api.usage()).toEqual(before);
  });

  test("without a version to replace is a bug", async () => {
    const lease = await created();
    await expect(renew({ ...lease, uid: "" })).rejects.toThrow("needs uid and resourceVersion");
    const unversioned = renew({ ...lease, resourceVersion: "" });
    await expect(unversioned).rejects.toThrow("needs uid and resourceVersion");
  });

  test("what the server calls invalid is invalid", async () => {
    const lease = await created();
    const record = { ...next(), transitions: -1 };
    const outcome = await store.write({ record, base: lease, acquires: false }, DEADLINE_MS, 0);
    expect(outcome).toMatchObject({ kind: "invalid" });
  });

  test.each([400, 401, 403, 404, 410, 429, 500, 503, 504])(
    "answered with %i is unknown",
    async (code) => {
      const lease = await created();
      bench.api.faults.inject({ kind: "refuse", code });
      expect(await renew(lease)).toMatchObject({ kind: "unknown", status: code });
    },
  );

  test.each([409, 422])("answered with %i by a proxy is unknown", async (code) => {
    const lease = await created();
    bench.api.faults.inject({ kind: "refuse", code, text: "<html>no</html>" });
    expect(await renew(lease)).toMatchObject({ kind: "unknown", status: code });
  });

  test.each(["loseRequest", "loseAnswer", "cutRequest", "cutAnswer"] as const)(
    "%s is unknown",
    async (kind) => {
      const lease = await created();
      bench.api.faults.inject({ kind });
      expect(await renew(lease, SHORT_MS)).toMatchObject({ kind: "unknown", status: null });
    },
  );

  test("to a server that is gone is unknown", async () => {
    const lease = await created();
    await bench.api.close();
    expect(await renew(lease)).toMatchObject({ kind: "unknown", status: null });
  });

  test("that was given up is never sent again", async () => {
    const lease = await created();
    bench.api.faults.inject({ kind: "cutRequest" }, { times: 1 });
    await renew(lease);
    await store.read(DEADLINE_MS);
    expect(bench.api.usage().find(({ verb }) => verb === "update")?.count).toBe(1);
  });

  test("may commit after it was given up, and then defeats what was built on the old version", async () => {
    const lease = await created();
    const end = bench.api.faults.inject({ kind: "delayRequest", ms: 2 * SHORT_MS });
    expect(await renew(lease, SHORT_MS)).toMatchObject({ kind: "unknown" });
    end();
    const attempt = `n.${counter}`;
    await vi.waitFor(() => expect(attemptStored()).toBe(attempt));
    expect(await renew(lease)).toEqual({ kind: "conflict" });
  });
});

describe("a try that hangs", () => {
  test("does not hold up the next one, on its own connection or another", async () => {
    const lease = await created();
    bench.api.faults.inject({ kind: "delayAnswer", ms: 500 }, { verbs: ["update"], times: 1 });
    const hanging = renew(lease);
    await vi.waitFor(() => expect(attemptStored()).toBe(`n.${counter}`));
    const begunMs = performance.now();
    const sameLane = await renew(lease);
    const read = await store.read(DEADLINE_MS);
    expect(performance.now() - begunMs).toBeLessThan(400);
    expect([sameLane.kind, read.kind]).toEqual(["conflict", "present"]);
    expect((await hanging).kind).toBe("committed");
  });
});

describe("a Lease that client-go holds", () => {
  test("is read, and taken over without losing what it cannot read", async () => {
    bench.api.objects.put({
      apiVersion: "coordination.k8s.io/v1",
      kind: "Lease",
      metadata: { name: GROUP, labels: { app: "other" } },
      spec: {
        holderIdentity: "other_1",
        leaseDurationSeconds: 15,
        leaseTransitions: 4,
        acquireTime: "2026-11-25T15:46:01.548123Z",
        renewTime: "2026-11-25T15:46:01.548123Z",
      },
    });
    const read = await store.read(DEADLINE_MS);
    if (read.kind !== "present") throw new Error(read.kind);
    expect(read.lease.record).toMatchObject({ holder: "other_1", durationMs: 15_000 });
    const record = { ...next(), transitions: 5 };
    const write = { record, base: read.lease, acquires: true };
    expect((await store.write(write, DEADLINE_MS, 0)).kind).toBe("committed");
    const { metadata, ...object } = bench.api.objects.get(LEASE) as KubernetesObject;
    expect(metadata.labels).toHaveProperty("app", "other");
    expect(object["spec"]).toMatchObject({
      holderIdentity: RECORD.holder,
      leaseDurationSeconds: 5,
      leaseTransitions: 5,
      acquireTime: expect.stringMatching(/\.\d{6}Z$/),
      renewTime: expect.stringMatching(/\.\d{6}Z$/),
    });
  });
});
