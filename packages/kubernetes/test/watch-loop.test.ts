import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { keepWatching, type WatchLoop } from "../src/api/watch-loop.ts";
import { createLeaseStore, type ApiClient } from "../src/index.ts";
import type { WatchEnd, WatchListener } from "../src/api/watch-stream.ts";

const CALL = { path: "/", query: {}, silenceMs: 1000 };
const PAUSES = { minPauseMs: 100, maxPauseMs: 1000 };
const BROKEN: WatchEnd = { status: null, retryAfterMs: null, message: "broken" };

/** A client whose watches do what the test says. */
class StubClient implements ApiClient {
  readonly namespace = "default";
  readonly opened: WatchListener[] = [];
  open = 0;

  request(): never {
    throw new Error("nothing is asked here");
  }

  watch(_call: unknown, listener: WatchListener): () => void {
    this.opened.push(listener);
    this.open += 1;
    return () => void (this.open -= 1);
  }

  close(): void {}

  /** As a watch ends by itself. */
  end(end = BROKEN): void {
    this.open -= 1;
    this.opened.at(-1)?.ended(end);
  }
}

let client: StubClient;
let stop = (): void => {};

beforeEach(() => {
  vi.useFakeTimers();
  client = new StubClient();
});
afterEach(() => {
  stop();
  vi.useRealTimers();
});

async function start(loop: Partial<WatchLoop> = {}): Promise<void> {
  stop = keepWatching(
    client,
    {
      call: () => Promise.resolve(CALL),
      opened: () => {},
      event: () => true,
      ended: () => {},
      ...loop,
    },
    PAUSES,
  );
  await vi.advanceTimersByTimeAsync(0);
}

/** How long after its end the next watch is opened. */
async function pauseMs(): Promise<number> {
  const before = client.opened.length;
  for (let passedMs = 0; passedMs < 20_000; passedMs += 1) {
    if (client.opened.length > before) return passedMs;
    await vi.advanceTimersByTimeAsync(1);
  }
  throw new Error("no watch was opened any more");
}

describe("a watch that is kept open", () => {
  test("is opened at once after a good one", async () => {
    await start();
    client.opened[0]?.opened();
    await vi.advanceTimersByTimeAsync(1000);
    client.end();
    expect(await pauseMs()).toBeLessThanOrEqual(1);
  });

  test("is opened after ever longer pauses, up to a bound, while it ends at once", async () => {
    await start();
    const bounds = [100, 200, 400, 800, 1000, 1000];
    for (const bound of bounds) {
      client.end();
      const pause = await pauseMs();
      expect(pause).toBeLessThanOrEqual(bound + 1);
      expect(pause).toBeGreaterThanOrEqual(bound / 2);
    }
  });

  test("starts over with short pauses after a good one", async () => {
    await start();
    for (let n = 0; n < 5; n += 1) {
      client.end();
      await pauseMs();
    }
    client.opened.at(-1)?.opened();
    await vi.advanceTimersByTimeAsync(1000);
    client.end();
    await pauseMs();
    client.end();
    expect(await pauseMs()).toBeLessThanOrEqual(101);
  });

  test("waits as long as the server asks, within the bound", async () => {
    await start();
    client.end({ ...BROKEN, retryAfterMs: 700 });
    expect(await pauseMs()).toBeGreaterThanOrEqual(700);
    client.end({ ...BROKEN, retryAfterMs: 60_000 });
    expect(await pauseMs()).toBeLessThanOrEqual(1001);
  });

  test("is closed and opened anew after an event that its reader does not take", async () => {
    await start({ event: ({ type }) => type !== "ERROR" });
    client.opened[0]?.event({ type: "ADDED", object: {} });
    expect(client.opened).toHaveLength(1);
    client.opened[0]?.event({ type: "ERROR", object: {} });
    expect(client.open).toBe(0);
    await pauseMs();
    expect(client.open).toBe(1);
  });

  test("tries again when there is nothing to begin at", async () => {
    let calls = 0;
    await start({ call: () => Promise.resolve((calls += 1) === 1 ? null : CALL) });
    expect(client.opened).toHaveLength(0);
    await pauseMs();
    expect(client.opened).toHaveLength(1);
  });

  test("is neither opened nor heard once it is stopped", async () => {
    const events: string[] = [];
    await start({ event: ({ type }) => events.push(type) > 0 });
    stop();
    client.opened[0]?.event({ type: "ADDED", object: {} });
    await vi.advanceTimersByTimeAsync(20_000);
    expect({ events, opened: client.opened.length, open: client.open }).toEqual({
      events: [],
      opened: 1,
      open: 0,
    });
  });
});

test("an ERROR event makes the Lease's watch begin anew, even if the server leaves it open", async () => {
  const store = createLeaseStore({ client, group: "orders", watchSilenceMs: 1000 });
  stop = store.watch(() => {});
  await vi.advanceTimersByTimeAsync(0);
  client.opened[0]?.event({ type: "ERROR", object: {} });
  await pauseMs();
  expect(client.opened).toHaveLength(2);
});
