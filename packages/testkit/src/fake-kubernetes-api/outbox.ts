/**
 * Lines on their way to one watching client: held back and delayed as the faults say, in order.
 *
 * Bounded: a client that reads slower than `MAX_WAITING` lines or bytes allow is cut off.
 */
import type { ServerResponse } from "node:http";
import type { WatchPlan } from "./faults.ts";

export interface Outbox {
  /** After the `last` one the answer ends. */
  send(line: string, last?: boolean): void;
  /** Sends what may go now; to be called when faults change. */
  flush(): void;
  close(): void;
}

interface Line {
  readonly text: string;
  readonly dueMs: number;
  readonly last: boolean;
}

const MAX_WAITING_LINES = 10_000;
const MAX_WAITING_BYTES = 16 * 1024 * 1024;

export function createOutbox(response: ServerResponse, plan: () => WatchPlan): Outbox {
  const waiting: Line[] = [];
  let wake: NodeJS.Timeout | null = null;

  function flush(): void {
    if (wake) clearTimeout(wake);
    wake = null;
    if (plan().held) return;
    while (waiting[0] && waiting[0].dueMs <= performance.now()) {
      const line = waiting.shift();
      response.write(line?.text);
      if (line?.last) response.end();
    }
    const next = waiting[0];
    if (next) wake = setTimeout(flush, Math.max(1, next.dueMs - performance.now()));
  }

  return {
    flush,
    send(text, last = false) {
      if (response.writableEnded || response.destroyed) return;
      if (waiting.length >= MAX_WAITING_LINES || response.writableLength > MAX_WAITING_BYTES) {
        response.destroy();
        return;
      }
      waiting.push({ text, dueMs: performance.now() + plan().delayMs, last });
      flush();
    },
    close() {
      if (wake) clearTimeout(wake);
      waiting.length = 0;
    },
  };
}
