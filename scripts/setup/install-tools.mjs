/** What npm brings into a folder of tools, each exactly as the lock file of that folder says. */
import { createHash } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { SetupError } from "./step.mjs";
import { supervise } from "./supervise.mjs";

const INSTALL = ["ci", "--no-audit", "--no-fund", "--loglevel=error"];

/**
 * Only if the lock file has changed since the last time.
 *
 * @param {string} folder In the clone.
 * @param {string} what In words.
 * @param {import("./step.mjs").SetupContext} context
 */
export async function installTools(folder, what, { root, environment, progress }) {
  const tools = join(root, folder);
  const stamp = join(tools, "node_modules", ".installed-lock");
  const lock = readFileSync(join(tools, "package-lock.json"));
  const hash = createHash("sha256").update(lock).digest("hex");
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === hash) return;
  progress(`bringing ${what} from npm`);
  const exitCode = await supervise("npm", INSTALL, { cwd: tools, env: environment });
  if (exitCode !== 0) {
    throw new SetupError(
      `npm could not install ${folder}/: see its message above, then run again.`,
    );
  }
  // Where there is nothing for this machine npm makes no folder.
  if (existsSync(join(tools, "node_modules"))) writeFileSync(stamp, hash);
}
