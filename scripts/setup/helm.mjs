/**
 * Makes sure that `helm` is on PATH, for the tests of the chart. One of the machine is preferred;
 * else Go builds it.
 */
import { spawnSync } from "node:child_process";
import { provideGoProgram } from "./go-program.mjs";
import { SetupError } from "./step.mjs";

const OLDEST = { major: 3, minor: 14 };
const HOW_TO =
  `helm is missing: install helm ${OLDEST.major}.${OLDEST.minor} or newer (https://helm.sh), or Go ` +
  "1.21 or newer (https://go.dev), which builds it, and run this command again.";
const PROGRAM = { name: "helm", package: "helm.sh/helm/v4/cmd/helm", howTo: HOW_TO };

/** @type {import("./step.mjs").SetupStep} */
export async function provideHelm({ root, environment, progress }) {
  if (!versionOf(environment)) await provideGoProgram(PROGRAM, { root, environment, progress });
  const version = versionOf(environment);
  if (!version) throw new SetupError(HOW_TO);
  progress(version);
  return { environment, version };
}

/**
 * @param {NodeJS.ProcessEnv} env
 * @returns {string | null} "helm 4.2", null if there is none that runs and is new enough
 */
function versionOf(env) {
  const args = ["version", "--template", "{{.Version}}"];
  const { status, stdout } = spawnSync("helm", args, { env, encoding: "utf8", timeout: 10_000 });
  const [, major = "", minor = ""] = /^v(\d+)\.(\d+)/.exec(status === 0 ? stdout : "") ?? [];
  const isNewEnough =
    Number(major) > OLDEST.major ||
    (Number(major) === OLDEST.major && Number(minor) >= OLDEST.minor);
  return isNewEnough ? `helm ${major}.${minor}` : null;
}
