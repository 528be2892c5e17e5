/**
 * Finds the processes of a group by their working directory, which no renaming of a process
 * (Redis does that) and no lost parent can hide. Only this user's processes are seen.
 */
import { readdirSync, readlinkSync } from "node:fs";

/** Pids of the processes whose working directory lies in `directory`; the caller's is left out. */
export function processesIn(directory: string): readonly number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => pid !== process.pid && isIn(directory, workingDirectory(pid)));
}

/** Sends SIGKILL to each of them; repeats while a dying parent still starts children. */
export function killAllIn(directory: string): void {
  for (let round = 0; round < 5; round += 1) {
    const pids = processesIn(directory);
    if (pids.length === 0) return;
    for (const pid of pids) killQuietly(pid);
  }
}

function isIn(directory: string, path: string | null): boolean {
  return path !== null && (path === directory || path.startsWith(`${directory}/`));
}

function workingDirectory(pid: number): string | null {
  try {
    return readlinkSync(`/proc/${pid}/cwd`);
  } catch {
    return null;
  }
}

function killQuietly(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It has ended by itself.
  }
}
