/** How the client's pipelines are built. What they do is a matter of the process tests. */
import { Pipeline, Redis } from "ioredis";
import { expect, test } from "vitest";
import { createLeasehold } from "../src/index.ts";
import { isAsKnown, light } from "../src/light-pipeline.ts";
import { pushedTopology } from "./process/pushed-topology.ts";

test("nothing of a pipeline refers to it that V8 would keep until a full collection", async () => {
  for (const enableAutoPipelining of [false, true]) {
    const topology = pushedTopology({}).provider;
    const client = createLeasehold({ topology, redis: { enableAutoPipelining } });
    client.leader.defineCommand("double", { lua: "return 2 * ARGV[1]", numberOfKeys: 0 });
    const [one, other] = [client.leader.pipeline(), client.leader.pipeline()];
    for (const [name, its] of Object.entries(Object.getOwnPropertyDescriptors(one))) {
      // A getter of its own is old from the start.
      expect([name, "get" in its]).toEqual([name, false]);
      // Made anew for each promise, and they refer to nothing else.
      if (typeof its.value !== "function" || ["resolve", "reject"].includes(name)) continue;
      expect(its.value).toBe(Reflect.get(other, name));
    }
    expect(one).toBeInstanceOf(Pipeline);
    expect(Reflect.get(one, "double")).toBe(Reflect.get(client.leader, "double"));
    expect(one.get("k").length).toBe(1);
    expect(other.length).toBe(0);
    await client.close();
  }
});

test("a pipeline of which ioredis keeps more, or less, than is known here is not rebuilt", () => {
  const made = new Redis({ lazyConnect: true }).pipeline();
  expect(isAsKnown(made)).toBe(true);
  expect(light(made)).not.toBe(made);
  expect(isAsKnown(Object.assign(made, { more: 1 }))).toBe(false);
  const { promise: _, ...less } = new Redis({
    lazyConnect: true,
  }).pipeline() as unknown as Pipeline;
  expect(isAsKnown(less)).toBe(false);
});
