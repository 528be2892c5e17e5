/**
 * Runs one of Leasehold's commands with everything that it needs, on a machine that has nothing
 * but npm and some Node >= 18:
 * `node scripts/with-tools.mjs demo|check|sim|bench|cluster|e2e [arguments]`, or
 * `… exec <program> [arguments]` for any program that the tools and dependencies bring.
 *
 * It brings Node 24, pnpm, the dependencies and, where needed, redis-server, helm and promtool,
 * each only when it is missing or changed, and hands over. Guarantees: nothing is written outside
 * the clone's ignored folders and the user's caches, except that root gets redis-server through
 * apt; whatever ends this process by SIGINT, SIGTERM or SIGHUP ends all that it started.
 * This file and scripts/setup run under the old Node: plain JavaScript without dependencies,
 * typed by comments.
 */
import { fileURLToPath } from "node:url";
import { provideConsumers } from "./setup/consumers.mjs";
import { installDependencies } from "./setup/dependencies.mjs";
import { provideHelm } from "./setup/helm.mjs";
import { providePromtool } from "./setup/promtool.mjs";
import { provideRedisServer } from "./setup/redis-server.mjs";
import { SetupError } from "./setup/step.mjs";
import { supervise } from "./setup/supervise.mjs";
import { provideToolchain } from "./setup/toolchain.mjs";

const ROOT = fileURLToPath(new URL("..", import.meta.url));

/**
 * @typedef {object} Command
 * @property {readonly string[]} run What the arguments are appended to.
 * @property {readonly import("./setup/step.mjs").SetupStep[]} setup
 * @property {"inherit"} [stdin] What it reads; else nothing.
 */

const WITHOUT_REDIS = [provideToolchain, installDependencies];
const WITH_REDIS = [...WITHOUT_REDIS, provideRedisServer];

/** @type {ReadonlyMap<string, Command>} */
const COMMANDS = new Map([
  ["demo", { run: ["node", "apps/cli/src/main.ts", "demo"], setup: WITH_REDIS }],
  [
    "check",
    {
      run: ["node", "scripts/check.ts"],
      setup: [...WITH_REDIS, provideHelm, providePromtool, provideConsumers],
    },
  ],
  ["sim", { run: ["node", "packages/testkit/src/simulation/main.ts"], setup: WITHOUT_REDIS }],
  ["bench", { run: ["node", "packages/client/test/bench/main.ts"], setup: WITH_REDIS }],
  ["cluster", { run: ["node", "e2e/cluster/src/main.ts"], setup: WITHOUT_REDIS, stdin: "inherit" }],
  ["e2e", { run: ["node", "e2e/suite/src/main.ts"], setup: WITHOUT_REDIS }],
  ["exec", { run: [], setup: WITHOUT_REDIS }],
]);

/**
 * @param {string} name
 * @param {readonly string[]} rest
 * @returns {Promise<number>} exit code
 */
async function run(name, rest) {
  const command = COMMANDS.get(name);
  if (!command) {
    throw new SetupError(`"${name}" is no command: use ${[...COMMANDS.keys()].join(", ")}.`);
  }
  const [file = "node", ...args] = [...command.run, ...rest];
  const env = await setUp(command);
  return supervise(file, args, { env, cwd: ROOT, stdin: command.stdin ?? "ignore" });
}

/**
 * @param {Command} command
 * @returns {Promise<NodeJS.ProcessEnv>} the environment in which the command finds its tools
 */
async function setUp({ setup }) {
  let environment = { ...process.env };
  const versions = [];
  for (const [index, step] of setup.entries()) {
    const progress = (/** @type {string} */ words) => {
      console.log(`setup [${index + 1}/${setup.length}] ${words}`);
    };
    const provided = await step({ root: ROOT, environment, progress });
    environment = provided.environment;
    versions.push(provided.version);
  }
  // Part of every cache key: a result holds for the tools that it was found with.
  const LEASEHOLD_TOOLS = versions.join(", ");
  return { ...environment, LEASEHOLD_TOOLS, TURBO_TELEMETRY_DISABLED: "1" };
}

const [name = "", ...rest] = process.argv.slice(2);
try {
  process.exitCode = await run(name, rest);
} catch (error) {
  console.error(error instanceof SetupError ? error.message : error);
  process.exitCode = 1;
}
