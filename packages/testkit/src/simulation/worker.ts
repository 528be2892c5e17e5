/** One core's share of a batch. */
import { parentPort } from "node:worker_threads";
import { type RunRequest, runSeed } from "./run.ts";
import { lineText } from "./timeline.ts";
import type { RunSummary } from "./workers.ts";

const TAIL = 40;

parentPort?.on("message", (request: RunRequest) => {
  const { violation, timeline, ...run } = runSeed(request);
  const tail = violation === null ? [] : timeline.lines.slice(-TAIL).map((line) => lineText(line));
  const summary: RunSummary = { ...run, broken: violation, tail };
  parentPort?.postMessage(summary);
});
