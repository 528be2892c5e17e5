import { afterEach, expect, test, vi } from "vitest";
import type { PolicyRule } from "@leasehold/testkit/fake-kubernetes-api";
import { sidecarRole } from "@leasehold/testkit/group";
import {
  createControlAnswers,
  createGroupWatcher,
  createJournal,
  createLeaseStore,
  createSliceStore,
  type ApiClient,
} from "../src/index.ts";
import { DEADLINE_MS, GROUP, startBench, type Bench } from "./bench.ts";

/** What all groups of the tests run under, and the chart grants. Its Service is IPv4 alone here. */
const RULES: readonly PolicyRule[] = sidecarRole({ group: GROUP, namespace: "any" }).rules.map(
  ({ resourceNames, ...rule }) =>
    resourceNames
      ? { ...rule, resourceNames: resourceNames.filter((name) => !name.endsWith("-ipv6")) }
      : rule,
);

const HOLDER = "orders-0_u_n";
const CHANGE = {
  kind: "bootstrap",
  from: null,
  to: "orders-0",
  lostBytesMax: null,
  writeGapMs: null,
} as const;

let bench: Bench;
afterEach(() => bench.close());

test("a sidecar does everything under its Role, and uses all of it", async () => {
  bench = await startBench({ identities: [{ name: "member", role: { rules: RULES } }] });
  putGroup();
  const client = await bench.connect("member");
  await writeLease(client);
  await writeSlice(client);
  await watchAll(client);
  await tellPeople(client);
  expect(usedRights()).toEqual(grantedRights());
});

function putGroup(): void {
  const metadata = { name: GROUP };
  const ports = [{ name: "redis", port: 6379 }];
  const { objects } = bench.api;
  objects.put({ apiVersion: "v1", kind: "Service", metadata, spec: { ports } });
  objects.put({ apiVersion: "apps/v1", kind: "StatefulSet", metadata, spec: { replicas: 1 } });
  objects.put({
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name: "orders-control" },
    data: { request: JSON.stringify({ id: "1", kind: "switchover" }) },
  });
}

async function writeLease(client: ApiClient): Promise<void> {
  const leases = createLeaseStore({ client, group: GROUP, watchSilenceMs: DEADLINE_MS });
  const empty = { lineage: [], members: {}, position: null, handover: null, released: null };
  const terms = { durationMs: 5000, transitions: 0, epoch: 1, paused: false };
  const record = { holder: HOLDER, attempt: "n.1", ...terms, ...empty };
  const first = { record, base: null, acquires: true };
  const created = await leases.write(first, DEADLINE_MS, 0);
  if (created.kind !== "committed") throw new Error(JSON.stringify(created));
  const renewal = { record: { ...record, attempt: "n.2" }, base: created.lease, acquires: false };
  expect((await leases.write(renewal, DEADLINE_MS, 1)).kind).toBe("committed");
  expect((await leases.read(DEADLINE_MS)).kind).toBe("present");
  const stop = await new Promise<() => void>((resolve) => {
    const ending = leases.watch((lease) => lease !== null && resolve(ending));
  });
  stop();
}

const POD = { name: "orders-0", uid: "u", nodeName: null };
const slicesOf = (client: ApiClient) =>
  createSliceStore({ client, group: GROUP, pod: POD, podIps: [] });

async function writeSlice(client: ApiClient): Promise<void> {
  const slices = slicesOf(client);
  const address = { host: "10.0.0.10", port: 6379 };
  const write = { epoch: 1, holder: HOLDER, lineage: [], address, member: "orders-0" };
  const created = await slices.write({ ...write, version: null }, DEADLINE_MS);
  if (created.kind !== "committed") throw new Error(JSON.stringify(created));
  const emptied = { ...write, address: null, version: created.slice.version };
  expect((await slices.write(emptied, DEADLINE_MS)).kind).toBe("committed");
  expect(await slices.read(DEADLINE_MS)).not.toHaveProperty("failed");
}

async function watchAll(client: ApiClient): Promise<void> {
  const ports = { redisPort: 6379, peerPort: 8009 };
  const watcher = createGroupWatcher({ client, group: GROUP, ports, slices: slicesOf(client) });
  await watcher.readPods(DEADLINE_MS);
  const seen = new Set<string>();
  watcher.start({
    pods: () => void seen.add("pods"),
    slice: () => void seen.add("slice"),
    control: () => void seen.add("control"),
  });
  await vi.waitFor(() => expect(seen.size).toBe(3));
  await vi.waitFor(() =>
    expect(bench.api.usage().filter(({ verb }) => verb === "watch")).toHaveLength(4),
  );
  watcher.stop();
}

async function tellPeople(client: ApiClient): Promise<void> {
  const control = createControlAnswers({ client, group: GROUP });
  await control.finish("1", { done: true, refused: false, words: "done" }, DEADLINE_MS);
  const journal = createJournal({ client, group: GROUP, pod: POD });
  for (const epoch of [1, 2]) {
    journal.announce({ reason: "promote", epoch, words: "leads", change: CHANGE });
  }
  await journal.close(DEADLINE_MS);
  expect(journal.lost()).toBe(0);
}

function usedRights(): readonly string[] {
  return bench.api
    .usage()
    .map(({ verb, group, resource, name }) => `${verb} ${group}/${resource} ${name ?? "*"}`)
    .toSorted();
}

function grantedRights(): readonly string[] {
  return RULES.flatMap(({ apiGroups = [], resources = [], verbs, resourceNames = ["*"] }) =>
    resourceNames.flatMap((name) =>
      verbs.map((verb) => `${verb} ${apiGroups[0]}/${resources[0]} ${name}`),
    ),
  ).toSorted();
}
