/**
 * Makes sure that `helm` is on PATH, for the tests of the chart. One of the machine is preferred;
 * else Go builds it from the modules that tools/helm pins, once, into the user's cache, and it gets
 * its name in the clone's `.tools/bin`.
 */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, symlinkSync } from "node:fs";
import { homedir } from "node:os";
import { delimiter, join } from "node:path";
import { SetupError } from "./step.mjs";
import { supervise } from "./supervise.mjs";

const OLDEST = { major: 3, minor: 14 };
const PACKAGE = "helm.sh/helm/v4/cmd/helm";
/** Where Go's own installer puts it, which PATH need not name. */
const GO_FOLDER = "/usr/local/go/bin";
const HOW_TO =
  `helm is missing: install helm ${OLDEST.major}.${OLDEST.minor} or newer (https://helm.sh), or Go ` +
  "1.21 or newer (https://go.dev), which builds it, and run this command again.";

/** @type {import("./step.mjs").SetupStep} */
export async function provideHelm({ root, environment, progress }) {
  if (!versionOf(environment)) {
    const executable = await built({ root, environment, progress });
    const folder = join(root, ".tools", "bin");
    mkdirSync(folder, { recursive: true });
    rmSync(join(folder, "helm"), { force: true });
    symlinkSync(executable, join(folder, "helm"));
  }
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

/**
 * @param {import("./step.mjs").SetupContext} context
 * @returns {Promise<string>} path of the executable
 */
async function built({ root, environment, progress }) {
  const modules = join(root, "tools", "helm");
  const folder = join(cacheFolder(environment), `helm-${keyOf(modules)}`);
  const executable = join(folder, "helm");
  if (existsSync(executable)) return executable;
  const env = {
    ...environment,
    PATH: [environment["PATH"], GO_FOLDER].join(delimiter),
    CGO_ENABLED: "0",
    GOFLAGS: "-buildvcs=false",
  };
  if (spawnSync("go", ["version"], { env, timeout: 30_000 }).status !== 0) {
    throw new SetupError(HOW_TO);
  }
  progress("building helm with Go, about two minutes where nothing is cached");
  mkdirSync(folder, { recursive: true });
  const partial = join(folder, "helm.partial");
  const args = ["build", "-trimpath", "-ldflags=-s -w", "-o", partial, PACKAGE];
  const exitCode = await supervise("nice", ["-n", "5", "go", ...args], { cwd: modules, env });
  if (exitCode !== 0) throw new SetupError(`Go could not build helm: see above. ${HOW_TO}`);
  // Whatever interrupts the build, a file of the final name is whole.
  renameSync(partial, executable);
  return executable;
}

/** @param {NodeJS.ProcessEnv} environment */
function cacheFolder(environment) {
  return join(environment["XDG_CACHE_HOME"] || join(homedir(), ".cache"), "leasehold");
}

/** @param {string} modules */
function keyOf(modules) {
  const hash = createHash("sha256").update(`${process.platform} ${process.arch}`);
  for (const file of ["go.mod", "go.sum"]) hash.update(readFileSync(join(modules, file)));
  return hash.digest("hex").slice(0, 12);
}
