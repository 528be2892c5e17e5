import { expect, test } from "vitest";
import { undisturbedGapMs } from "../src/workload/undisturbed-gap.ts";
import { createGapMeter } from "../src/workload/write-gap.ts";

/** Stood still from the one to the other, and at no other time. */
function stoodStill(fromMs: number, untilMs: number) {
  return {
    within: (a: number, b: number) => Math.max(0, Math.min(b, untilMs) - Math.max(a, fromMs)),
  };
}

test("a shorter gap counts where the clients stood still in the longer one", () => {
  const meter = createGapMeter(1000);
  for (const atMs of [1300, 1310, 1460, 1465]) meter.acknowledged(atMs);
  expect(meter.longest(1470).lengthMs).toBe(300);
  expect(undisturbedGapMs(meter, stoodStill(1050, 1250), 1470)).toBe(150);
  expect(undisturbedGapMs(meter, stoodStill(1050, 1060), 1470)).toBe(290);
  expect(undisturbedGapMs(meter, stoodStill(0, 900), 1470)).toBe(300);
});

test("a gap that is still open counts, too", () => {
  const meter = createGapMeter(1000);
  meter.acknowledged(1030);
  expect(undisturbedGapMs(meter, stoodStill(0, 0), 1430)).toBe(400);
  expect(undisturbedGapMs(meter, stoodStill(1100, 1200), 1430)).toBe(300);
});

test("where gaps were left out the longest counts, whatever the clients did", () => {
  const meter = createGapMeter(0);
  for (let index = 1; index <= 2000; index += 1) meter.acknowledged(index * 30);
  meter.acknowledged(60_500);
  expect(meter.isFull()).toBe(true);
  expect(undisturbedGapMs(meter, stoodStill(60_000, 60_500), 60_500)).toBe(500);
});
