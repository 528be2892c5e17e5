import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { SliceObservation, SliceStore, SliceWrite } from "@leasehold/replication";
import type { KubernetesObject } from "@leasehold/testkit/fake-kubernetes-api";
import { createSliceStore } from "../src/index.ts";
import { DEADLINE_MS, GROUP, startBench, type Bench } from "./bench.ts";

const POD = { name: "orders-0", uid: "pod-uid", nodeName: "node-a" };
const LINEAGE = [{ epoch: 3, replid: "a", startOffset: 7, parent: null }];
const IPV4 = { resource: "endpointslices", name: "orders-ipv4" };
const IPV6 = { resource: "endpointslices", name: "orders-ipv6" };

let bench: Bench;

beforeEach(async () => {
  bench = await startBench();
});
afterEach(() => bench.close());

function putService(families: readonly string[], ...given: readonly object[]) {
  const ports = given.length > 0 ? given : [{ name: "redis", port: 6379 }];
  return bench.api.objects.put({
    apiVersion: "v1",
    kind: "Service",
    metadata: { name: GROUP },
    spec: { ipFamilies: families, ports },
  });
}

function storeWith(podIps: readonly string[] = ["10.0.0.10"]): SliceStore {
  return createSliceStore({ client: bench.client, group: GROUP, pod: POD, podIps });
}

function to(host: string | null, more: Partial<SliceWrite> = {}): SliceWrite {
  return {
    epoch: 3,
    holder: "orders-0_u_n",
    lineage: LINEAGE,
    address: host === null ? null : { host, port: 6380 },
    member: "orders-0",
    version: null,
    ...more,
  };
}

async function committed(store: SliceStore, write: SliceWrite): Promise<SliceObservation> {
  const outcome = await store.write(write, DEADLINE_MS);
  if (outcome.kind !== "committed") throw new Error(JSON.stringify(outcome));
  return outcome.slice;
}

const addressesIn = (slice: KubernetesObject | null): unknown => {
  const endpoints = slice?.["endpoints"] as { addresses: string[] }[] | null | undefined;
  // The server stores an empty list as null.
  return endpoints === null ? [] : endpoints?.map((endpoint) => endpoint.addresses);
};
const calls = (verb: string) =>
  bench.api
    .usage()
    .filter((row) => row.resource === "endpointslices" && row.verb === verb)
    .reduce((sum, row) => sum + row.count, 0);

describe("the first address", () => {
  test("is a slice that kube-proxy takes for the write Service", async () => {
    const service = putService(["IPv4"], { name: "db", port: 6379, appProtocol: "redis" });
    await committed(storeWith(), to("10.0.0.10"));
    expect(bench.api.objects.get(IPV4)).toMatchObject({
      metadata: {
        labels: {
          "kubernetes.io/service-name": GROUP,
          "endpointslice.kubernetes.io/managed-by": "leasehold.dev",
          "leasehold.dev/group": GROUP,
        },
        annotations: { "leasehold.dev/epoch": "3", "leasehold.dev/holder": "orders-0_u_n" },
        ownerReferences: [{ kind: "Service", name: GROUP, uid: service.metadata.uid }],
      },
      addressType: "IPv4",
      endpoints: [
        {
          addresses: ["10.0.0.10"],
          conditions: { ready: true },
          nodeName: "node-a",
          targetRef: { kind: "Pod", name: "orders-0", uid: "pod-uid" },
        },
      ],
      ports: [{ name: "db", port: 6380, protocol: "TCP", appProtocol: "redis" }],
    });
  });

  test("is read back by everybody as it was written", async () => {
    putService(["IPv4"]);
    const written = await committed(storeWith(), to("10.0.0.10"));
    expect(written).toMatchObject({
      epoch: 3,
      holder: "orders-0_u_n",
      lineage: LINEAGE,
      address: { host: "10.0.0.10", port: 6380 },
    });
    expect(await storeWith().read(DEADLINE_MS)).toEqual(written);
  });

  test("names a Service port without a name by an empty one", async () => {
    putService(["IPv4"], { port: 6379 });
    await committed(storeWith(), to("10.0.0.10"));
    expect(bench.api.objects.get(IPV4)).toMatchObject({ ports: [{ name: "" }] });
  });

  test("has every further port of the Service that leads to a number", async () => {
    const plain = { name: "redis-plain", port: 6390, targetPort: 6381, appProtocol: "redis" };
    const named = { name: "metrics", port: 9100, targetPort: "metrics" };
    putService(["IPv4"], plain, named, { name: "redis", port: 6379 });
    const written = await committed(storeWith(), to("10.0.0.10"));
    expect(bench.api.objects.get(IPV4)).toMatchObject({
      ports: [
        { name: "redis", port: 6380 },
        { name: "redis-plain", port: 6381, appProtocol: "redis" },
      ],
    });
    expect(written.address).toEqual({ host: "10.0.0.10", port: 6380 });
  });

  test("is refused when somebody else wrote it first", async () => {
    putService(["IPv4"]);
    await committed(storeWith(), to("10.0.0.10"));
    const second = await storeWith().write(to("10.0.0.11"), DEADLINE_MS);
    expect(second).toEqual({ kind: "conflict" });
  });
});

