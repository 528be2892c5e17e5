/**
 * A balancer in a thread of its own, as kube-proxy is nobody else's thread: what it forwards does
 * not wait for an API server in this process, nor that one for it.
 */
import { once } from "node:events";
import { Worker } from "node:worker_threads";
import type { Target } from "./balancer.ts";

export interface BalancerThread {
  readonly address: Target;
  /** Null: nobody. It holds for connections that come a moment later. */
  setTarget(target: Target | null): void;
  /** Ends the thread with all its connections. */
  close(): Promise<void>;
}

const START_TIMEOUT_MS = 10_000;

export async function startBalancerThread(listen: Target): Promise<BalancerThread> {
  const worker = new Worker(new URL("./thread-main.ts", import.meta.url), { workerData: listen });
  const signal = AbortSignal.timeout(START_TIMEOUT_MS);
  const [address] = (await once(worker, "message", { signal })) as [Target];
  return {
    address,
    setTarget: (target) => worker.postMessage(target),
    async close() {
      await worker.terminate();
    },
  };
}
