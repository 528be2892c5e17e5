/**
 * Makes sure that `redis-server` is on PATH. Root on a machine with apt gets it from there, every
 * other user one sentence.
 *
 * Debian ships one executable under two names: package redis-tools has it as `redis-check-rdb`,
 * and package redis-server adds the other name together with a service that starts now and at
 * each boot. So this installs redis-tools and makes the name in the clone's `.tools/bin`.
 */
import { spawnSync } from "node:child_process";
import { mkdirSync, rmSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { SetupError } from "./step.mjs";
import { supervise } from "./supervise.mjs";

const HOW_TO =
  "redis-server is missing: install it (Debian, Ubuntu: apt-get install redis-server) and run " +
  "this command again.";
/** dpkg must not be killed half-way. */
const APT_GRACE_MS = 120_000;

/** @type {import("./step.mjs").SetupStep} */
export async function provideRedisServer({ root, environment, progress }) {
  if (!versionOf(environment)) {
    if (process.getuid?.() !== 0 || !find("apt-get", environment)) throw new SetupError(HOW_TO);
    progress("bringing redis-server from apt");
    await installByApt(environment);
    nameRedisServer(root, environment);
  }
  const version = versionOf(environment);
  if (!version) throw new SetupError(HOW_TO);
  progress(version);
  return { environment, version };
}

/**
 * @param {NodeJS.ProcessEnv} env
 * @returns {string | null} "Redis 7.0.15", null if there is none that runs
 */
function versionOf(env) {
  const options = /** @type {const} */ ({ env, encoding: "utf8", timeout: 10_000 });
  const result = spawnSync("redis-server", ["--version"], options);
  const version = result.status === 0 ? /\bv=(\S+)/.exec(result.stdout)?.[1] : undefined;
  return version ? `Redis ${version}` : null;
}

/** @param {NodeJS.ProcessEnv} environment */
async function installByApt(environment) {
  const env = { ...environment, DEBIAN_FRONTEND: "noninteractive" };
  const install = ["install", "--yes", "--no-install-recommends", "-qq", "redis-tools"];
  for (const args of [["update", "-qq"], install]) {
    const exitCode = await supervise("apt-get", args, { env, graceMs: APT_GRACE_MS });
    if (exitCode !== 0) throw new SetupError(`apt-get ${args[0]} failed: see above. ${HOW_TO}`);
  }
}

/**
 * @param {string} root
 * @param {NodeJS.ProcessEnv} environment
 */
function nameRedisServer(root, environment) {
  const executable = find("redis-check-rdb", environment);
  if (!executable) throw new SetupError(HOW_TO);
  const folder = join(root, ".tools", "bin");
  mkdirSync(folder, { recursive: true });
  rmSync(join(folder, "redis-server"), { force: true });
  symlinkSync(executable, join(folder, "redis-server"));
}

/**
 * @param {string} command
 * @param {NodeJS.ProcessEnv} env
 * @returns {string} its path, "" if it is not on PATH
 */
function find(command, env) {
  const args = ["-c", 'command -v "$1"', "sh", command];
  return spawnSync("sh", args, { env, encoding: "utf8" }).stdout.trim();
}
