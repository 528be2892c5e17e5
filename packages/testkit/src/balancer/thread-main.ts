/** The other side of thread.ts: one balancer, led by messages. */
import { parentPort, workerData } from "node:worker_threads";
import { startBalancer, type Target } from "./balancer.ts";

const balancer = await startBalancer(workerData as Target);
parentPort?.on("message", (target: Target | null) => balancer.setTarget(target));
parentPort?.postMessage(balancer.address);
