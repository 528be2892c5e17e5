import { expect, test } from "vitest";
import { writesDuring } from "../src/candidate.ts";

const TURNS = [
  { fromMs: 100, untilMs: 200 },
  { fromMs: 300, untilMs: Infinity },
];

function probe(sentAtMs: number, answeredAtMs: number, accepted = true) {
  return { sentAtMs, answeredAtMs, accepted };
}

test("a write that was taken inside a turn is found, in the one that goes on, too", () => {
  const inside = [probe(100, 101), probe(199, 200), probe(1000, 1001)];
  expect(writesDuring(TURNS, [probe(50, 60), ...inside])).toEqual(inside);
});

test("a write that may have been taken before or after a turn is none, nor is a refused one", () => {
  const innocent = [probe(99, 101), probe(199, 201), probe(250, 260), probe(150, 151, false)];
  expect(writesDuring(TURNS, innocent)).toEqual([]);
});
