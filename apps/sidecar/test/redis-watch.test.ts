import { afterEach, beforeEach, expect, it, vi } from "vitest";
import type { RedisObservation } from "@leasehold/replication";
import { watchRedis, type RedisWatchListener } from "../src/redis-watch.ts";

const LISTENER: RedisWatchListener = { observe: () => undefined, intervalMs: () => 200 };
const REFUSED: RedisObservation = { kind: "refused" };

interface Fake {
  readonly asked: number[];
  closed: () => void;
  answer: (observation: RedisObservation) => void;
  readonly redis: Parameters<typeof watchRedis>[0];
}

function fake(): Fake {
  const f = {
    asked: [] as number[],
    closed: (): void => undefined,
    answer: (_observation: RedisObservation): void => undefined,
  };
  const redis: Fake["redis"] = {
    probe: () => {
      f.asked.push(performance.now());
      return new Promise((resolve) => {
        f.answer = resolve;
      });
    },
    onClosed: (listener) => {
      f.closed = listener;
    },
  };
  return Object.assign(f, { redis });
}

const flush = (ms: number): Promise<unknown> => vi.advanceTimersByTimeAsync(ms);

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

it("asks at its interval, counted from the last question on", async () => {
  const f = fake();
  const watch = watchRedis(f.redis, LISTENER);
  for (let round = 0; round < 3; round += 1) {
    await flush(round === 0 ? 0 : 190);
    await flush(10);
    f.answer(REFUSED);
    await flush(0);
  }
  watch.stop();
  const [first = 0, second = 0, third = 0] = f.asked;
  expect([second - first, third - second]).toEqual([200, 200]);
});

it("never has two questions open, also when it is nudged", async () => {
  const f = fake();
  const watch = watchRedis(f.redis, LISTENER);
  await flush(0);
  watch.nudge();
  await flush(1_000);
  expect(f.asked).toHaveLength(1);
  f.answer(REFUSED);
  await flush(0);
  expect(f.asked).toHaveLength(2);
  watch.stop();
});

it("asks at once when a connection was closed, but not in a tight loop", async () => {
  const f = fake();
  const watch = watchRedis(f.redis, LISTENER);
  await flush(0);
  f.answer(REFUSED);
  await flush(5);
  f.closed();
  f.closed();
  await flush(5);
  expect(f.asked).toHaveLength(2);
  f.answer(REFUSED);
  f.closed();
  await flush(9);
  expect(f.asked).toHaveLength(2);
  watch.stop();
});

it("tells nothing once it has been stopped", async () => {
  const f = fake();
  const seen: RedisObservation[] = [];
  const watch = watchRedis(f.redis, {
    ...LISTENER,
    observe: (observation) => seen.push(observation),
  });
  await flush(0);
  watch.stop();
  f.answer(REFUSED);
  await flush(1_000);
  expect(seen).toEqual([]);
  expect(f.asked).toHaveLength(1);
});
