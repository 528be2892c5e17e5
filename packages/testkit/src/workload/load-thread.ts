/**
 * A load in a thread of its own: clients that reconnect in their hundreds and whatever else the
 * process runs, an API server or proxies, do not wait for one another, so that a gap is the
 * group's and not the observer's.
 *
 * Guarantees: calls are carried out in order; none stays open when the thread ends.
 */
import { Worker } from "node:worker_threads";
import type { Load } from "./load.ts";

/** The same calls, each answered by a promise. */
export type RemoteLoad = {
  readonly [K in keyof Load]: (
    ...args: Parameters<Load[K]>
  ) => Promise<Awaited<ReturnType<Load[K]>>>;
};

export interface LoadThread {
  readonly load: RemoteLoad;
  /** Ends the thread with all its clients. Open calls are rejected. */
  readonly close: () => Promise<void>;
}

export interface Call {
  readonly id: number;
  readonly method: keyof Load;
  readonly args: readonly unknown[];
}

export type Answer =
  | { readonly id: number; readonly value: unknown }
  | { readonly id: number; readonly error: string };

interface Open {
  /** Each call knows the type of its own answer. */
  readonly resolve: (value: never) => void;
  readonly reject: (error: Error) => void;
}

export function startLoadThread(prefix: string): LoadThread {
  const worker = new Worker(new URL("./load-thread-main.ts", import.meta.url), {
    workerData: prefix,
  });
  const open = new Map<number, Open>();
  let nextId = 1;
  let ended: Error | null = null;
  const end = (error: Error): void => {
    ended ??= error;
    for (const call of open.values()) call.reject(error);
    open.clear();
  };
  worker.on("message", (answer: Answer) => {
    const call = open.get(answer.id);
    open.delete(answer.id);
    if ("error" in answer) call?.reject(new Error(answer.error));
    else call?.resolve(answer.value as never);
  });
  worker.on("error", (error: Error) => end(error));
  worker.on("exit", () => end(new Error("the thread of the load has ended")));

  const call = <K extends keyof Load>(method: K, ...args: Parameters<Load[K]>) =>
    new Promise<Awaited<ReturnType<Load[K]>>>((resolve, reject) => {
      if (ended !== null) return reject(ended);
      const id = nextId;
      nextId += 1;
      open.set(id, { resolve, reject });
      worker.postMessage({ id, method, args } satisfies Call);
    });
  return {
    load: {
      start: (options) => call("start", options),
      flowing: (deadlineMs) => call("flowing", deadlineMs),
      restartGap: () => call("restartGap"),
      state: () => call("state"),
      writable: () => call("writable"),
      stop: () => call("stop"),
      check: (target) => call("check", target),
    },
    async close() {
      await worker.terminate();
    },
  };
}
