import { expect, test } from "vitest";
import { createFailureLog } from "../src/workload/failures.ts";

function logAt(times: readonly number[]) {
  const left = [...times];
  return createFailureLog(() => left.shift() ?? NaN);
}

test("dates failures from the fault, those before it first", () => {
  const log = logAt([0, 80, 100, 130]);
  log.add("w", "refused");
  log.restart();
  log.add("w", "reset");
  expect(log.first()).toEqual([
    { sinceFaultMs: -20, what: "w: refused" },
    { sinceFaultMs: 30, what: "w: reset" },
  ]);
});

test("keeps the first few only, on each side of the fault", () => {
  let nowMs = 0;
  const log = createFailureLog(() => (nowMs += 1));
  for (let count = 0; count < 50; count += 1) log.add("w", "before");
  log.restart();
  for (let count = 0; count < 50; count += 1) log.add("w", "since");
  const sides = log.first().map(({ what }) => what);
  expect(sides).toEqual([...Array(4).fill("w: before"), ...Array(4).fill("w: since")]);
});

test("counts each kind of error since the fault, whatever address it names", () => {
  const log = logAt([0]);
  log.add("w", "READONLY You can't write against a read only replica.");
  log.restart();
  for (const host of ["10.96.0.7:6379", "10.96.0.8:6379"]) {
    log.add("w", `connect: connect ECONNREFUSED ${host}`);
  }
  log.add("w", "READONLY You can't write against a read only replica.");
  expect(log.kinds()).toEqual({ "connect: connect ECONNREFUSED": 2, READONLY: 1 });
});
