/** The contract of Leases (docs/protocol.md, section 2). */
import { describe, expect, test } from "vitest";
import { CONTRACT_LABEL, without } from "./collection.ts";
import type { Collection } from "./collection.ts";
import type { Body } from "./raw-client.ts";

type Spec = Readonly<Record<string, unknown>>;

const TIME = "2026-11-25T15:46:01.548123Z";

function lease(name: string, spec: Spec = {}) {
  return {
    apiVersion: "coordination.k8s.io/v1",
    kind: "Lease",
    metadata: { name, labels: { [CONTRACT_LABEL]: "" } },
    spec: { holderIdentity: "a", leaseDurationSeconds: 5, leaseTransitions: 0, ...spec },
  };
}

async function created(leases: Collection, spec?: Spec): Promise<Body> {
  const { code, body } = await leases.post(lease(leases.name(), spec));
  expect(code).toBe(201);
  return body;
}

function heldBy(holderIdentity: string, base: Body): Body {
  return { ...base, spec: { ...base.spec, holderIdentity } };
}

export function leaseVersionContract(leases: Collection): void {
  describe("a Lease", () => {
    test("is created once: the second POST is AlreadyExists", async () => {
      const { metadata } = await created(leases);
      expect(metadata.uid).toMatch(/./);
      expect(metadata.resourceVersion).toMatch(/^\d+$/);
      const again = await leases.post(lease(metadata.name));
      expect(again).toMatchObject({ code: 409, body: { kind: "Status", reason: "AlreadyExists" } });
    });

    test("that does not exist is a 404 Status that names it", async () => {
      const name = leases.name();
      const { code, body } = await leases.get(name);
      expect(code).toBe(404);
      expect(body).toMatchObject({ kind: "Status", reason: "NotFound", details: { name } });
    });

    test("is replaced at its version and moves to another one", async () => {
      const base = await created(leases);
      const { code, body } = await leases.put(heldBy("b", base));
      expect(code).toBe(200);
      expect(body.spec).toMatchObject({ holderIdentity: "b" });
      expect(body.metadata.resourceVersion).not.toBe(base.metadata.resourceVersion);
      expect(body.metadata.uid).toBe(base.metadata.uid);
    });

    test("is not replaced at an older version", async () => {
      const base = await created(leases);
      await leases.put(heldBy("b", base));
      const late = await leases.put(heldBy("c", base));
      expect(late).toMatchObject({ code: 409, body: { kind: "Status", reason: "Conflict" } });
    });

    test("is won by exactly one of many writers at one version", async () => {
      const base = await created(leases);
      const writers = ["b", "c", "d", "e", "f"];
      const answers = await Promise.all(writers.map((name) => leases.put(heldBy(name, base))));
      const codes = answers.map(({ code }) => code).toSorted((a, b) => a - b);
      expect(codes).toEqual([200, 409, 409, 409, 409]);
    });

    test("keeps its version when a PUT changes nothing", async () => {
      const base = await created(leases);
      const { code, body } = await leases.put(base);
      expect(code).toBe(200);
      expect(body.metadata.resourceVersion).toBe(base.metadata.resourceVersion);
    });

    test("is not replaced without a version", async () => {
      const base = await created(leases);
      const metadata = without(base.metadata, "resourceVersion");
      const { code, body } = await leases.put({ ...heldBy("b", base), metadata });
      expect(code).toBe(422);
      expect(body.message).toContain("metadata.resourceVersion");
    });

    test.each([
      ["0", 422],
      ["latest", 500],
    ])("is not replaced at version %s: %i", async (resourceVersion, code) => {
      const base = await created(leases);
      const metadata = { ...base.metadata, resourceVersion };
      expect((await leases.put({ ...heldBy("b", base), metadata })).code).toBe(code);
    });
  });
}

export function leaseDryRunContract(leases: Collection): void {
  describe("a Lease", () => {
    test("is not changed by a dry run, which is refused like a write", async () => {
      const base = await created(leases);
      const { name } = base.metadata;
      expect(await leases.dryRun(base)).toMatchObject({ code: 200 });
      expect(await leases.dryRun(heldBy("b", base))).toMatchObject({
        code: 200,
        body: { spec: { holderIdentity: "b" } },
      });
      expect((await leases.get(name)).body).toEqual(base);
      await leases.put(heldBy("c", base));
      const late = await leases.dryRun(heldBy("d", base));
      expect(late).toMatchObject({ code: 409, body: { kind: "Status", reason: "Conflict" } });
    });
  });
}