describe("a later address", () => {
  let store: SliceStore;
  let first: SliceObservation;

  beforeEach(async () => {
    putService(["IPv4"]);
    store = storeWith();
    first = await committed(store, to("10.0.0.10"));
  });

  test("swaps the old one in one PUT", async () => {
    await committed(store, to("10.0.0.11", { version: first.version, member: "orders-1" }));
    expect(addressesIn(bench.api.objects.get(IPV4))).toEqual([["10.0.0.11"]]);
    expect(calls("update")).toBe(1);
  });

  test("of another pod does not carry our pod's uid and node", async () => {
    await committed(store, to("10.0.0.11", { version: first.version, member: "orders-1" }));
    const slice = bench.api.objects.get(IPV4);
    expect(slice).toHaveProperty("endpoints.0.targetRef.name", "orders-1");
    expect(slice).not.toHaveProperty("endpoints.0.nodeName");
    expect(slice).not.toHaveProperty("endpoints.0.targetRef.uid");
  });

  test("may be none, and keeps epoch and lineage", async () => {
    const empty = await committed(store, to(null, { version: first.version }));
    expect(empty).toMatchObject({ address: null, epoch: 3, lineage: LINEAGE });
    expect(addressesIn(bench.api.objects.get(IPV4))).toEqual([]);
  });

  test("at an older version is a conflict", async () => {
    await committed(store, to("10.0.0.11", { version: first.version }));
    const late = await store.write(to("10.0.0.12", { version: first.version }), DEADLINE_MS);
    expect(late).toEqual({ kind: "conflict" });
  });

  test("under a lower epoch is a conflict that is not even sent", async () => {
    const lower = to("10.0.0.11", { version: first.version, epoch: 2 });
    expect(await store.write(lower, DEADLINE_MS)).toEqual({ kind: "conflict" });
    expect(calls("update")).toBe(0);
  });

  test("on a slice that is gone is a conflict and creates nothing", async () => {
    bench.api.objects.remove(IPV4);
    const late = await store.write(to("10.0.0.11", { version: first.version }), DEADLINE_MS);
    expect(late).toEqual({ kind: "conflict" });
    expect(bench.api.objects.get(IPV4)).toBeNull();
  });

  test("keeps labels and annotations of others", async () => {
    const object = bench.api.objects.get(IPV4) as KubernetesObject;
    const labels = { ...object.metadata.labels, team: "shop" };
    bench.api.objects.put({ ...object, metadata: { ...object.metadata, labels } });
    const { version } = (await store.read(DEADLINE_MS)) as SliceObservation;
    await committed(store, to("10.0.0.11", { version }));
    expect(bench.api.objects.get(IPV4)?.metadata.labels).toHaveProperty("team", "shop");
  });

  test("belongs to the Service that is there now", async () => {
    bench.api.objects.remove({ resource: "services", name: GROUP });
    bench.api.objects.remove(IPV4);
    const service = putService(["IPv4"]);
    const stale = to("10.0.0.11", { version: first.version });
    expect((await store.write(stale, DEADLINE_MS)).kind).toBe("conflict");
    await committed(store, to("10.0.0.11"));
    expect(bench.api.objects.get(IPV4)?.metadata["ownerReferences"]).toMatchObject([
      { uid: service.metadata.uid },
    ]);
  });

  test("belongs to it, too, when the watch was the first to tell that all is gone", async () => {
    bench.api.objects.remove({ resource: "services", name: GROUP });
    bench.api.objects.remove(IPV4);
    const service = putService(["IPv4"]);
    await committed(store, to("10.0.0.11"));
    expect(bench.api.objects.get(IPV4)?.metadata["ownerReferences"]).toMatchObject([
      { uid: service.metadata.uid },
    ]);
  });

  test("is looked at again when the watch told of another state while it was read", async () => {
    const watched = createSliceStore({ client: bench.client, group: GROUP, pod: POD, podIps: [] });
    const delay = { kind: "delayAnswer", ms: 100 } as const;
    bench.api.faults.inject(delay, { verbs: ["get"], resource: "endpointslices", times: 1 });
    const reading = watched.read(DEADLINE_MS);
    await expect.poll(() => calls("get")).toBe(1);
    bench.api.objects.remove(IPV4);
    watched.observe([]);
    expect(await reading).toMatchObject({ version: null, address: null });
  });

  test("is not made for a Service that is gone", async () => {
    bench.api.objects.remove({ resource: "services", name: GROUP });
    bench.api.objects.remove(IPV4);
    expect(await store.write(to("10.0.0.11"), DEADLINE_MS)).toMatchObject({ kind: "failed" });
    expect(bench.api.objects.get(IPV4)).toBeNull();
  });

  test.each(["loseAnswer", "loseRequest", "cutRequest"] as const)(
    "with the fault %s is failed, not conflict",
    async (kind) => {
      bench.api.faults.inject({ kind }, { verbs: ["update"] });
      const outcome = await store.write(to("10.0.0.11", { version: first.version }), 60);
      expect(outcome.kind).toBe("failed");
    },
  );
});

