import { afterEach, expect, test } from "vitest";
import { sidecarRole } from "@leasehold/testkit/group";
import { rehearseWrites } from "../src/index.ts";
import { DEADLINE_MS, GROUP, startBench, type Bench } from "./bench.ts";

const RULES = sidecarRole({ group: GROUP, namespace: "any" }).rules;
const SLICE = { resource: "endpointslices", name: `${GROUP}-ipv4` };

let bench: Bench;
afterEach(() => bench.close());

/** Without the verb on this resource. */
function rulesWithout(verb: string, resource: string): typeof RULES {
  return RULES.map((rule) =>
    rule.resources?.includes(resource)
      ? { ...rule, verbs: rule.verbs.filter((one) => one !== verb) }
      : rule,
  );
}

async function start(rules: typeof RULES): Promise<void> {
  bench = await startBench({ identities: [{ name: "member", role: { rules } }] });
  const { objects } = bench.api;
  const spec = { holderIdentity: "orders-0_u_n", leaseDurationSeconds: 5, leaseTransitions: 0 };
  objects.put({
    apiVersion: "coordination.k8s.io/v1",
    kind: "Lease",
    metadata: { name: GROUP },
    spec,
  });
  objects.put({
    apiVersion: "discovery.k8s.io/v1",
    kind: "EndpointSlice",
    metadata: { name: SLICE.name },
    addressType: "IPv4",
    endpoints: [{ addresses: ["10.1.2.3"] }],
    ports: [],
  });
}

async function rehearse(): Promise<readonly string[]> {
  return rehearseWrites(await bench.connect("member"), GROUP, DEADLINE_MS);
}

test("nothing is missing under the Role of the chart, and nothing is changed", async () => {
  await start(RULES);
  let changes = 0;
  bench.api.objects.listen(() => (changes += 1));
  expect(await rehearse()).toEqual([]);
  expect(changes).toBe(0);
});

test.each([
  ["leases", "update leases.coordination.k8s.io"],
  ["endpointslices", "update endpointslices.discovery.k8s.io"],
])("says that %s may not be written", async (resource, right) => {
  await start(rulesWithout("update", resource));
  expect(await rehearse()).toEqual([right]);
});

test("what does not exist is no finding", async () => {
  await start(rulesWithout("update", "endpointslices"));
  bench.api.objects.remove(SLICE);
  expect(await rehearse()).toEqual([]);
});

test("what was not answered is no finding", async () => {
  await start(rulesWithout("update", "leases"));
  const over = bench.api.faults.outage();
  const client = await bench.connect("member");
  expect(await rehearseWrites(client, GROUP, 50)).toEqual([]);
  over();
});
