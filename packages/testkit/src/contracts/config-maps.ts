/** The contract of patches, deletions and lists, on ConfigMaps. */
import { describe, expect, test } from "vitest";
import { CONTRACT_LABEL, JSON_PATCH } from "./collection.ts";
import type { Collection } from "./collection.ts";
import type { Metadata } from "./raw-client.ts";

async function created(
  configMaps: Collection,
  labels: Readonly<Record<string, string>> = {},
): Promise<Metadata> {
  const metadata = { name: configMaps.name(), labels: { [CONTRACT_LABEL]: "", ...labels } };
  const { code, body } = await configMaps.post({ metadata, data: { a: "1", b: "2" } });
  expect(code).toBe(201);
  return body.metadata;
}

export function patchContract(configMaps: Collection): void {
  const { patch } = configMaps;

  describe("a patch", () => {
    test("merges what it names and takes away what it names null", async () => {
      const { name } = await created(configMaps);
      const { code, body } = await patch(name, { data: { a: null, c: "3" } });
      expect(code).toBe(200);
      expect(body.data).toEqual({ b: "2", c: "3" });
    });

    test("of labels leaves the others, and to what is there already changes nothing", async () => {
      const { name, uid } = await created(configMaps);
      const labels = { "leasehold.dev/role": "primary" };
      const first = await patch(name, { metadata: { uid, labels } });
      expect(first.body.metadata.labels).toEqual({ [CONTRACT_LABEL]: "", ...labels });
      const { body } = await patch(name, { metadata: { uid, labels } });
      expect(body.metadata.resourceVersion).toBe(first.body.metadata.resourceVersion);
    });

    test("at an older version is a conflict", async () => {
      const { name, resourceVersion } = await created(configMaps);
      await patch(name, { data: { a: "4" } });
      const late = await patch(name, { metadata: { resourceVersion }, data: { a: "5" } });
      expect(late).toMatchObject({ code: 409, body: { reason: "Conflict" } });
    });

    test("as a JSON patch is carried out whole or not at all", async () => {
      const { name } = await created(configMaps);
      const add = { op: "add", path: "/data/c", value: "3" };
      const wrong = { op: "test", path: "/data/a", value: "other" };
      expect((await patch(name, [add, wrong], JSON_PATCH)).code).toBe(422);
      const right = { op: "test", path: "/data/a", value: "1" };
      const remove = { op: "remove", path: "/data/b" };
      const { body } = await patch(name, [right, add, remove], JSON_PATCH);
      expect(body.data).toEqual({ a: "1", c: "3" });
    });

    test("as a JSON patch may ask that something is missing", async () => {
      const { name } = await created(configMaps);
      const missing = { op: "test", path: "/data/c", value: null };
      const add = { op: "add", path: "/data/c", value: "3" };
      expect((await patch(name, [missing, add], JSON_PATCH)).code).toBe(200);
      expect((await patch(name, [missing, add], JSON_PATCH)).code).toBe(422);
      expect((await patch(name, [{ op: "add" }], JSON_PATCH)).code).toBe(422);
    });

    test("that takes all away leaves no data", async () => {
      const { name } = await created(configMaps);
      const { body } = await patch(name, { data: { a: null, b: null } });
      expect(body).not.toHaveProperty("data");
    });

    test("to a wrong type is a 422, to another uid as well", async () => {
      const { name } = await created(configMaps);
      expect((await patch(name, { data: { a: 1 } })).code).toBe(422);
      const uid = "4a0a7c3a-1111-4444-8888-0123456789ab";
      expect((await patch(name, { metadata: { uid } })).code).toBe(422);
    });

    test("of what does not exist is a 404", async () => {
      expect((await patch(configMaps.name(), { data: {} })).code).toBe(404);
    });

    test("of an unknown type is a 415", async () => {
      const { name } = await created(configMaps);
      expect((await patch(name, {}, "application/unknown+json")).code).toBe(415);
    });
  });
}

