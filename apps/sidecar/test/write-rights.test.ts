import { expect, it, onTestFinished, vi } from "vitest";
import type { Reason } from "@leasehold/replication";
import { followWriteRights } from "../src/write-rights.ts";

const TIMES = { lookMs: 1, againMs: 5, retryMs: 5 };
const LEASES = "update leases.coordination.k8s.io";

function start(isCalm = () => true) {
  const world = { refused: [] as readonly string[], rehearsals: 0 };
  const said: [Reason, string][] = [];
  const rights = followWriteRights({
    rehearse: () => {
      world.rehearsals += 1;
      return Promise.resolve(world.refused);
    },
    isCalm,
    announce: (reason, words) => void said.push([reason, words]),
    times: TIMES,
  });
  onTestFinished(() => rights.stop());
  const next = (count: number) => {
    const from = world.rehearsals;
    return vi.waitFor(() => expect(world.rehearsals).toBeGreaterThan(from + count));
  };
  return { world, said, rights, next };
}

it("says once what is missing, and once that it is back", async () => {
  const { world, said, rights, next } = start();
  await next(1);
  expect(said).toEqual([]);
  world.refused = [LEASES];
  await next(3);
  expect(rights.missing()).toEqual([LEASES]);
  expect(said).toEqual([["rightsMissing", expect.stringContaining(LEASES)]]);
  world.refused = [];
  await next(3);
  expect(rights.missing()).toEqual([]);
  expect(said.map(([reason]) => reason)).toEqual(["rightsMissing", "rightsRestored"]);
});

it("keeps out of the way until it is calm", async () => {
  let calm = false;
  const { world } = start(() => calm);
  await new Promise((resolve) => setTimeout(resolve, 40));
  expect(world.rehearsals).toBe(0);
  calm = true;
  await vi.waitFor(() => expect(world.rehearsals).toBeGreaterThan(0));
});

it("asks nothing after its end", async () => {
  const { world, rights, next } = start();
  await next(1);
  rights.stop();
  const { rehearsals } = world;
  await new Promise((resolve) => setTimeout(resolve, 40));
  expect(world.rehearsals).toBe(rehearsals);
});
