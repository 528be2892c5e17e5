/**
 * Builds a program with Go from the modules that `tools/<name>` pins, once, into the user's cache,
 * and gives it its name in the clone's `.tools/bin`, which is on PATH.
 */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, symlinkSync } from "node:fs";
import { homedir } from "node:os";
import { delimiter, join } from "node:path";
import { SetupError } from "./step.mjs";
import { supervise } from "./supervise.mjs";

/** Where Go's own installer puts it, which PATH need not name. */
const GO_FOLDER = "/usr/local/go/bin";

/**
 * @typedef {object} GoProgram
 * @property {string} name Of the folder in `tools` and of the program.
 * @property {string} package
 * @property {string} [tags] Go's build tags.
 * @property {string} howTo What a person may do without Go.
 */

/**
 * @param {GoProgram} program
 * @param {import("./step.mjs").SetupContext} context
 */
export async function provideGoProgram(program, context) {
  const executable = await built(program, context);
  const folder = join(context.root, ".tools", "bin");
  mkdirSync(folder, { recursive: true });
  rmSync(join(folder, program.name), { force: true });
  symlinkSync(executable, join(folder, program.name));
}

/**
 * @param {GoProgram} program
 * @param {import("./step.mjs").SetupContext} context
 * @returns {Promise<string>} path of the executable
 */
async function built({ name, package: path, tags, howTo }, { root, environment, progress }) {
  const modules = join(root, "tools", name);
  const folder = join(cacheFolder(environment), `${name}-${keyOf(modules)}`);
  const executable = join(folder, name);
  if (existsSync(executable)) return executable;
  const env = {
    ...environment,
    PATH: [environment["PATH"], GO_FOLDER].join(delimiter),
    CGO_ENABLED: "0",
    GOFLAGS: "-buildvcs=false",
  };
  if (spawnSync("go", ["version"], { env, timeout: 30_000 }).status !== 0) {
    throw new SetupError(howTo);
  }
  progress(`building ${name} with Go, about two minutes where nothing is cached`);
  mkdirSync(folder, { recursive: true });
  const partial = join(folder, `${name}.partial`);
  const flags = ["-trimpath", "-ldflags=-s -w", ...(tags ? ["-tags", tags] : [])];
  const args = ["build", ...flags, "-o", partial, path];
  const exitCode = await supervise("nice", ["-n", "5", "go", ...args], { cwd: modules, env });
  if (exitCode !== 0) throw new SetupError(`Go could not build ${name}: see above. ${howTo}`);
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
