/** The contract of watches, on ConfigMaps. */
import { describe, expect, test } from "vitest";
import { CONTRACT_LABEL } from "./collection.ts";
import type { Collection } from "./collection.ts";
import type { Metadata, Watch } from "./raw-client.ts";

async function create(configMaps: Collection, name: string): Promise<Metadata> {
  const metadata = { name, labels: { [CONTRACT_LABEL]: "" } };
  return (await configMaps.post({ metadata })).body.metadata;
}

/** The next events, each as its type and the `step` of its object. */
async function seen(watch: Watch, count: number): Promise<readonly string[]> {
  const types: string[] = [];
  while (types.length < count) {
    const event = await watch.next();
    types.push(`${event?.type} ${event?.object.data?.["step"] ?? "-"}`);
  }
  return types;
}

export function watchContract(configMaps: Collection): void {
  const { client, path, patch, remove } = configMaps;
  const named = (name: string): string => `${path}?fieldSelector=metadata.name%3D${name}`;

  describe("a watch", () => {
    test("from the version of a list brings every later change, in order", async () => {
      const name = configMaps.name();
      const { body: list } = await client.call(named(name));
      await create(configMaps, name);
      for (const step of ["1", "2"]) await patch(name, { data: { step } });
      await remove(name);
      const version = `resourceVersion=${list.metadata.resourceVersion}`;
      const watch = await client.watch(`${named(name)}&${version}`);
      const events = ["ADDED -", "MODIFIED 1", "MODIFIED 2", "DELETED 2"];
      expect(await seen(watch, events.length)).toEqual(events);
      watch.close();
    });

    test("without a version begins with what there is", async () => {
      const name = configMaps.name();
      const { uid } = await create(configMaps, name);
      const watch = await client.watch(named(name));
      expect(await watch.next()).toMatchObject({ type: "ADDED", object: { metadata: { uid } } });
      await patch(name, { data: { step: "1" } });
      expect(await seen(watch, 1)).toEqual(["MODIFIED 1"]);
      watch.close();
    });

    test("tells a deletion at a version of its own", async () => {
      const name = configMaps.name();
      const { resourceVersion } = await create(configMaps, name);
      const watch = await client.watch(`${named(name)}&resourceVersion=${resourceVersion}`);
      await remove(name);
      const event = await watch.next();
      expect(event?.type).toBe("DELETED");
      const version = Number(event?.object.metadata.resourceVersion);
      expect(version).toBeGreaterThan(Number(resourceVersion));
      watch.close();
    });

    test("by label sees an object come and go with its label", async () => {
      const name = configMaps.name();
      const selector = `labelSelector=${encodeURIComponent(`${CONTRACT_LABEL},seen=${name}`)}`;
      const { resourceVersion } = await create(configMaps, name);
      const query = `${selector}&resourceVersion=${resourceVersion}`;
      const watch = await client.watch(`${path}?${query}`);
      await patch(name, { metadata: { labels: { seen: name } } });
      await patch(name, { metadata: { labels: { seen: null } } });
      expect(await seen(watch, 2)).toEqual(["ADDED -", "DELETED -"]);
      watch.close();
    });

    test.each([
      ["a version that is no number", "resourceVersion=latest", 500],
      ["a time that is no number", "timeoutSeconds=soon", 400],
      ["a field that nobody knows", "fieldSelector=data.a%3D1", 400],
    ])("refuses %s (%s) with %i", async (_what, query, code) => {
      const watch = await client.watch(`${path}?${query}`);
      expect(watch.code).toBe(code);
      watch.close();
    });

    test("ends by itself after timeoutSeconds", async () => {
      const watch = await client.watch(`${named(configMaps.name())}&timeoutSeconds=1`);
      expect(watch.code).toBe(200);
      expect(await watch.next()).toBeNull();
    });
  });
}
