import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { faultNamed } from "../../src/simulation/faults/schedule.ts";
import { PROFILES } from "../../src/simulation/faults/profiles.ts";
import { MUTANTS } from "../../src/simulation/mutants.ts";
import { patternOf } from "../../src/simulation/mutation-run.ts";
import { runSeed } from "../../src/simulation/run.ts";

const run = (seed: number, profile: string | null = null) =>
  runSeed({ seed, profile, members: null });

describe("a simulated run", () => {
  it("is the same bit for bit when its seed is", () => {
    for (const seed of [3, 14, 15]) expect(run(seed).fingerprint).toBe(run(seed).fingerprint);
  });

  it("differs with another seed", () => {
    expect(run(21).fingerprint).not.toBe(run(22).fingerprint);
  });

  it("does not depend on whether somebody watches it", () => {
    const watched = runSeed({ seed: 9, profile: null, members: null, watch: { traceFromMs: 0 } });
    expect(watched.fingerprint).toBe(run(9).fingerprint);
    expect(watched.timeline.lines.length).toBeGreaterThan(run(9).timeline.lines.length);
  });

  it("keeps the size that is asked for", () => {
    expect(runSeed({ seed: 4, profile: null, members: 5 }).members).toBe(5);
  });
});

describe("profiles", () => {
  it("name faults that exist", () => {
    for (const profile of PROFILES) {
      for (const name of Object.keys(profile.faults)) expect(faultNamed(name).name).toBe(name);
    }
  });

  it("let a member go on whose container alone was stopped", () => {
    for (const seed of [1, 2, 3]) expect(run(seed, "container-stops").violation).toBeNull();
  });
});

describe("mutants", () => {
  it.each(MUTANTS.map((mutant) => [mutant.name, mutant] as const))(
    "%s: still applies, each edit exactly once",
    (_name, mutant) => {
      for (const edit of mutant.edits) {
        const text = readFileSync(new URL(`../../../${edit.file}`, import.meta.url), "utf8");
        expect(text.match(new RegExp(patternOf(edit.find), "g")) ?? []).toHaveLength(1);
      }
    },
  );

  it("have names of their own and profiles that exist", () => {
    expect(new Set(MUTANTS.map((mutant) => mutant.name)).size).toBe(MUTANTS.length);
    const names = new Set(PROFILES.map((profile) => profile.name));
    for (const mutant of MUTANTS) expect(names.has(mutant.profile)).toBe(true);
  });
});
