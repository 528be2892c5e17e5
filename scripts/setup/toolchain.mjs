/**
 * Brings Node >= 24 and pnpm from npm into tools/node_modules, for Linux on x64 and arm64. A Node
 * of the machine that is new enough is preferred; elsewhere the machine must have both.
 */
import { spawnSync } from "node:child_process";
import { delimiter, dirname, join } from "node:path";
import { installTools } from "./install-tools.mjs";
import { SetupError } from "./step.mjs";

const OLDEST_NODE = 24;

/** @type {import("./step.mjs").SetupStep} */
export async function provideToolchain(context) {
  await installTools("tools", "Node and pnpm", context);
  const environment = { ...context.environment, PATH: pathWithTools(context) };
  const node = versionOf("node", environment);
  const pnpm = versionOf("pnpm", environment);
  if (!isNewEnough(node) || pnpm === "") {
    const machine = `${process.platform}-${process.arch}`;
    throw new SetupError(
      `Leasehold needs Node >= ${OLDEST_NODE} and pnpm, and brings none that run on ${machine}: ` +
        "install them (https://nodejs.org, https://pnpm.io) and run this command again.",
    );
  }
  const version = `Node ${node}, pnpm ${pnpm}`;
  context.progress(version);
  return { environment, version };
}

/** @param {import("./step.mjs").SetupContext} context */
function pathWithTools({ root, environment }) {
  const modules = join(root, "tools", "node_modules");
  const machine = `${process.platform}-${process.arch}`;
  return [
    ...(isNewEnough(process.versions.node) ? [dirname(process.execPath)] : []),
    join(modules, `node-${machine}`, "bin"),
    join(modules, "@pnpm", `exe.${machine}`),
    join(root, ".tools", "bin"),
    join(root, "node_modules", ".bin"),
    environment["PATH"],
  ].join(delimiter);
}

/** @param {string} version */
function isNewEnough(version) {
  return Number.parseInt(version, 10) >= OLDEST_NODE;
}

/**
 * @param {string} command
 * @param {NodeJS.ProcessEnv} env
 * @returns {string} "" if it is not there or does not run
 */
function versionOf(command, env) {
  const result = spawnSync(command, ["--version"], { env, encoding: "utf8", timeout: 30_000 });
  return result.status === 0 ? result.stdout.trim().replace(/^v/, "") : "";
}
