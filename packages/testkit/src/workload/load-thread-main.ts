/** The other side of load-thread.ts: carries out its calls on one load. */
import { parentPort, workerData } from "node:worker_threads";
import { createLoad, type Load } from "./load.ts";
import type { Answer, Call } from "./load-thread.ts";

const load = createLoad(workerData as string);

parentPort?.on("message", (call: Call) => {
  void carryOut(call).then((answer) => parentPort?.postMessage(answer));
});

async function carryOut({ id, method, args }: Call): Promise<Answer> {
  try {
    const run = load[method] as (...args: readonly unknown[]) => ReturnType<Load[typeof method]>;
    return { id, value: await run(...args) };
  } catch (error) {
    return { id, error: error instanceof Error ? error.message : String(error) };
  }
}
