/** A leader without replicas, by itself: what is tried when, on a clock that the test moves. */
import { Command } from "ioredis";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Gate } from "../src/gate.ts";
import type { Operation } from "../src/operation.ts";
import { settingsOf } from "../src/options.ts";
import { Shortage } from "../src/shortage.ts";
import { pushedTopology } from "./process/pushed-topology.ts";

const STANDARD = settingsOf({ topology: pushedTopology({}).provider }).operation;

beforeEach(() => void vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] }));
afterEach(() => void vi.useRealTimers());

/** Its pauses are 50, 100, … ms here. */
function play(written: readonly Command[] = []) {
  const gate = new Gate({ expired: () => {} });
  const [tried, overtaken]: [Operation[], Operation[]] = [[], []];
  const state = { opened: 0, isWritable: true };
  const shortage = new Shortage({
    gate,
    canWrite: () => state.isWritable,
    written: () => written,
    draw: () => 1,
    tryOne: (operation) => void tried.push(operation),
    open: () => void (state.opened += 1),
    overtaken: (operation) => void overtaken.push(operation),
  });
  return { gate, shortage, tried, overtaken, state };
}

function refused(name = "incr"): Operation {
  const rejection = { code: "NOREPLICAS", message: "NOREPLICAS", node: "a", db: 0 } as const;
  const issuedAtMs = performance.now();
  const commands = [new Command(name, ["k"])];
  return { commands, stream: undefined, options: STANDARD, issuedAtMs, rejection, db: 0 };
}

const commandOf = ({ commands: [command] }: Operation): Command => {
  if (!command) throw new Error("an operation has no command");
  return command;
};

test("the oldest is tried alone, with growing pauses, and all follow when it is taken", () => {
  const { shortage, tried, state } = play();
  const [first, second] = [refused(), refused()];
  shortage.met(commandOf(first), first);
  shortage.met(commandOf(second), second);
  expect([shortage.isOn, tried]).toEqual([true, []]);
  vi.advanceTimersByTime(49);
  expect(tried).toEqual([]);
  vi.advanceTimersByTime(1);
  expect(tried).toEqual([first]);
  shortage.met(commandOf(first), first);
  vi.advanceTimersByTime(99);
  expect(tried).toEqual([first]);
  vi.advanceTimersByTime(1);
  expect(tried).toEqual([first, first]);
  expect(state.opened).toBe(0);
  commandOf(first).resolve("1");
  expect([shortage.isOn, state.opened]).toEqual([false, 1]);
  expect(vi.getTimerCount()).toBe(1);
});

test("nothing is tried before all that was written is answered, and no later write is passed", () => {
  const behind = new Command("set", ["k", "v"]);
  const { shortage, tried, overtaken, gate } = play([behind, new Command("get", ["k"])]);
  const first = refused();
  shortage.met(commandOf(first), first);
  vi.advanceTimersByTime(1_000);
  expect(tried).toEqual([]);
  behind.resolve("OK");
  expect(overtaken).toEqual([first]);
  expect([gate.isEmpty, tried, shortage.isOn]).toEqual([true, [], false]);
});

test("a write behind it that is refused, too, keeps its place behind it", () => {
  const later = refused("set");
  const { shortage, tried, overtaken, gate } = play([commandOf(later)]);
  const first = refused();
  shortage.met(commandOf(first), first);
  vi.advanceTimersByTime(60);
  shortage.met(commandOf(later), later);
  expect([tried, overtaken]).toEqual([[first], []]);
  expect(gate.takeAll()).toEqual([later]);
});

test("a shortage that comes back at once goes on with its pauses", () => {
  const { shortage, tried } = play();
  const first = refused();
  shortage.met(commandOf(first), first);
  vi.advanceTimersByTime(50);
  commandOf(first).resolve("1");
  const next = refused();
  shortage.met(commandOf(next), next);
  vi.advanceTimersByTime(99);
  expect(tried).toEqual([first]);
  vi.advanceTimersByTime(1);
  expect(tried).toEqual([first, next]);
});

test("suspended, it has no timer and tries nothing; resumed, it is over if nothing is undecided", () => {
  const { shortage, tried, gate } = play();
  const first = refused();
  shortage.met(commandOf(first), first);
  shortage.suspend();
  expect(shortage.isOn).toBe(false);
  // What is left is the deadline of what waits.
  expect(vi.getTimerCount()).toBe(1);
  vi.advanceTimersByTime(500);
  expect(tried).toEqual([]);
  expect(shortage.resume()).toBe(false);
  expect(gate.takeAll()).toEqual([first]);
});

test("forgotten in the middle of a try, it leaves the refused one first, and no timer", () => {
  const { shortage, gate } = play();
  const [first, second] = [refused(), refused()];
  const batch = { ...first, commands: [commandOf(first), new Command("decr", ["k"])] };
  shortage.met(commandOf(first), batch);
  shortage.met(commandOf(second), second);
  vi.advanceTimersByTime(50);
  shortage.met(commandOf(first), first);
  shortage.forget();
  expect(gate.takeAll()).toEqual([first, second]);
  expect([shortage.isOn, vi.getTimerCount()]).toEqual([false, 0]);
});

test("what may not wait until the next try is known", () => {
  const { shortage } = play();
  const first = refused();
  shortage.met(commandOf(first), first);
  expect([shortage.isTooLateFor(49), shortage.isTooLateFor(51)]).toEqual([true, false]);
  vi.advanceTimersByTime(50);
  // It is being tried: its answer decides.
  expect(shortage.isTooLateFor(0)).toBe(false);
  shortage.forget();
});

test("a connection that is about to be lost is not written to", () => {
  const { shortage, tried, state } = play();
  const first = refused();
  shortage.met(commandOf(first), first);
  state.isWritable = false;
  vi.advanceTimersByTime(500);
  expect(tried).toEqual([]);
  shortage.forget();
});
