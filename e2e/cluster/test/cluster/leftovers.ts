/** What a cluster may leave on this machine, as sentences; empty when nothing is left. */
import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { settingsFrom } from "../../src/environment.ts";
import { foldersOf } from "../../src/cgroups.ts";
import { pathsIn } from "../../src/paths.ts";

const { cache, state } = pathsIn(settingsFrom().cache);

export function leftovers(): string[] {
  return [
    ...processes().map((command) => `process: ${command}`),
    ...foldersOf("")
      .filter(existsSync)
      .map((folder) => `control group: ${folder}`),
    ...namesIn("/run/netns")
      .filter(isOurs)
      .map((name) => `network namespace: ${name}`),
    ...namesIn("/sys/class/net")
      .filter((name) => name.startsWith("lh-"))
      .map((name) => `link: ${name}`),
    ...linesOf(readFileSync("/proc/self/mountinfo", "utf8"))
      .filter(isOurs)
      .map((line) => `mount: ${line}`),
    ...linesOf(execFileSync("nft", ["list", "tables"], { encoding: "utf8" })).filter(isOurs),
    ...(existsSync(state) ? [`folder: ${state}`] : []),
  ];
}

/** Everything of the cluster is started by a path in the cache. */
function processes(): string[] {
  const pids = namesIn("/proc").filter(
    (name) => /^\d+$/.test(name) && name !== String(process.pid),
  );
  return pids.flatMap((pid) => {
    try {
      const command = readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ");
      return command.includes(cache) || command.includes("/run/leasehold/") ? [command] : [];
    } catch {
      return [];
    }
  });
}

function isOurs(text: string): boolean {
  return text.includes("leasehold");
}

function namesIn(folder: string): string[] {
  return existsSync(folder) ? readdirSync(folder) : [];
}

function linesOf(text: string): string[] {
  return text.split("\n").filter(Boolean);
}
