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

    test("of what does not exist is a 404", async () => {
      expect((await patch(configMaps.name(), { data: {} })).code).toBe(404);
    });

    test("of an unknown type is a 415", async () => {
      const { name } = await created(configMaps);
      expect((await patch(name, {}, "application/unknown+json")).code).toBe(415);
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
      expect((await remove(name, { preconditions: { uid } })).code).toBe(200);
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
      expect(await labelled(",!color")).toEqual([]);
    });

    test("is narrowed to one name", async () => {
      const { name } = await created(configMaps);
      expect(await namesBy(`fieldSelector=metadata.name%3D${name}`)).toEqual([name]);
    });

    test("refuses a field that it does not know", async () => {
      expect((await client.call(`${path}?fieldSelector=data.a%3D1`)).code).toBe(400);
    });

    test("and everything else needs a valid token", async () => {
      const { code, body } = await client.call(path, { token: "nobody" });
      expect({ code, kind: body.kind }).toEqual({ code: 401, kind: "Status" });
    });
  });
}
