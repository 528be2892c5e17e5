import { describe, expect, test } from "vitest";
import { runAct, type Act, type ActStage } from "../src/acts/index.ts";
import type { LedgerCheck, WorkloadState } from "../src/workload/index.ts";

interface World {
  readonly state?: Partial<WorkloadState>;
  readonly writable?: readonly string[];
  readonly check?: Partial<LedgerCheck>;
  readonly checkFails?: string;
  readonly notWhole?: string;
  readonly flows?: boolean;
}

function stageOf(world: World): { stage: ActStage; stopped: () => boolean } {
  let stopped = false;
  const load: ActStage["load"] = {
    flowing: () => Promise.resolve(world.flows ?? true),
    restartGap: () => Promise.resolve(),
    state: () =>
      Promise.resolve({
        acknowledged: 500,
        confirmed: 300,
        failed: 4,
        gap: { lengthMs: 20, fromMs: 0 },
        gaps: [],
        sinceLastAckMs: 0,
        undisturbedGapMs: 20,
        standstillMs: 2,
        failures: [],
        failureKinds: {},
        ...world.state,
      }),
    writable: () => Promise.resolve({ members: world.writable ?? ["a"], atMs: 0 }),
    stop: () => Promise.resolve(void (stopped = true)),
  };
  const stage: ActStage = {
    whole: () =>
      world.notWhole === undefined ? Promise.resolve() : Promise.reject(new Error(world.notWhole)),
    load,
    startLoad: () => Promise.resolve(),
    checkLedger: () =>
      world.checkFails === undefined
        ? Promise.resolve({
            lostConfirmed: 0,
            lostAcknowledged: 0,
            presentThoughRefused: 0,
            examples: [],
            ...world.check,
          })
        : Promise.reject(new Error(world.checkFails)),
  };
  return { stage, stopped: () => stopped };
}

const PLANNED: Act<ActStage> = {
  name: "switchover",
  title: "a switchover is asked for",
  bound: { medianMs: 30, p99Ms: 100 },
  promised: "acknowledged",
  play: () => Promise.resolve(),
};
const FAILOVER: Act<ActStage> = { ...PLANNED, name: "redis-kill", promised: "confirmed" };

const run = (world: World, act = PLANNED) => runAct(stageOf(world).stage, act, 0);

describe("an act", () => {
  test("reports what the clients saw", async () => {
    expect(await run({})).toEqual({
      result: {
        name: "switchover",
        writeGapMs: 20,
        undisturbedGapMs: 20,
        clientErrors: 4,
        acknowledged: 500,
        lost: 0,
        maxWritable: 1,
        boundMs: 100,
        held: true,
      },
      notes: [],
    });
  });

  test("answers for every acknowledged write when it is planned", async () => {
    const { result } = await run({ check: { lostAcknowledged: 2, lostConfirmed: 1 } });
    expect(result).toMatchObject({ lost: 3, acknowledged: 500, held: false });
  });

  test("answers for confirmed writes when a member is lost, and mentions the others", async () => {
    const report = await run({ check: { lostAcknowledged: 2 } }, FAILOVER);
    expect(report.result).toMatchObject({ lost: 0, acknowledged: 300, held: true });
    expect(report.notes[0]).toMatch(/^2 writes that no replica had confirmed were lost/);
  });

  test("breaks its promise when a confirmed write is lost", async () => {
    const { result } = await run({ check: { lostConfirmed: 1 } }, FAILOVER);
    expect(result).toMatchObject({ lost: 1, held: false });
  });

  test("says so when the machine was too busy to measure", async () => {
    const { notes } = await run({ state: { standstillMs: 120 } });
    expect(notes).toEqual([
      "this machine was busy: the clients stood still for up to 120 ms; " +
        "without that the longest gap is 20 ms",
    ]);
  });

  test("tells what clients failed with, where no failure is promised", async () => {
    const failures = [{ sinceFaultMs: 1500, what: "a: READONLY" }];
    const without = { ...PLANNED, bound: { medianMs: 0, p99Ms: 0 } };
    const { notes } = await run({ state: { failures } }, without);
    expect(notes).toEqual(["a client failed 1.50 s after the fault, a: READONLY"]);
    expect((await run({ state: { failures } })).notes).toEqual([]);
  });

  test("tells of failures before the fault", async () => {
    const failures = [{ sinceFaultMs: -20, what: "a: connect: ECONNREFUSED" }];
    const { notes } = await run({ state: { failures } });
    expect(notes).toEqual(["a client failed 20 ms before the fault, a: connect: ECONNREFUSED"]);
  });

  test("names the members that were writable at once", async () => {
    const { result, notes } = await run({ writable: ["a", "b"] });
    expect(result).toMatchObject({ maxWritable: 2, held: false });
    expect(notes).toContain("writable at once: a and b");
  });

  test("breaks its promise when a refused write is there all the same", async () => {
    expect((await run({ check: { presentThoughRefused: 1 } })).result.held).toBe(false);
  });

  test.each([
    ["the group is not whole", { notWhole: "orders-1 does not answer" }, "orders-1 does not"],
    ["the ledger cannot be compared", { checkFails: "no connection" }, "no connection"],
    ["no write flows to begin with", { flows: false }, "no write was acknowledged"],
  ])("breaks its promise when %s", async (_, world, words) => {
    const { result, notes } = await run(world);
    expect(result.held).toBe(false);
    expect(notes.join("\n")).toContain(words);
  });

  const READS = { answered: 90, errors: 3, repeated: 0, gapMs: 60, oldestMs: 20, failures: [] };

  test("shows what readers saw, and breaks a promise to them", async () => {
    const promised: Act<ActStage> = { ...PLANNED, reads: "reconnect" };
    const well = await run({ state: { reads: READS } }, promised);
    expect(well.result.reads).toEqual({ errors: 3, repeated: 0, gapMs: 60, oldestMs: 20 });
    expect(well.result.held).toBe(true);
    const failures = [{ sinceFaultMs: 40, what: "reader-1: refused" }];
    const again = await run({ state: { reads: { ...READS, repeated: 1, failures } } }, promised);
    expect(again.result.held).toBe(false);
    expect(again.notes.join()).toContain("1 reads failed in a row: 40 ms reader-1: refused");
    const old = await run({ state: { reads: { ...READS, oldestMs: 1200 } } }, promised);
    expect(old.result.held).toBe(false);
    expect((await run({ state: { reads: { ...READS, oldestMs: 1200 } } })).result.held).toBe(true);
  });

  test("ends its load when the fault was not dealt with, and says so", async () => {
    const { stage, stopped } = stageOf({});
    const play = () => Promise.reject(new Error("waited 15000 ms for a leader"));
    const { result, notes } = await runAct(stage, { ...PLANNED, play }, 0);
    expect(stopped()).toBe(true);
    expect(result.held).toBe(false);
    expect(notes).toEqual(["waited 15000 ms for a leader"]);
  });
});
