/**
 * Makes sure that `promtool` is on PATH, for the tests of the chart's alerts. One of the machine is
 * preferred; else Go builds it, without Prometheus' service discoveries, which it does not need.
 */
import { spawnSync } from "node:child_process";
import { provideGoProgram } from "./go-program.mjs";
import { SetupError } from "./step.mjs";

const HOW_TO =
  "promtool is missing: install Prometheus 3 (https://prometheus.io), or Go 1.21 or newer " +
  "(https://go.dev), which builds it, and run this command again.";
const PROGRAM = {
  name: "promtool",
  package: "github.com/prometheus/prometheus/cmd/promtool",
  tags: "remove_all_sd",
  howTo: HOW_TO,
};

/** @type {import("./step.mjs").SetupStep} */
export async function providePromtool({ root, environment, progress }) {
  if (!runs(environment)) await provideGoProgram(PROGRAM, { root, environment, progress });
  if (!runs(environment)) throw new SetupError(HOW_TO);
  progress("promtool");
  return { environment, version: "promtool" };
}

/** @param {NodeJS.ProcessEnv} env */
function runs(env) {
  return spawnSync("promtool", ["--version"], { env, timeout: 10_000 }).status === 0;
}
