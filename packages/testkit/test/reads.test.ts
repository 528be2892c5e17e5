import { describe, expect, it } from "vitest";
import { createFreshness } from "../src/workload/freshness.ts";
import { createReadTally } from "../src/workload/reader.ts";

describe("the age of an answer", () => {
  it("is the time since the first acknowledged write that it does not show", () => {
    const freshness = createFreshness();
    freshness.acknowledged(1, 100);
    freshness.acknowledged(2, 200);
    freshness.acknowledged(3, 300);
    expect(freshness.ageMs(1, 350)).toBe(150);
    expect(freshness.ageMs(0, 350)).toBe(250);
  });

  it("is nothing when all is there that was acknowledged before the question", () => {
    const freshness = createFreshness();
    freshness.acknowledged(1, 100);
    freshness.acknowledged(2, 200);
    expect(freshness.ageMs(2, 350)).toBe(0);
    expect(freshness.ageMs(1, 150)).toBe(0);
  });

  it("forgets what a failover lost once the list grows again", () => {
    const freshness = createFreshness();
    for (const length of [1, 2, 3, 4]) freshness.acknowledged(length, length);
    freshness.acknowledged(3, 50);
    expect(freshness.ageMs(3, 90)).toBe(0);
    expect(freshness.ageMs(2, 90)).toBe(40);
  });
});

describe("what readers saw", () => {
  it("tells an error after an answer from errors in a row", () => {
    const tally = createReadTally(1, 0);
    tally.answered(0, 10, 0);
    tally.failed(0);
    expect(tally.state(20)).toMatchObject({ errors: 1, repeated: 0 });
    tally.failed(0);
    tally.failed(0);
    tally.answered(0, 30, 0);
    tally.failed(0);
    expect(tally.state(40)).toMatchObject({ errors: 4, repeated: 2 });
  });

  it("has the gap of the reader that waited longest, though another one was answered", () => {
    const tally = createReadTally(2, 0);
    for (const atMs of [10, 20, 30, 40]) tally.answered(0, atMs, 0);
    tally.answered(1, 35, 7);
    expect(tally.state(45)).toMatchObject({ gapMs: 35, oldestMs: 7, answered: 5 });
  });

  it("counts a gap that is still open, and nothing from before the fault", () => {
    const tally = createReadTally(1, 0);
    tally.answered(0, 500, 9);
    tally.failed(0);
    tally.restart(600);
    expect(tally.state(640)).toEqual({
      answered: 0,
      errors: 0,
      repeated: 0,
      gapMs: 40,
      oldestMs: 0,
    });
  });
});