export function deletedLeaseContract(leases: Collection): void {
  const deleted = async (): Promise<Body> => {
    const base = await created(leases);
    expect((await leases.remove(base.metadata.name)).code).toBe(200);
    return base;
  };

  describe("a deleted Lease", () => {
    test("is created anew by a PUT without uid", async () => {
      const base = await deleted();
      const { code, body } = await leases.put({ ...base, metadata: without(base.metadata, "uid") });
      expect(code).toBe(201);
      expect(body.metadata.uid).not.toBe(base.metadata.uid);
    });

    test("stays deleted when the PUT carries its uid", async () => {
      const base = await deleted();
      const { code, body } = await leases.put(heldBy("b", base));
      expect(code).toBe(409);
      expect(body.message).toContain("UID in precondition");
      expect((await leases.get(base.metadata.name)).code).toBe(404);
    });

    test("and created again refuses the uid of the first one", async () => {
      const base = await deleted();
      const { body: second } = await leases.post(lease(base.metadata.name));
      const { resourceVersion } = second.metadata;
      const metadata = { ...base.metadata, resourceVersion };
      expect((await leases.put({ ...heldBy("b", base), metadata })).code).toBe(409);
    });
  });
}

export function leaseFieldContract(leases: Collection): void {
  const post = (spec: Spec) => leases.post(lease(leases.name(), spec));

  describe("a Lease's fields", () => {
    test("take times of exactly six digits and give them back as they are", async () => {
      const { spec } = await created(leases, { renewTime: TIME, acquireTime: TIME });
      expect(spec).toMatchObject({ renewTime: TIME, acquireTime: TIME });
    });

    test("give times of another zone back in UTC", async () => {
      const { spec } = await created(leases, { renewTime: "2026-11-25T16:46:01.548123+01:00" });
      expect(spec).toHaveProperty("renewTime", TIME);
    });

    test.each([
      "2026-11-25T15:46:01.548Z",
      "2026-11-25T15:46:01Z",
      "2026-11-25T15:46:01.1234567Z",
      "2026-13-25T15:46:01.548123Z",
      "",
    ])("refuse the time %j with 400", async (renewTime) => {
      expect((await post({ renewTime })).code).toBe(400);
    });

    test("are dropped where nobody knows them: then a PUT changes nothing", async () => {
      const base = await created(leases, { unheard: "of" });
      expect(base.spec).not.toHaveProperty("unheard");
      const sent: Body = { ...base, spec: { ...base.spec, unheard: "of" } };
      const { body } = await leases.put(sent);
      expect(body.metadata.resourceVersion).toBe(base.metadata.resourceVersion);
    });

    test("may be missing: an empty spec comes back", async () => {
      const { spec: _spec, ...bare } = lease(leases.name());
      expect((await leases.post(bare)).body.spec).toEqual({});
    });

    test.each([
      ["leaseDurationSeconds", 0, 422],
      ["leaseDurationSeconds", -1, 422],
      ["leaseDurationSeconds", 1.5, 400],
      ["leaseDurationSeconds", "5", 400],
      ["leaseTransitions", -1, 422],
      ["holderIdentity", 7, 400],
    ])("refuse %s %s with %i", async (field, value, code) => {
      expect((await post({ [field]: value })).code).toBe(code);
    });

    test("keep an empty holder and drop a null one", async () => {
      const empty = await created(leases, { holderIdentity: "" });
      expect(empty.spec).toHaveProperty("holderIdentity", "");
      const none = await created(leases, { holderIdentity: null });
      expect(none.spec).not.toHaveProperty("holderIdentity");
    });
  });
}

export function leaseMetadataContract(leases: Collection): void {
  describe("a Lease's metadata", () => {
    test("refuses an annotation that is no string with 400", async () => {
      const body = lease(leases.name());
      const metadata = { ...body.metadata, annotations: { "leasehold.dev/epoch": 7 } };
      expect((await leases.post({ ...body, metadata })).code).toBe(400);
    });

    test("drops annotations without any: then a PUT changes nothing", async () => {
      const base = await created(leases);
      const metadata = { ...base.metadata, annotations: {} };
      const { body } = await leases.put({ ...base, metadata });
      expect(body.metadata).not.toHaveProperty("annotations");
      expect(body.metadata.resourceVersion).toBe(base.metadata.resourceVersion);
    });

    test("refuses an owner that is not named in full with 422", async () => {
      const body = lease(leases.name());
      const metadata = { ...body.metadata, ownerReferences: [{ kind: "Service", name: "x" }] };
      expect((await leases.post({ ...body, metadata })).code).toBe(422);
    });
  });
}
