import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { ControlObservation, PodsObservation, SliceObservation } from "@leasehold/replication";
import { createGroupWatcher, createSliceStore } from "../src/index.ts";
import { DEADLINE_MS, GROUP, startBench, type Bench } from "./bench.ts";

const POD = { name: "orders-0", uid: "u", nodeName: null };
const PORTS = { redisPort: 6379, peerPort: 8009 };
const LABELS = { "leasehold.dev/group": GROUP, "controller-revision-hash": "rev-1" };

interface Seen {
  readonly pods: PodsObservation[];
  readonly slices: SliceObservation[];
  readonly controls: ControlObservation[];
}

let bench: Bench;
let watcher: ReturnType<typeof createGroupWatcher>;
let seen: Seen;

beforeEach(async () => {
  bench = await startBench();
  seen = { pods: [], slices: [], controls: [] };
  bench.api.objects.put({
    apiVersion: "v1",
    kind: "Service",
    metadata: { name: GROUP },
    spec: { ipFamilies: ["IPv4"], ports: [{ name: "redis", port: 6379 }] },
  });
  putStatefulSet(3);
  const { client } = bench;
  const slices = createSliceStore({ client, group: GROUP, pod: POD, podIps: [] });
  watcher = createGroupWatcher({ client, group: GROUP, ports: PORTS, slices });
});
afterEach(async () => {
  watcher.stop();
  await bench.close();
});

function start(): void {
  watcher.start({
    pods: (pods) => void seen.pods.push(pods),
    slice: (slice) => void seen.slices.push(slice),
    control: (control) => void seen.controls.push(control),
  });
}

function putStatefulSet(replicas: number): void {
  bench.api.objects.put({
    apiVersion: "apps/v1",
    kind: "StatefulSet",
    metadata: { name: GROUP },
    spec: { replicas },
    status: { updateRevision: "rev-2" },
  });
}

interface PodFields {
  readonly metadata?: object;
  readonly status?: object;
}

function putPod(name: string, { metadata = {}, status = {} }: PodFields = {}): void {
  bench.api.objects.put({
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, uid: `uid-of-${name}`, labels: LABELS, ...metadata },
    spec: { nodeName: "n" },
    status: { podIP: "10.0.0.10", ...status },
  });
}

function putControl(data: Record<string, string>): void {
  bench.api.objects.put({
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name: "orders-control" },
    data,
  });
}

function putSlice(host: string): void {
  bench.api.objects.put({
    apiVersion: "discovery.k8s.io/v1",
    kind: "EndpointSlice",
    metadata: { name: "orders-ipv4", annotations: { "leasehold.dev/epoch": "2" } },
    addressType: "IPv4",
    endpoints: [{ addresses: [host] }],
    ports: [{ name: "redis", port: 6379 }],
  });
}

const terminated = (reason: string) => ({ terminated: { exitCode: 0, reason } });
const containers = (redis: object, leasehold: object) => ({
  containerStatuses: [{ name: "redis", state: redis }],
  initContainerStatuses: [{ name: "leasehold", state: leasehold }],
});

