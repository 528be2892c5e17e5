import { afterEach, beforeEach, expect, test } from "vitest";
import { sidecarRole } from "@leasehold/testkit/group";
import { createPodLabel } from "../src/index.ts";
import { DEADLINE_MS, GROUP, startBench, type Bench } from "./bench.ts";

const POD = { resource: "pods", name: "orders-0" };

let bench: Bench;

beforeEach(async () => {
  const names = { group: GROUP, namespace: "any" };
  const roles = { member: sidecarRole(names, { roleLabels: true }), plain: sidecarRole(names) };
  const identities = Object.entries(roles).map(([name, { rules }]) => ({ name, role: { rules } }));
  bench = await startBench({ identities });
  const metadata = { name: "orders-0", labels: { app: "orders" } };
  bench.api.objects.put({ apiVersion: "v1", kind: "Pod", metadata, spec: {} });
});
afterEach(() => bench.close());

const uid = (): string => bench.api.objects.get(POD)?.metadata.uid ?? "";
const labels = (): unknown => bench.api.objects.get(POD)?.metadata.labels;

test("labels the own pod, beside the labels that it has", async () => {
  const client = await bench.connect("member");
  const label = createPodLabel({ client, pod: { name: "orders-0", uid: uid() } });
  await label.write("replica", DEADLINE_MS);
  expect(labels()).toEqual({ app: "orders", "leasehold.dev/role": "replica" });
  await label.write("primary", DEADLINE_MS);
  expect(labels()).toEqual({ app: "orders", "leasehold.dev/role": "primary" });
});

test("labels no other pod of the same name", async () => {
  const client = await bench.connect("member");
  const label = createPodLabel({ client, pod: { name: "orders-0", uid: "another" } });
  await expect(label.write("primary", DEADLINE_MS)).rejects.toThrow("orders-0 was not labelled");
  expect(labels()).toEqual({ app: "orders" });
});

test("says so when it may not", async () => {
  const client = await bench.connect("plain");
  const label = createPodLabel({ client, pod: { name: "orders-0", uid: uid() } });
  await expect(label.write("primary", DEADLINE_MS)).rejects.toThrow("forbidden");
});
