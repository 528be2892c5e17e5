import { describe, expect, it } from "vitest";
import { configProblems } from "../src/index.ts";
import { CONFIG } from "./world/defaults.ts";

describe("settings that contradict one another", () => {
  it("pass when they are the shipped profiles", () => {
    expect(configProblems(CONFIG, 3)).toEqual([]);
    const frugal = { ...CONFIG, leaseDurationMs: 15_000, renewIntervalMs: 5000 };
    expect(configProblems(frugal, 3)).toEqual([]);
  });

  it.each([
    [
      { leaseDurationMs: 3000, renewIntervalMs: 500 },
      "leaseDurationMs (3000) must be 5000 or more",
    ],
    [{ leaseDurationMs: 5500 }, "whole seconds"],
    [{ renewIntervalMs: 3000 }, "renewIntervalMs (3000) must be above 0"],
    [{ hangTimeoutMs: 100 }, "hangTimeoutMs (100)"],
    [{ busyTimeoutMs: 1000 }, "busyTimeoutMs (1000)"],
    [{ maxPauseMs: 5000 }, "maxPauseMs (5000)"],
    [{ minReplicasToWrite: 3 }, "must be lower than replicas (3)"],
    [{ priority: -1 }, "priority (-1)"],
  ])("are refused with a sentence: %j", (change, sentence) => {
    const problems = configProblems({ ...CONFIG, ...change }, 3);
    expect(problems).toHaveLength(1);
    expect(problems[0]).toContain(sentence);
  });

  it("include more members than may ask one another", () => {
    expect(configProblems(CONFIG, 7)).toEqual([]);
    expect(configProblems(CONFIG, 8)[0]).toContain("replicas (8) must be at most 7");
  });
});
