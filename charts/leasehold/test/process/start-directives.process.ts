/** The chart restarts pods for the directives that Redis takes at its start alone: it knows all. */
import { expect, test } from "vitest";
import { eventually, openRedis } from "../../files/tests/client.mjs";
import { chartFile } from "../render.ts";
import { startRedisServer } from "./redis-server.ts";

function patternIn(template: string, file: string): RegExp {
  const [, words = ""] = new RegExp(`"${template}" -}}\n(.*)\n`).exec(chartFile(file)) ?? [];
  return new RegExp(`^(${words})$`);
}

/** A Redis server of the machine. */
async function startRedis() {
  const address = await startRedisServer(['save ""']);
  const names = { group: "none", namespace: "none", patienceMs: 0, passwordFile: null, tls: null };
  const target = { ...names, write: address, read: null, members: [] };
  return eventually(10_000, () => openRedis(address, target));
}

test("each directive that a running Redis refuses to change is one of the list", async () => {
  const redis = await startRedis();
  const listed = patternIn("leasehold.startDirectives", "templates/_settings.tpl");
  const reserved = patternIn("leasehold.reservedDirectives", "templates/_refusals.tpl");
  const all = (await redis.ask("CONFIG", "GET", "*")) as readonly string[];
  const names = all.filter((_, index) => index % 2 === 0);
  expect(names.length).toBeGreaterThan(100);
  const refused: string[] = [];
  for (const name of names) {
    const value = all[all.indexOf(name) + 1] ?? "";
    const error = await redis.ask("CONFIG", "SET", name, value).then(
      () => "",
      (reason: Error) => reason.message,
    );
    if (error.includes("immutable")) refused.push(name);
  }
  redis.close();
  expect(refused.length).toBeGreaterThan(10);
  expect(refused.filter((name) => !listed.test(name) && !reserved.test(name))).toEqual([]);
});
