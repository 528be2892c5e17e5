/**
 * Keeps a watch open: opens it again whatever ended it, at once after a good one, else after a
 * pause that grows to `maxPauseMs`. Holds one connection and one timer at any time.
 */
import { randomInt } from "node:crypto";
import type { ApiClient } from "./client.ts";
import type { WatchCall, WatchEnd, WatchEvent } from "./watch-stream.ts";

export interface WatchLoop {
  /** Where to begin; asked before each opening. Null: try again later. */
  call(): Promise<WatchCall | null>;
  opened(): void;
  /** Returns false to have the watch opened anew. */
  event(event: WatchEvent): boolean;
  ended(end: WatchEnd): void;
}

export interface WatchPauses {
  readonly minPauseMs: number;
  readonly maxPauseMs: number;
}

/** A watch that held that long was good: the next one is opened at once. */
const GOOD_WATCH_MS = 1000;

/** Returns the function that ends it. */
export function keepWatching(client: ApiClient, loop: WatchLoop, pauses: WatchPauses): () => void {
  let stopped = false;
  let failures = 0;
  let timer: NodeJS.Timeout | null = null;
  let stopWatch = (): void => {};

  function again(end: WatchEnd, openedAtMs: number | null): void {
    if (stopped) return;
    const good = openedAtMs !== null && performance.now() - openedAtMs >= GOOD_WATCH_MS;
    failures = good ? 0 : failures + 1;
    const grown = pauses.minPauseMs * 2 ** Math.min(failures - 1, 16);
    const pauseMs = failures === 0 ? 0 : Math.max(grown * jitter(), end.retryAfterMs ?? 0);
    timer = setTimeout(() => void open(), Math.min(pauseMs, pauses.maxPauseMs));
    loop.ended(end);
  }

  async function open(): Promise<void> {
    const call = await loop.call();
    if (stopped) return;
    if (!call) {
      again({ status: null, retryAfterMs: null, message: "nothing to begin at" }, null);
      return;
    }
    let openedAtMs: number | null = null;
    stopWatch = client.watch(call, {
      opened() {
        openedAtMs = performance.now();
        loop.opened();
      },
      event(event) {
        if (stopped || loop.event(event)) return;
        stopWatch();
        again({ status: null, retryAfterMs: null, message: "began anew" }, openedAtMs);
      },
      ended: (end) => again(end, openedAtMs),
    });
  }

  void open();
  return () => {
    stopped = true;
    if (timer) clearTimeout(timer);
    stopWatch();
  };
}

/** 0.5 to 1, so that members that lost the API together do not come back together. */
function jitter(): number {
  return 0.5 + randomInt(1000) / 2000;
}
