import { expect, test } from "vitest";
import { createFailureLog } from "../src/workload/failures.ts";

function logAt(times: readonly number[]) {
  const left = [...times];
  return createFailureLog(() => left.shift() ?? NaN);
}

test("dates failures from the fault, those before it first", () => {
  const log = logAt([0, 80, 100, 130]);
  log.add("refused");
  log.restart();
  log.add("reset");
  expect(log.first()).toEqual([
    { sinceFaultMs: -20, what: "refused" },
    { sinceFaultMs: 30, what: "reset" },
  ]);
});

test("keeps the first few only, on each side of the fault", () => {
  let nowMs = 0;
  const log = createFailureLog(() => (nowMs += 1));
  for (let count = 0; count < 50; count += 1) log.add("before");
  log.restart();
  for (let count = 0; count < 50; count += 1) log.add("since");
  const sides = log.first().map(({ what }) => what);
  expect(sides).toEqual([...Array(4).fill("before"), ...Array(4).fill("since")]);
});
