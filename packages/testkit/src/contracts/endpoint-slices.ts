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

    test.each([
      ["an endpoint without address", { endpoints: [{ addresses: [] }] }],
      ["an address of the other family", { endpoints: [{ addresses: ["fd00::1"] }] }],
      ["no address at all", { endpoints: [{ addresses: ["redis-0"] }] }],
      ["a loopback address", { endpoints: [{ addresses: ["127.0.0.1"] }] }],
      ["an unknown family", { addressType: "IPX", endpoints: [] }],
    ])("refuse %s with 422", async (_what, fields) => {
      expect((await slices.post({ ...slice(slices.name(), []), ...fields })).code).toBe(422);
    });
  });
}
