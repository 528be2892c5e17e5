/** What judges a soak must see a leak, and not a heap that breathes. */
import { expect, test } from "vitest";
import { growthOf } from "./bench/growth.ts";

const SAMPLES = 60;
const series = (of: (n: number) => number): number[] =>
  Array.from({ length: SAMPLES }, (_, n) => of(n));

test("one more for each sample is growth", () => {
  const { from, to } = growthOf(series((n) => 100 + n));
  expect(to - from).toBeGreaterThan(25);
});

test("what moves up and down is none", () => {
  const { from, to } = growthOf(series((n) => 100 + (n % 2)));
  expect(to - from).toBe(0);
});

test("what is loaded in the first quarter is none", () => {
  const { from, to } = growthOf(series((n) => Math.min(n, SAMPLES / 4)));
  expect(to - from).toBe(0);
});

test("a leak that begins late is growth", () => {
  const { from, to } = growthOf(series((n) => Math.max(0, n - SAMPLES / 2)));
  expect(to - from).toBeGreaterThan(0);
});
