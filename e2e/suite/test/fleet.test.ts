import type { LedgerCheck, WorkloadState } from "@leasehold/testkit/workload";
import { describe, expect, it } from "vitest";
import { addChecks, addStates, createFleet } from "../src/fleet.ts";
import type { AgentCall } from "../src/agent-call.ts";

function state(change: Partial<WorkloadState>): WorkloadState {
  return {
    acknowledged: 10,
    confirmed: 5,
    failed: 1,
    gap: { lengthMs: 20, fromMs: 0 },
    gaps: [],
    sinceLastAckMs: 3,
    undisturbedGapMs: 20,
    standstillMs: 2,
    failures: [],
    failureKinds: {},
    ...change,
  };
}

const CHECK: LedgerCheck = {
  lostConfirmed: 1,
  lostAcknowledged: 2,
  presentThoughRefused: 3,
  examples: ["a#1"],
};

describe("a fleet", () => {
  it("has the gap of its worst node, and counts everybody's writes", () => {
    const worst = { lengthMs: 90, fromMs: 7 };
    const sum = addStates([state({}), state({ gap: worst, sinceLastAckMs: 8 }), state({})]);
    expect(sum).toEqual(
      state({ acknowledged: 30, confirmed: 15, failed: 3, gap: worst, sinceLastAckMs: 8 }),
    );
  });

  it("tells what failed first, on whichever node", () => {
    const late = { sinceFaultMs: 30, what: "late" };
    const early = { sinceFaultMs: -5, what: "early" };
    const sum = addStates([state({ failures: [late] }), state({ failures: [early] })]);
    expect(sum.failures).toEqual([early, late]);
  });

  it("adds up what readers saw: the worst wait, everybody's errors", () => {
    const reads = { answered: 9, errors: 1, repeated: 0, gapMs: 30, oldestMs: 0, failures: [] };
    const worse = { ...reads, gapMs: 70, repeated: 1, oldestMs: 5 };
    const sum = addStates([state({ reads }), state({ reads: worse })]);
    expect(sum.reads).toEqual({ ...worse, answered: 18, errors: 2 });
  });

  it("adds up what is lost", () => {
    expect(addChecks([CHECK, { ...CHECK, examples: ["b#2"] }])).toEqual({
      lostConfirmed: 2,
      lostAcknowledged: 4,
      presentThoughRefused: 6,
      examples: ["a#1", "b#2"],
    });
  });

  /** Those that are named in `dead` do not answer. */
  function fleetOf(dead: Set<string>) {
    const asked: string[] = [];
    const agents = ["a", "b", "c"].map((name) => ({
      name,
      node: `node-of-${name}`,
      call({ method }: AgentCall) {
        asked.push(`${name} ${method}`);
        if (dead.has(name)) return Promise.reject(new Error(`${name} is gone`));
        return Promise.resolve({ value: method === "state" ? state({}) : null });
      },
    }));
    return { fleet: createFleet(agents), asked };
  }

  it("goes on without an agent that died, and does not ask it again", async () => {
    const { fleet, asked } = fleetOf(new Set(["b"]));
    expect((await fleet.load.state()).acknowledged).toBe(20);
    await fleet.load.stop();
    expect(asked).not.toContain("b stop");
  });

  it("tells which node saw what", async () => {
    const { fleet } = fleetOf(new Set(["a"]));
    expect((await fleet.states()).map(({ node }) => node)).toEqual(["node-of-b", "node-of-c"]);
  });

  it("knows nothing when only one answers", async () => {
    const { fleet } = fleetOf(new Set(["a", "b"]));
    await expect(fleet.load.state()).rejects.toThrow(/too few agents answer.*a is gone/);
  });
});
