import { describe, expect, it } from "vitest";
import { worldOf } from "./world/scenario.ts";
import type { World } from "./world/world.ts";

function leader(): World {
  return worldOf({ name: "leader", prose: "", given: "leader", steps: [] });
}

/** As if a bug had named two histories under one epoch. */
function contradict(world: World): void {
  const twin = { epoch: 1, replid: "twin", startOffset: 0, parent: null };
  world.state = { ...world.state, lineage: [...world.state.lineage, twin] };
  world.tell({ type: "tick" });
}

describe("a process whose state contradicts itself", () => {
  it("says so, stops its Redis at once and does not lead again", () => {
    const world = leader();
    contradict(world);
    expect(world.log.join("\n")).toContain("say invariant: stops leading, please report: two");
    expect(world.redis?.role).toBe("replica");
    world.take();
    world.run(20_000);
    expect(world.log.join("\n")).not.toMatch(/PUT Lease|POST Lease|redis promote/);
  });

  it("answers whoever asked for a switchover that it cannot finish", () => {
    const world = leader();
    world.held.add("awaitOffset");
    const request = { id: "7", kind: "switchover", to: "r-2", force: false } as const;
    const control = { paused: false, pauseSpan: null, request, forgotten: [] };
    world.tell({ type: "controlObserved", control });
    contradict(world);
    expect(world.log).toContain("finishRequest 7: not done, an invariant is broken");
  });
});
