import { describe, expect, test } from "vitest";
import { createGapMeter, mostWritableAtOnce, type Probe } from "../src/workload/index.ts";

/** Probes at the given instants, answered within a millisecond. */
function probes(accepted: readonly number[], refused: readonly number[] = []): Probe[] {
  return [
    ...accepted.map((at) => ({ sentAtMs: at, answeredAtMs: at + 1, accepted: true })),
    ...refused.map((at) => ({ sentAtMs: at, answeredAtMs: at + 1, accepted: false })),
  ].toSorted((a, b) => a.sentAtMs - b.sentAtMs);
}

const most = (members: Readonly<Record<string, readonly Probe[]>>) =>
  mostWritableAtOnce(new Map(Object.entries(members)))?.members.length ?? 0;

describe("members writable at once", () => {
  test("is none when no probe was accepted", () => {
    expect(most({ a: probes([], [0, 20]), b: probes([], [5]) })).toBe(0);
  });

  test("is one when the second member opens after the first has closed", () => {
    expect(most({ a: probes([0, 20, 40], [60]), b: probes([70, 90], [10, 30, 50]) })).toBe(1);
  });

  test("is two when a member accepts between two accepted probes of another", () => {
    expect(most({ a: probes([0, 20]), b: probes([10]) })).toBe(2);
  });

  test("is two when both are probed in step", () => {
    expect(most({ a: probes([0, 20, 40]), b: probes([0, 20, 40]) })).toBe(2);
  });

  test("is one when a refusal lies between the accepted probes of the first", () => {
    expect(most({ a: probes([0, 40], [5]), b: probes([20]) })).toBe(1);
  });

  test("does not take the time in which a probe was held for writable", () => {
    const held = { sentAtMs: 20, answeredAtMs: 220, accepted: true };
    expect(most({ a: [...probes([0]), held], b: probes([100]) })).toBe(1);
  });

  test("counts three", () => {
    expect(most({ a: probes([0, 20]), b: probes([0, 20]), c: probes([10]) })).toBe(3);
  });
});

describe("the write gap", () => {
  test("is the longest time between two acknowledgements", () => {
    const meter = createGapMeter(0);
    for (const at of [5, 10, 90, 95]) meter.acknowledged(at);
    expect(meter.longest(100)).toEqual({ lengthMs: 80, fromMs: 10 });
  });

  test("counts a gap that is still open", () => {
    const meter = createGapMeter(0);
    meter.acknowledged(10);
    expect(meter.longest(500)).toEqual({ lengthMs: 490, fromMs: 10 });
    expect(meter.lastAckMs()).toBe(10);
  });

  test("forgets what was before a restart", () => {
    const meter = createGapMeter(0);
    meter.acknowledged(400);
    meter.restart(410);
    meter.acknowledged(420);
    expect(meter.longest(425)).toEqual({ lengthMs: 10, fromMs: 410 });
  });
});
