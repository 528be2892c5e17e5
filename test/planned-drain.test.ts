import { readFileSync } from "node:fs";
import { expect, test } from "vitest";

/** The client depends on nothing of the sidecar, so what both are built on is read. */
function constantOf(name: string, file: string): number {
  const source = readFileSync(new URL(`../${file}`, import.meta.url), "utf8");
  const found = new RegExp(`^const ${name} = ([\\d_]+);$`, "m").exec(source)?.[1];
  if (found === undefined) throw new Error(`${file} has no constant ${name}: name the new place`);
  return Number(found.replaceAll("_", ""));
}

test("a client waits for longer than a leader that hands over holds writes back", () => {
  const drainMs = constantOf("PLANNED_DRAIN_MS", "packages/client/src/follower-core.ts");
  const holdMs = constantOf("LONGEST_HOLD_MS", "packages/replication/src/plan-follow.ts");
  // And for the way there and back: else a write that is held would be called unknown.
  expect(drainMs).toBeGreaterThanOrEqual(holdMs + 50);
});