describe("pods", () => {
  test("come as one observation with the StatefulSet", async () => {
    putPod("orders-0");
    start();
    await vi.waitFor(() => expect(seen.pods).toHaveLength(1));
    expect(seen.pods[0]).toEqual({
      pods: [
        {
          member: "orders-0",
          uid: "uid-of-orders-0",
          address: { host: "10.0.0.10", port: 6379 },
          peerPort: 8009,
          terminating: false,
          graceMs: null,
          dead: false,
          revision: "rev-1",
        },
      ],
      replicas: 3,
      updateRevision: "rev-2",
    });
  });

  test("come anew when one comes, changes or goes, with the StatefulSet as it is then", async () => {
    start();
    await vi.waitFor(() => expect(seen.pods).toHaveLength(1));
    putStatefulSet(2);
    const deletionTimestamp = "2026-11-25T15:46:01Z";
    putPod("orders-0", { metadata: { deletionTimestamp, deletionGracePeriodSeconds: 60 } });
    await vi.waitFor(() =>
      expect(seen.pods.at(-1)).toMatchObject({
        pods: [{ terminating: true, graceMs: 60_000 }],
        replicas: 2,
      }),
    );
    bench.api.objects.remove({ resource: "pods", name: "orders-0" });
    await vi.waitFor(() => expect(seen.pods.at(-1)?.pods).toEqual([]));
  });

  test("of a burst are seen as they are in the end", async () => {
    start();
    for (let ordinal = 0; ordinal < 20; ordinal += 1) putPod(`orders-${ordinal}`);
    await vi.waitFor(() => expect(seen.pods.at(-1)?.pods).toHaveLength(20));
  });

  test("without an IP have no address", async () => {
    putPod("orders-0", { status: { podIP: "" } });
    start();
    await vi.waitFor(() => expect(seen.pods.at(-1)?.pods[0]?.address).toBeNull());
  });

  test("that are no members are left out", async () => {
    for (const name of ["orders-0-test", "orders-test-write", "orders"]) putPod(name);
    putPod("orders-1", { metadata: { name: "orders-1", labels: {} } });
    putPod("orders-2");
    start();
    await vi.waitFor(() => expect(seen.pods).not.toHaveLength(0));
    expect(seen.pods.at(-1)?.pods.map(({ member }) => member)).toEqual(["orders-2"]);
  });

  test("are seen once the StatefulSet can be read", async () => {
    const statefulSets = { resource: "statefulsets", times: 1 };
    bench.api.faults.inject({ kind: "refuse", code: 500 }, statefulSets);
    putPod("orders-0");
    start();
    await vi.waitFor(() => expect(seen.pods).toHaveLength(1), { timeout: 3000 });
  });
});

describe("a pod counts as dead", () => {
  const ended = terminated("Completed");
  test.each([
    ["when both containers have ended", containers(ended, ended), true],
    ["not while one runs", containers(ended, { running: {} }), false],
    ["not while one waits to start again", containers({ waiting: {} }, ended), false],
    ["not by a guess", containers(ended, terminated("ContainerStatusUnknown")), false],
    ["not by its phase", { phase: "Failed" }, false],
  ])("%s", async (_when, status, dead) => {
    putPod("orders-0", { status });
    const { pods } = await watcher.readPods(DEADLINE_MS);
    expect(pods.map((pod) => pod.dead)).toEqual([dead]);
  });
});

describe("reading pods", () => {
  test("rejects when the API does not answer in time", async () => {
    bench.api.faults.inject({ kind: "loseRequest" });
    await expect(watcher.readPods(50)).rejects.toThrow("no answer within 50 ms");
  });

  test("goes on without the StatefulSet as it was, and rejects one that was never there", async () => {
    const statefulSet = { resource: "statefulsets", name: GROUP };
    putPod("orders-0");
    start();
    await vi.waitFor(() => expect(seen.pods).toHaveLength(1));
    bench.api.objects.remove(statefulSet);
    putPod("orders-1");
    await vi.waitFor(() => expect(seen.pods.at(-1)?.pods).toHaveLength(2));
    expect(await watcher.readPods(DEADLINE_MS)).toMatchObject({ replicas: 3 });
    const { client } = bench;
    const slices = createSliceStore({ client, group: GROUP, pod: POD, podIps: [] });
    const late = createGroupWatcher({ client, group: GROUP, ports: PORTS, slices });
    await expect(late.readPods(DEADLINE_MS)).rejects.toThrow("StatefulSet orders was not read");
  });
});

