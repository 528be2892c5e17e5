import { expect, it } from "vitest";
import { awaitOffset, type OffsetReply } from "../src/await-offset.ts";

function answers<T>(...values: readonly T[]): () => Promise<T> {
  let index = 0;
  return () => {
    const value = values[Math.min(index, values.length - 1)] as T;
    index += 1;
    return Promise.resolve(value);
  };
}

const at = (offset: number, accepted: string | null = null): OffsetReply => ({ offset, accepted });

it("asks until the peer has the offset", async () => {
  const answer = await awaitOffset({
    wanted: 100,
    timeoutMs: 1_000,
    own: answers(0),
    theirs: answers(at(80), null, at(100, "n.7")),
  });
  expect(answer).toEqual({ equal: true, own: 100, theirs: 100, accepted: "n.7" });
});

it("compares with the own offset as it is now, where that may grow", async () => {
  const answer = await awaitOffset({
    wanted: "current",
    timeoutMs: 1_000,
    own: answers<number | null>(100, 114),
    theirs: answers(at(90, "n.1"), at(114)),
  });
  expect(answer).toEqual({ equal: true, own: 114, theirs: 114, accepted: null });
});

it("does not take two silences for equal offsets", async () => {
  const answer = await awaitOffset({
    wanted: "current",
    timeoutMs: 10,
    own: answers<number | null>(null),
    theirs: answers<OffsetReply | null>(null),
  });
  expect(answer).toEqual({ equal: false, own: -1, theirs: null, accepted: null });
});

it("says how far both were when the time is over", async () => {
  const answer = await awaitOffset({
    wanted: 100,
    timeoutMs: 10,
    own: answers(0),
    theirs: answers(at(99, "n.1")),
  });
  expect(answer).toEqual({ equal: false, own: 100, theirs: 99, accepted: null });
});
