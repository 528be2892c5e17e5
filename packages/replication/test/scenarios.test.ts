import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { play, readScenarios, worldOf, type Scenario, type Step } from "./world/scenario.ts";
import type { World } from "./world/world.ts";

const SCENARIOS = readScenarios(join(import.meta.dirname, "..", "scenarios"));
/** More actions than any scenario performs. */
const LONGEST = 400;

function look(world: World, step: Step): void {
  const { expect: whole, includes, excludes } = step;
  if (whole === undefined && includes === undefined && excludes === undefined) return;
  const lines = includes === undefined && excludes === undefined ? world.take() : world.log;
  if (whole !== undefined) expect(lines).toEqual(whole);
  if (includes !== undefined) expect(lines.join("\n")).toContain(includes);
  if (excludes !== undefined) expect(lines.join("\n")).not.toContain(excludes);
}

function playAll(scenario: Scenario, actions?: number): World {
  const world = worldOf(scenario, actions);
  for (const step of scenario.steps) play(world, step);
  return world;
}

describe("scenario", () => {
  it.each(SCENARIOS)("$name", (scenario) => {
    const world = worldOf(scenario);
    for (const step of scenario.steps) {
      play(world, step);
      look(world, step);
    }
    expect(world.dangers).toEqual([]);
  });
});

describe("after every prefix of the actions of", () => {
  it.each(SCENARIOS)("$name: the process dies, the next one is safe too", (scenario) => {
    let deaths = 0;
    for (let actions = 1; actions < LONGEST; actions++) {
      const world = playAll(scenario, actions);
      if (!world.isDead) break;
      deaths += 1;
      expect(world.dangers).toEqual([]);
      const next = world.successor("n0x");
      next.boot();
      next.run(8000);
      expect({ actions, dangers: next.dangers }).toEqual({ actions, dangers: [] });
    }
    expect(deaths).toBeGreaterThan(3);
  });
});