describe("two families", () => {
  const ips = ["10.0.0.10", "fd00::10"];

  test("have a slice each, with the pod's address of that family", async () => {
    putService(["IPv4", "IPv6"]);
    const written = await committed(storeWith(ips), to("10.0.0.10"));
    expect(addressesIn(bench.api.objects.get(IPV4))).toEqual([["10.0.0.10"]]);
    expect(addressesIn(bench.api.objects.get(IPV6))).toEqual([["fd00::10"]]);
    expect(await storeWith(ips).read(DEADLINE_MS)).toEqual(written);
  });

  test("leave the other slice without endpoint when the pod has no such address", async () => {
    putService(["IPv4", "IPv6"]);
    await committed(storeWith(["fd00::10"]), to("fd00::10"));
    expect(addressesIn(bench.api.objects.get(IPV6))).toEqual([["fd00::10"]]);
    expect(addressesIn(bench.api.objects.get(IPV4))).toEqual([]);
  });

  test("are repaired by writing again after the second one failed", async () => {
    putService(["IPv4", "IPv6"]);
    const store = storeWith(ips);
    const second = { name: IPV6.name, resource: "endpointslices" };
    const first = await committed(store, to("10.0.0.10"));
    const end = bench.api.faults.inject({ kind: "refuse", code: 500 }, second);
    const next = to("10.0.0.10", { version: first.version, epoch: 4 });
    expect((await store.write(next, DEADLINE_MS)).kind).toBe("failed");
    end();
    const half = (await store.read(DEADLINE_MS)) as SliceObservation;
    expect(half.epoch).toBe(4);
    await committed(store, { ...next, version: half.version });
    const annotations = bench.api.objects.get(IPV6)?.metadata.annotations;
    expect(annotations).toHaveProperty(["leasehold.dev/epoch"], "4");
  });

  test("of which only one has the Service are one slice", async () => {
    putService(["IPv6"]);
    await committed(storeWith(ips), to("10.0.0.10"));
    expect(bench.api.objects.get(IPV4)).toBeNull();
    expect(addressesIn(bench.api.objects.get(IPV6))).toEqual([["fd00::10"]]);
  });
});

describe("reading", () => {
  test("finds no slice before the first address", async () => {
    putService(["IPv4"]);
    expect(await storeWith().read(DEADLINE_MS)).toMatchObject({ version: null, address: null });
  });

  test("says what is missing when there is no write Service", async () => {
    const outcome = await storeWith().read(DEADLINE_MS);
    expect(outcome).toEqual({
      failed: expect.stringContaining("the write Service default/orders"),
    });
  });

  test("fails when the slice is not answered", async () => {
    putService(["IPv4"]);
    bench.api.faults.inject({ kind: "refuse", code: 503 }, { resource: "endpointslices" });
    expect(await storeWith().read(DEADLINE_MS)).toHaveProperty("failed");
  });

  test("survives a slice that somebody filled with nonsense", async () => {
    putService(["IPv4"]);
    const nonsense = { "leasehold.dev/epoch": "x", "leasehold.dev/lineage": "[{}]" };
    bench.api.objects.put({
      apiVersion: "discovery.k8s.io/v1",
      kind: "EndpointSlice",
      metadata: { name: IPV4.name, annotations: nonsense },
      addressType: "IPv4",
      endpoints: "none",
      ports: [7],
    });
    const read = await storeWith().read(DEADLINE_MS);
    expect(read).toMatchObject({ epoch: 0, holder: null, lineage: [], address: null });
  });
});
