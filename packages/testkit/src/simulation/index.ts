/** What others may use of the simulation: one seed in, what became of the promises out. */
export { runSeed, type RunRequest, type RunResult, type RunStats } from "./run.ts";
export { lineText, type Line } from "./timeline.ts";
export type { Violation } from "./world.ts";
