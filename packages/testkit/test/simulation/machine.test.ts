import { describe, expect, it } from "vitest";
import { Random } from "../../src/random.ts";
import { Machine } from "../../src/simulation/machine.ts";
import { Network } from "../../src/simulation/network.ts";
import { VirtualClock } from "../../src/virtual-clock.ts";

describe("virtual time", () => {
  it("runs what is due in order of time, then in order of scheduling", () => {
    const clock = new VirtualClock();
    const ran: string[] = [];
    clock.after(20, () => ran.push("c"));
    clock.after(10, () => ran.push("a"));
    clock.after(10, () => ran.push("b"));
    const cancelled = clock.after(5, () => ran.push("x"));
    clock.cancel(cancelled);
    clock.runUntil(15);
    expect(ran).toEqual(["a", "b"]);
    expect(clock.nowMs).toBe(15);
    clock.runUntil(30);
    expect(ran).toEqual(["a", "b", "c"]);
  });

  it("stays in order with thousands of timers", () => {
    const clock = new VirtualClock();
    const random = new Random(3);
    const seen: number[] = [];
    for (let i = 0; i < 5_000; i += 1) {
      clock.after(random.between(0, 1_000), () => seen.push(clock.nowMs));
    }
    clock.runUntil(1_000);
    expect(seen).toHaveLength(5_000);
    expect(seen).toEqual(seen.toSorted((a, b) => a - b));
  });
});

describe("random numbers", () => {
  it("are the same for the same seed and differ for another", () => {
    const draw = (seed: number): number[] => {
      const random = new Random(seed);
      return Array.from({ length: 8 }, () => random.bits());
    };
    expect(draw(1)).toEqual(draw(1));
    expect(draw(1)).not.toEqual(draw(2));
  });

  it("spread over their range", () => {
    const random = new Random(11);
    const counts = [0, 0, 0, 0];
    for (let i = 0; i < 4_000; i += 1) {
      const index = random.whole(0, 3);
      counts[index] = (counts[index] ?? 0) + 1;
    }
    for (const count of counts) expect(Math.abs(count - 1_000)).toBeLessThan(150);
  });
});

describe("a machine's clocks", () => {
  const at = { name: "n", address: 1 };

  it("run at the machine's own rate", () => {
    const clock = new VirtualClock();
    const machine = new Machine(clock, at, { rate: 1.02, uptimeMs: 500 });
    clock.runUntil(10_000);
    expect(machine.instant().monotonicMs).toBeCloseTo(10_700);
    expect(machine.trueMs(1_020)).toBeCloseTo(1_000);
  });

  it("stand still or go on in a suspend: monotonic, and boot time", () => {
    const clock = new VirtualClock();
    const machine = new Machine(clock, at, { rate: 1, uptimeMs: 0 });
    clock.runUntil(1_000);
    machine.freeze(true);
    clock.runUntil(6_000);
    machine.thaw();
    clock.runUntil(7_000);
    expect(machine.instant()).toEqual({ monotonicMs: 2_000, bootMs: 7_000 });
  });

  it("both go on through a freeze without suspend, and start anew with a reboot", () => {
    const clock = new VirtualClock();
    const machine = new Machine(clock, at, { rate: 1, uptimeMs: 0 });
    machine.freeze(false);
    clock.runUntil(5_000);
    expect(machine.instant()).toEqual({ monotonicMs: 5_000, bootMs: 5_000 });
    machine.powerOff();
    machine.powerOn();
    expect(machine.instant().bootMs).toBe(1_000);
  });
});

describe("the network", () => {
  it("cuts one way only, and counts overlapping cuts", () => {
    const clock = new VirtualClock();
    const network = new Network(clock, new Random(1));
    network.cut(1, 2);
    network.cut(1, 2);
    network.heal(1, 2);
    expect(network.isOpen(1, 2)).toBe(false);
    expect(network.isOpen(2, 1)).toBe(true);
    expect(network.isLinked(2, 1)).toBe(false);
    network.heal(1, 2);
    expect(network.isOpen(1, 2)).toBe(true);
  });

  it("delivers some messages that met a cut after its end, and loses the others", () => {
    const clock = new VirtualClock();
    const network = new Network(clock, new Random(1));
    let arrived = 0;
    network.cut(1, 2);
    for (let i = 0; i < 100; i += 1) network.send(1, 2, () => (arrived += 1));
    clock.runUntil(1_000);
    expect(arrived).toBe(0);
    network.heal(1, 2);
    clock.runUntil(5_000);
    expect(arrived).toBeGreaterThan(10);
    expect(arrived).toBeLessThan(60);
  });
});
