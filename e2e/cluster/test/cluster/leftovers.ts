/** What a cluster may leave on this machine, as sentences; empty when nothing is left. */
import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { settingsFrom } from "../../src/environment.ts";
import { foldersOf } from "../../src/cgroups.ts";
import { OUTER } from "../../src/network.ts";
import { pathsIn } from "../../src/paths.ts";

const { state } = pathsIn(settingsFrom().cache);

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
      .filter((line) => line.includes(state) || line.includes(`/run/netns/${OUTER}`))
      .map((line) => `mount: ${line}`),
    ...linesOf(execFileSync("nft", ["list", "tables"], { encoding: "utf8" })).filter((table) =>
      /leasehold-faults|kube-proxy/.test(table),
    ),
    ...(existsSync(state) ? [`folder: ${state}`] : []),
  ];
}

/** Those of nodes are in its control groups; all others name its files. */
function processes(): string[] {
  const pids = namesIn("/proc").filter(
    (name) => /^\d+$/.test(name) && name !== String(process.pid),
  );
  return pids.flatMap((pid) => {
    try {
      const command = readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ");
      return command.includes(state) ? [command] : [];
    } catch {
      return [];
    }
  });
}

function isOurs(namespace: string): boolean {
  return namespace === OUTER || namespace.startsWith(`${OUTER}.`);
}

function namesIn(folder: string): string[] {
  return existsSync(folder) ? readdirSync(folder) : [];
}

function linesOf(text: string): string[] {
  return text.split("\n").filter(Boolean);
}
