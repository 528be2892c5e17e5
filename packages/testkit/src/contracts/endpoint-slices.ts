/** The contract of EndpointSlices: the write address is one of them. */
import { describe, expect, test } from "vitest";
import { CONTRACT_LABEL, without } from "./collection.ts";
import type { Collection } from "./collection.ts";
import type { Body } from "./raw-client.ts";

function slice(name: string, addresses: readonly string[]) {
  return {
    apiVersion: "discovery.k8s.io/v1",
    kind: "EndpointSlice",
    metadata: {
      name,
      labels: {
        [CONTRACT_LABEL]: "",
        "kubernetes.io/service-name": "contract",
        "endpointslice.kubernetes.io/managed-by": "leasehold.dev",
      },
    },
    addressType: "IPv4",
    endpoints: addresses.map((address) => ({ addresses: [address], conditions: { ready: true } })),
    ports: [{ name: "redis", port: 6379, protocol: "TCP" }],
  };
}

async function created(slices: Collection): Promise<Body> {
  const { code, body } = await slices.post(slice(slices.name(), ["10.1.2.3"]));
  expect(code).toBe(201);
  return body;
}

function moved(base: Body, address: string): Body {
  return { ...base, endpoints: [{ addresses: [address] }] };
}

export function sliceVersionContract(slices: Collection): void {
  describe("an EndpointSlice", () => {
    test("swaps its address in one PUT", async () => {
      const { code, body } = await slices.put(moved(await created(slices), "10.1.2.4"));
      expect(code).toBe(200);
      expect(body.endpoints?.map(({ addresses }) => addresses)).toEqual([["10.1.2.4"]]);
    });

    test("is not changed by a dry run", async () => {
      const base = await created(slices);
      expect((await slices.dryRun(moved(base, "10.1.2.4"))).code).toBe(200);
      expect((await slices.get(base.metadata.name)).body).toEqual(base);
    });

    test("is overwritten by a PUT without a version: a writer must send one", async () => {
      const base = await created(slices);
      const metadata = without(base.metadata, "resourceVersion");
      expect((await slices.put({ ...moved(base, "10.1.2.4"), metadata })).code).toBe(200);
    });

    test("is not overwritten at an older version", async () => {
      const base = await created(slices);
      await slices.put(moved(base, "10.1.2.4"));
      expect((await slices.put(moved(base, "10.1.2.5"))).code).toBe(409);
    });

    test("that is deleted is not created by a PUT, with its uid or without", async () => {
      const base = await created(slices);
      await slices.remove(base.metadata.name);
      expect((await slices.put(base)).code).toBe(404);
      const anew = { ...base, metadata: without(base.metadata, "uid") };
      expect((await slices.put(anew)).code).toBe(404);
    });
  });
}

export function sliceFieldContract(slices: Collection): void {
  describe("an EndpointSlice's fields", () => {
    test("may name no endpoint", async () => {
      const emptied = { ...(await created(slices)), endpoints: [] };
      const { code, body } = await slices.put(emptied);
      expect(code).toBe(200);
      expect(body.endpoints ?? []).toEqual([]);
    });

    test("never change the family", async () => {
      const turned = { ...(await created(slices)), endpoints: [], addressType: "IPv6" };
      const { code, body } = await slices.put(turned);
      expect(code).toBe(422);
      expect(body.message).toContain("addressType");
    });

    test("have defaults", async () => {
      const bare = { endpoints: [{ addresses: ["10.1.2.3"] }], ports: [{ port: 6379 }] };
      const { code, body } = await slices.post({ ...slice(slices.name(), []), ...bare });
      expect(code).toBe(201);
      expect(body).toMatchObject({
        endpoints: [{ addresses: ["10.1.2.3"], conditions: {} }],
        ports: [{ name: "", port: 6379, protocol: "TCP" }],
      });
    });

    test("and labels raise the generation, annotations do not", async () => {
      const base = await created(slices);
      const { metadata } = base;
      const free = without(metadata, "resourceVersion");
      const generation = async (fields: object): Promise<unknown> => {
        const body = { ...base, metadata: { ...free, ...fields } };
        return (await slices.put(body)).body.metadata.generation;
      };
      const annotations = { "leasehold.dev/epoch": "1" };
      expect(await generation({ annotations })).toBe(1);
      const labels = { [CONTRACT_LABEL]: "" };
      expect(await generation({ labels })).toBe(2);
    });

    test("refuse a condition that is no boolean with 400", async () => {
      const endpoints = [{ addresses: ["10.1.2.3"], conditions: { ready: "yes" } }];
      const body = { ...slice(slices.name(), []), endpoints };
      expect((await slices.post(body)).code).toBe(400);
    });

    test.each([
      ["an endpoint without address", { endpoints: [{ addresses: [] }] }],
      ["an address of the other family", { endpoints: [{ addresses: ["fd00::1"] }] }],
      ["no address at all", { endpoints: [{ addresses: ["redis-0"] }] }],
      ["a loopback address", { endpoints: [{ addresses: ["127.0.0.1"] }] }],
      ["a link-local address", { endpoints: [{ addresses: ["169.254.1.1"] }] }],
      ["no definite address", { endpoints: [{ addresses: ["0.0.0.0"] }] }],
      [
        "an address that can be written shorter",
        { addressType: "IPv6", endpoints: [{ addresses: ["fd00:0::1"] }] },
      ],
      ["a name of a port that is none", { ports: [{ name: "A_b", port: 1 }] }],
      ["two ports of one name", { ports: [{ port: 1 }, { port: 2 }] }],
      ["an unknown protocol", { ports: [{ port: 1, protocol: "ICMP" }] }],
      ["an unknown family", { addressType: "IPX", endpoints: [] }],
    ])("refuse %s with 422", async (_what, fields) => {
      expect((await slices.post({ ...slice(slices.name(), []), ...fields })).code).toBe(422);
    });
  });
}
