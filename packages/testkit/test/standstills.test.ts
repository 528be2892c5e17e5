import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, expect, test } from "vitest";
import { watchStandstills } from "../src/workload/standstills.ts";

const standstills = watchStandstills();
afterEach(() => standstills.restart());

/** Returns when it began. */
function block(lengthMs: number): number {
  const fromMs = performance.now();
  while (performance.now() - fromMs < lengthMs);
  return fromMs;
}

test("a thread that is busy stands still for so long, then and at no other time", async () => {
  await sleep(20);
  const fromMs = block(200);
  await sleep(20);
  expect(standstills.longestMs()).toBeGreaterThan(190);
  expect(standstills.within(fromMs, fromMs + 200)).toBeGreaterThan(190);
  expect(standstills.within(fromMs, fromMs + 200)).toBeLessThan(200.001);
  expect(standstills.within(fromMs + 50, fromMs + 100)).toBeCloseTo(50);
  expect(standstills.within(fromMs - 10_000, fromMs - 5_000)).toBe(0);
});

test("what was before a restart is forgotten, and after the end nothing is measured", async () => {
  const fromMs = block(100);
  await sleep(20);
  standstills.restart();
  expect(standstills.within(fromMs, fromMs + 100)).toBe(0);
  standstills.stop();
  const laterMs = block(100);
  await sleep(20);
  expect(standstills.within(laterMs, laterMs + 100)).toBe(0);
});
