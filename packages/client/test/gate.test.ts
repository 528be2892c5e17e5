/** The queue of commands that wait for a leader, by itself, on a clock that the test moves. */
import { Command } from "ioredis";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Gate } from "../src/gate.ts";
import type { Operation, Rejection, Stream } from "../src/operation.ts";
import { settingsOf } from "../src/options.ts";
import { pushedTopology } from "./process/pushed-topology.ts";

const STANDARD = settingsOf({ topology: pushedTopology({}).provider }).operation;
const REFUSED: Rejection = { code: "READONLY", message: "READONLY", node: "a", db: 0 };

beforeEach(() => void vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] }));
afterEach(() => void vi.useRealTimers());

interface Wish {
  readonly waitMs?: number;
  readonly names?: readonly string[];
  readonly stream?: Stream;
  readonly isRefused?: boolean;
}

function operation(wish: Wish = {}): Operation {
  const { waitMs = 1_000, names = ["get"], stream, isRefused = false } = wish;
  return {
    commands: names.map((name) => new Command(name, ["k"])),
    stream,
    options: { ...STANDARD, waitForLeaderMs: waitMs },
    issuedAtMs: performance.now(),
    rejection: isRefused ? REFUSED : null,
    db: null,
  };
}

function open(): { readonly gate: Gate; readonly expired: Operation[] } {
  const expired: Operation[] = [];
  const gate: Gate = new Gate({
    expired(one) {
      // It is out of the queue by the time it is told.
      expect(one.commands.map((command) => gate.remove(command))).toEqual(
        one.commands.map(() => null),
      );
      expired.push(one);
    },
  });
  return { gate, expired };
}

test("what was refused waits before what was asked for later, in the order of its refusal", () => {
  const { gate } = open();
  const [early, first, second, late] = [
    operation(),
    operation({ isRefused: true }),
    operation({ isRefused: true }),
    operation(),
  ];
  gate.push(late);
  gate.insertRefused(first);
  gate.insertRefused(second);
  gate.unshift([early]);
  expect(gate.hasRefused).toBe(true);
  expect(gate.queued).toBe(4);
  expect(gate.takeAll()).toEqual([early, first, second, late]);
  expect([gate.isEmpty, gate.queued, gate.hasRefused]).toEqual([true, 0, false]);
});

test("what was refused is taken out by itself, and no timer is left when nothing waits", () => {
  const { gate } = open();
  const [first, refused] = [operation(), operation({ isRefused: true })];
  gate.push(first);
  gate.push(refused);
  expect(gate.takeRefused()).toEqual([refused]);
  expect([gate.hasRefused, gate.queued, vi.getTimerCount()]).toEqual([false, 1, 1]);
  expect(gate.shift()).toBe(first);
  expect([gate.shift(), vi.getTimerCount()]).toEqual([null, 0]);
});

test("each expires at its own time, with one timer for all, and pipelines as a whole", () => {
  const { gate, expired } = open();
  const stream = {} as Stream;
  const batch = operation({ waitMs: 300, names: ["incr"], stream });
  const [soon, later] = [operation({ waitMs: 100 }), operation({ waitMs: 900 })];
  gate.push(later);
  gate.push(batch);
  expect(gate.batch(stream)).toBe(batch);
  gate.join(batch, new Command("decr", ["k"]));
  gate.push(soon);
  expect([gate.queued, vi.getTimerCount()]).toEqual([4, 1]);
  vi.advanceTimersByTime(99);
  expect(expired).toEqual([]);
  vi.advanceTimersByTime(1);
  expect(expired).toEqual([soon]);
  vi.advanceTimersByTime(200);
  expect(expired).toEqual([soon, batch]);
  expect([gate.queued, gate.batch(stream)]).toEqual([1, undefined]);
  vi.advanceTimersByTime(600);
  expect(expired).toEqual([soon, batch, later]);
  expect(vi.getTimerCount()).toBe(0);
});

test.each([
  [Infinity, []],
  [2 ** 40, [2 ** 31 - 1]],
])("what may wait for %d ms is not overdue, nor looked at all the time", (waitMs, spans) => {
  const { gate, expired } = open();
  const timers = vi.spyOn(globalThis, "setTimeout");
  gate.push(operation({ waitMs }));
  vi.advanceTimersByTime(1_000);
  expect(expired).toEqual([]);
  expect(timers.mock.calls.map(([, ms]) => ms)).toEqual(spans);
  timers.mockRestore();
  gate.takeAll();
});

test("a flush that is broken off leaves the rest in its order and with its deadlines", () => {
  const { gate, expired } = open();
  const all = [operation(), operation({ waitMs: 50 }), operation()];
  for (const one of all) gate.push(one);
  const taken: Operation[] = [];
  gate.flush((one) => taken.length < 1 && taken.push(one) > 0);
  expect(taken).toEqual(all.slice(0, 1));
  expect(gate.queued).toBe(2);
  vi.advanceTimersByTime(50);
  expect(expired).toEqual(all.slice(1, 2));
  expect(gate.takeAll()).toEqual(all.slice(2));
});

test("one command takes its pipeline out, and what was settled meanwhile is not handed out", () => {
  const { gate } = open();
  const batch = operation({ names: ["incr", "decr"], stream: {} as Stream });
  const [settled, rest] = [operation(), operation()];
  for (const one of [batch, settled, rest]) gate.push(one);
  const [, second] = batch.commands;
  if (!second) throw new Error("a pipeline of two has no second");
  expect(gate.remove(second)).toBe(batch);
  expect(gate.queued).toBe(2);
  settled.commands[0]?.resolve("by its own deadline");
  expect(gate.takeAll()).toEqual([rest]);
});
