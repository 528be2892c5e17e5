import { comparePositions, isBehind, type LineageEntry, type Position } from "@leasehold/election";
import { describe, expect, it } from "vitest";
import { positionOf, uniteLineages } from "../src/index.ts";

/** Three promotions that continue one another, from bytes 0, 900 and 2000. */
const LINEAGE: readonly LineageEntry[] = [
  { epoch: 1, replid: "rho-1", startOffset: 0, parent: null },
  { epoch: 4, replid: "rho-4", startOffset: 900, parent: "rho-1" },
  { epoch: 5, replid: "rho-5", startOffset: 2000, parent: "rho-4" },
];

function at(replid: string, offset: number): Position | null {
  return positionOf({ replid, replid2: null, secondOffset: -1, offset }, LINEAGE);
}

describe("the position of a copy", () => {
  it("names the epoch of its last byte, not of the leader it last linked to (U20)", () => {
    expect(at("rho-5", 950)).toMatchObject({ epoch: 4, offset: 950 });
    expect(at("rho-5", 500)).toMatchObject({ epoch: 1, offset: 500 });
    expect(at("rho-5", 2001)).toMatchObject({ epoch: 5, offset: 2001 });
  });

  it("of a promotion that never wrote a byte does not outrank a copy that holds more", () => {
    expect(comparePositions(at("rho-4", 900), at("rho-1", 1000))).toBeLessThan(0);
    expect(comparePositions(at("rho-4", 901), at("rho-1", 1000))).toBeGreaterThan(0);
  });

  it("at the very start of a stream is of the stream's first epoch", () => {
    expect(at("rho-1", 0)).toMatchObject({ epoch: 1, offset: 0 });
  });

  it("that was promoted unknown to others counts what it shares with the known history", () => {
    const promoted = { replid: "new", replid2: "rho-4", secondOffset: 1501, offset: 1700 };
    expect(positionOf(promoted, LINEAGE)).toMatchObject({ epoch: 4, offset: 1500 });
  });

  it("is unknown for a history that nobody knows", () => {
    expect(at("stranger", 5000)).toBeNull();
  });

  it("restored from disk ranks below every live one of its epoch, and is measured by its bytes", () => {
    const live = { epoch: 4, offset: 950, replid: "rho-4" };
    const restored = { ...live, offset: 1900, restored: true };
    expect(comparePositions(restored, live)).toBeLessThan(0);
    expect(comparePositions(restored, { ...live, epoch: 1 })).toBeGreaterThan(0);
    expect(isBehind(restored, live)).toBe(false);
  });
});

describe("a union of lineages", () => {
  it("holds each epoch once, in order, and the later argument wins", () => {
    const other = [{ epoch: 4, replid: "theirs", startOffset: 1, parent: null }];
    expect(uniteLineages(other, LINEAGE)).toEqual(LINEAGE);
    expect(uniteLineages(LINEAGE, other)[1]?.replid).toBe("theirs");
  });

  it("keeps the newest sixteen", () => {
    const long = Array.from({ length: 40 }, (_, epoch) => {
      return { epoch, replid: `rho-${epoch}`, startOffset: epoch, parent: null };
    });
    expect(uniteLineages(long).map((entry) => entry.epoch)).toEqual(
      Array.from({ length: 16 }, (_, index) => index + 24),
    );
  });
});
