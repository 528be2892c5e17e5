import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { claimNamespaces, OWN_NAMESPACES } from "../src/own-namespaces.ts";

const SOURCES = join(import.meta.dirname, "../src");

function clusterWith(namespaces: readonly string[], canInjectFaults = false) {
  const asked: string[] = [];
  const kubectl = (args: readonly string[]): Promise<string> => {
    asked.push(args.join(" "));
    return Promise.resolve(namespaces.map((name) => `namespace/${name}\n`).join(""));
  };
  return { asked, cluster: { canInjectFaults, kubectl } };
}

test("all namespaces that the sources name are among those that are removed", () => {
  const files = readdirSync(SOURCES, { recursive: true, encoding: "utf8" });
  const named = files
    .filter((file) => file.endsWith(".ts"))
    .flatMap((file) => [...readFileSync(join(SOURCES, file), "utf8").matchAll(NAMED)])
    .map(([, name = ""]) => name);
  expect(named.length).toBeGreaterThan(10);
  expect([...new Set(named)].toSorted()).toEqual(OWN_NAMESPACES);
});

const NAMED = /namespace(?::| =) "([a-z-]+)"/gi;

test("on somebody else's cluster they are removed at the end, and nothing else is", async () => {
  const { asked, cluster } = clusterWith(["default", "payments"]);
  const remove = await claimNamespaces(cluster);
  expect(asked).toEqual(["get namespaces -o name"]);
  await remove();
  expect(asked[1]).toBe(
    `delete namespace ${OWN_NAMESPACES.join(" ")} --ignore-not-found --wait=false`,
  );
});

test("a namespace that is there already is nobody's to remove", async () => {
  const { asked, cluster } = clusterWith(["default", "shop", "two"]);
  await expect(claimNamespaces(cluster)).rejects.toThrow("shop, two; delete them");
  expect(asked).toHaveLength(1);
});

test("of our own cluster nothing is asked: it goes as a whole", async () => {
  const { asked, cluster } = clusterWith(["shop"], true);
  await (
    await claimNamespaces(cluster)
  )();
  expect(asked).toEqual([]);
});
