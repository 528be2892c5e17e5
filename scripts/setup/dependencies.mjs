/** Installs exactly what pnpm-lock.yaml says; pnpm itself finds out whether there is work. */
import { SetupError } from "./step.mjs";
import { supervise } from "./supervise.mjs";

const INSTALL = ["install", "--frozen-lockfile", "--reporter=append-only", "--loglevel=warn"];

/** @type {import("./step.mjs").SetupStep} */
export async function installDependencies({ root, environment, progress }) {
  progress("dependencies");
  const exitCode = await supervise("pnpm", INSTALL, { cwd: root, env: environment });
  if (exitCode !== 0) {
    throw new SetupError("pnpm could not install the dependencies: see its message above.");
  }
  return { environment, version: "dependencies of pnpm-lock.yaml" };
}
