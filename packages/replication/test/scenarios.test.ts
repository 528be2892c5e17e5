import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { dangersIfLeftAlone, landed, restarted, situationOf } from "./world/outside.ts";
import { readScenarios, worldOf, type Scenario } from "./world/scenario.ts";
import { look, play } from "./world/step.ts";
import type { World } from "./world/world.ts";

const SCENARIOS = readScenarios(join(import.meta.dirname, "..", "scenarios"));
const BY_NAME = SCENARIOS.map((scenario) => [scenario.name, scenario] as const);
const HEIR = "n0x";
/** From the deadline in the permit to the guard's kill. */
const GUARD_MS = 350;

describe("scenario", () => {
  it.each(BY_NAME)("%s", (_, scenario) => {
    const world = worldOf(scenario);
    for (const step of scenario.steps) {
      play(world, step);
      look(world, step);
    }
    expect(world.dangers).toEqual([]);
  });
});

interface Deaths {
  /** The next process, for each situation in which it may find itself; equal ones once. */
  readonly heirs: ReadonlyMap<string, World>;
  /** What would be wrong if no process ever came back. */
  readonly dangers: readonly string[];
}

/** The process dies after each of its actions in turn. */
function deathsOf(scenario: Scenario): Deaths {
  const heirs = new Map<string, World>();
  const dangers: string[] = [];
  const world = worldOf(scenario, (dying) => {
    const last = dying.log.at(-1) ?? "";
    dangers.push(...dangersIfLeftAlone(dying, dying.me).map((danger) => `${danger}: ${last}`));
    for (const heir of heirsOf(dying)) {
      const situation = situationOf(heir);
      if (!heirs.has(situation)) heirs.set(situation, heir);
    }
  });
  for (const step of scenario.steps) play(world, step);
  return { heirs, dangers };
}

/** At once; after a PUT that was under way has landed; after the guard did its duty. */
function heirsOf(dying: World): readonly World[] {
  const heirs = [dying.successor(HEIR)];
  for (const action of dying.heldActions) {
    const late = action.type === "writeLease" ? landed(dying, action.write) : null;
    if (late !== null) heirs.push(dying.successor(HEIR, late));
  }
  const { permit, redis } = dying;
  if (permit?.kind !== "lead" || redis === null) return heirs;
  const nowMs = Math.max(dying.nowMs, permit.deadlineBootMs) + GUARD_MS;
  const gated = restarted(redis, dying.config.mode);
  return [...heirs, dying.successor(HEIR, { nowMs, redis: gated, pausedUntilMs: 0 })];
}

/** Situations that were found safe already: a core that is a function meets them alike. */
const safe = new Set<string>();

describe("after every prefix of the actions of", () => {
  it.each(BY_NAME)("%s: the process dies, the next one is safe too", (_, scenario) => {
    const { heirs, dangers } = deathsOf(scenario);
    expect(dangers).toEqual([]);
    for (const [situation, heir] of heirs) {
      const known = `${JSON.stringify(heir.config)} ${situation}`;
      if (safe.has(known)) continue;
      const bornMs = heir.nowMs;
      heir.boot();
      heir.run(8000);
      expect({ bornMs, dangers: heir.dangers }).toEqual({ bornMs, dangers: [] });
      safe.add(known);
    }
    expect(heirs.size).toBeGreaterThan(0);
  });
});