export function configMapContract(configMaps: Collection): void {
  const { client, path, patch, post } = configMaps;
  const body = (fields: object) => ({
    metadata: { name: configMaps.name(), labels: { [CONTRACT_LABEL]: "" } },
    ...fields,
  });

  describe("a ConfigMap", () => {
    test.each([
      ["a key with a blank", { data: { "a b": "1" } }],
      ["a key twice", { data: { a: "1" }, binaryData: { a: "MQ==" } }],
      ["more than 1 MiB", { data: { a: "x".repeat(1024 * 1024 + 1) } }],
    ])("with %s is refused with 422", async (_what, fields) => {
      expect((await post(body(fields))).code).toBe(422);
    });

    test("of more than 3 MiB is not read: 413", async () => {
      const answer = await post(body({ data: { a: "x".repeat(3 * 1024 * 1024) } }));
      expect(answer).toMatchObject({ code: 413, body: { reason: "RequestEntityTooLarge" } });
    });

    test("that is immutable keeps its data", async () => {
      const { body: made } = await post(body({ data: { a: "1" }, immutable: true }));
      expect((await patch(made.metadata.name, { data: { a: "2" } })).code).toBe(422);
    });

    test("is neither posted to its name nor sent as text", async () => {
      const { name } = await created(configMaps);
      const posted = await client.call(`${path}/${name}`, { method: "POST", body: body({}) });
      expect(posted).toMatchObject({ code: 405, body: { reason: "MethodNotAllowed" } });
      const contentType = "text/plain";
      const text = await client.call(path, { method: "POST", body: body({}), contentType });
      expect(text).toMatchObject({ code: 415, body: { reason: "UnsupportedMediaType" } });
    });
  });
}

export function deletionContract(configMaps: Collection): void {
  const { get, remove } = configMaps;

  describe("a deletion", () => {
    test("of another uid than the one meant is a conflict", async () => {
      const { name } = await created(configMaps);
      const preconditions = { uid: "4a0a7c3a-1111-4444-8888-0123456789ab" };
      expect((await remove(name, { preconditions })).code).toBe(409);
      expect((await get(name)).code).toBe(200);
    });

    test("of the uid meant is done", async () => {
      const { name, uid } = await created(configMaps);
      const { code, body } = await remove(name, { preconditions: { uid } });
      expect({ code, kind: body.kind }).toEqual({ code: 200, kind: "Status" });
      expect(body).toHaveProperty("details", { name, uid, kind: "configmaps" });
      expect((await get(name)).code).toBe(404);
    });
  });
}

export function listContract(configMaps: Collection): void {
  const { client, path } = configMaps;
  const namesBy = async (query: string): Promise<readonly string[]> => {
    const { body } = await client.call(`${path}?${query}`);
    expect(body.metadata.resourceVersion).toMatch(/^\d+$/);
    return body.items.map(({ metadata }) => metadata.name).toSorted();
  };

  describe("a list", () => {
    test("is narrowed by labels, and says at which version it was taken", async () => {
      const { name: red } = await created(configMaps, { part: "x", color: "red" });
      const { name: blue } = await created(configMaps, { part: "x", color: "blue" });
      const labelled = (more: string): Promise<readonly string[]> =>
        namesBy(`labelSelector=${encodeURIComponent(`${CONTRACT_LABEL},part=x${more}`)}`);
      expect(await labelled("")).toEqual([red, blue].toSorted());
      expect(await labelled(",color=red")).toEqual([red]);
      expect(await labelled(",color!=red")).toEqual([blue]);
      expect(await labelled(",color in (blue,green)")).toEqual([blue]);
      expect(await labelled(",color notin(blue)")).toEqual([red]);
      expect(await labelled(",!color")).toEqual([]);
    });

    test("is narrowed to one name", async () => {
      const { name } = await created(configMaps);
      expect(await namesBy(`fieldSelector=metadata.name%3D${name}`)).toEqual([name]);
    });

    test("is in the order of names, and says only once of what kind its items are", async () => {
      const [first, second] = [await created(configMaps), await created(configMaps)];
      const { body } = await client.call(`${path}?labelSelector=${CONTRACT_LABEL}`);
      const names = body.items.map(({ metadata }) => metadata.name);
      expect(names).toEqual(names.toSorted());
      expect(names).toEqual(expect.arrayContaining([first.name, second.name]));
      expect(body.kind).toBe("ConfigMapList");
      for (const item of body.items) {
        expect(item).not.toHaveProperty("kind");
        expect(item).not.toHaveProperty("apiVersion");
      }
    });

    test.each([
      ["a field that nobody knows", "fieldSelector=data.a%3D1"],
      ["a selector that is none", "labelSelector=a%3Db%3Dc"],
      ["a version that is no number", "resourceVersion=latest"],
    ])("refuses %s with 400", async (_what, query) => {
      expect((await client.call(`${path}?${query}`)).code).toBe(400);
    });

    test("and everything else needs a valid token", async () => {
      const { code, body } = await client.call(path, { token: "nobody" });
      expect({ code, kind: body.kind }).toEqual({ code: 401, kind: "Status" });
    });
  });
}