describe("slices", () => {
  test("come as they are, and with every change", async () => {
    start();
    await vi.waitFor(() => expect(seen.slices).toMatchObject([{ version: null }]));
    putSlice("10.0.0.10");
    putSlice("10.0.0.11");
    await vi.waitFor(() =>
      expect(seen.slices.slice(1)).toMatchObject([
        { epoch: 2, address: { host: "10.0.0.10" } },
        { epoch: 2, address: { host: "10.0.0.11" } },
      ]),
    );
  });

  test("are watched once the write Service is there", async () => {
    bench.api.objects.remove({ resource: "services", name: GROUP });
    start();
    await vi.waitFor(() => expect(seen.controls).toHaveLength(1));
    bench.api.objects.put({
      apiVersion: "v1",
      kind: "Service",
      metadata: { name: GROUP },
      spec: { ipFamilies: ["IPv4"], ports: [{ name: "redis", port: 6379 }] },
    });
    await vi.waitFor(() => expect(seen.slices).toHaveLength(1), { timeout: 3000 });
  });

  test("may be replaced at the version that the watch saw", async () => {
    const { client } = bench;
    const slices = createSliceStore({ client, group: GROUP, pod: POD, podIps: [] });
    watcher = createGroupWatcher({ client, group: GROUP, ports: PORTS, slices });
    putSlice("10.0.0.10");
    start();
    await vi.waitFor(() => expect(seen.slices).toHaveLength(1));
    const { version } = seen.slices[0] as SliceObservation;
    const address = { host: "10.0.0.11", port: 6379 };
    const write = { epoch: 3, holder: "h", lineage: [], address, member: "orders-0", version };
    expect((await slices.write(write, DEADLINE_MS)).kind).toBe("committed");
  });
});

describe("control", () => {
  test("is empty without its ConfigMap", async () => {
    start();
    const empty = { paused: false, pauseSpan: null, request: null, forgotten: [] };
    await vi.waitFor(() => expect(seen.controls).toEqual([empty]));
  });

  test("brings what people ask for", async () => {
    start();
    await vi.waitFor(() => expect(seen.controls).toHaveLength(1));
    const request = { id: "1", kind: "cutover", to: "orders-1", force: false, alone: true };
    putControl({
      paused: "true",
      request: JSON.stringify(request),
      forgotten: JSON.stringify(["orders-2"]),
    });
    const expected = { paused: true, pauseSpan: null, request, forgotten: ["orders-2"] };
    await vi.waitFor(() => expect(seen.controls.at(-1)).toEqual(expected));
  });

  test.each(["{", "7", '{"id":"1","kind":"reboot"}', '{"kind":"switchover"}', '{"id":""}'])(
    "takes %s for no request",
    async (request) => {
      putControl({ request, forgotten: '["a",7]' });
      start();
      const empty = { paused: false, pauseSpan: null, request: null, forgotten: [] };
      await vi.waitFor(() => expect(seen.controls).toEqual([empty]));
    },
  );
});

describe("after trouble with its watches", () => {
  test.each([
    ["closed connections", () => bench.api.faults.closeConnections()],
    ["expired versions", () => bench.api.faults.expireWatches()],
  ])("(%s) the watcher sees what changed meanwhile", async (_what, breakThem) => {
    putSlice("10.0.0.10");
    putPod("orders-1");
    start();
    await vi.waitFor(() => expect([seen.slices.length, seen.pods.length]).toEqual([1, 1]));
    const end = bench.api.faults.inject({ kind: "cutRequest" });
    breakThem();
    putSlice("10.0.0.11");
    putPod("orders-0");
    bench.api.objects.remove({ resource: "pods", name: "orders-1" });
    end();
    await vi.waitFor(
      () => {
        expect(seen.slices.at(-1)).toMatchObject({ address: { host: "10.0.0.11" } });
        expect(seen.pods.at(-1)?.pods.map(({ member }) => member)).toEqual(["orders-0"]);
      },
      { timeout: 5000 },
    );
  });

  test("calls nobody any more once it is stopped", async () => {
    start();
    await vi.waitFor(() => {
      expect([seen.pods.length, seen.slices.length, seen.controls.length]).toEqual([1, 1, 1]);
    });
    watcher.stop();
    putSlice("10.0.0.11");
    putPod("orders-0");
    putControl({ paused: "true" });
    await watcher.readPods(DEADLINE_MS);
    expect([seen.pods.length, seen.slices.length, seen.controls.length]).toEqual([1, 1, 1]);
  });
});
