/**
 * Who may change the cluster now, and with which process it goes.
 *
 * Guarantees: one `up` or `down` at a time on this machine, an interrupted one not counting; a
 * cluster that belongs to a process is removed when that process ends, even by SIGKILL.
 */
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { CLUSTER_NAME } from "./environment.ts";
import { SHELL_FOLDER } from "./paths.ts";
import type { Paths } from "./paths.ts";
import { run, until } from "./run.ts";

/** As long as building everything may take. */
const LOCK_MS = 60 * 60_000;

export async function withLock<T>(
  { cache }: Paths,
  progress: (line: string) => void,
  work: () => Promise<T>,
): Promise<T> {
  mkdirSync(cache, { recursive: true });
  const file = join(cache, "lock");
  let waits = false;
  await until(`the lock ${file}`, { timeoutMs: LOCK_MS, pollMs: 200 }, async () => {
    if (createWith(file, process.pid)) return true;
    const holder = readPid(file);
    if (holder !== null && !isAlive(holder)) rmSync(file, { force: true });
    else if (!waits) progress(`waiting for process ${holder}, which brings the cluster up or down`);
    waits = true;
    return false;
  });
  try {
    return await work();
  } finally {
    rmSync(file, { force: true });
  }
}

/** The process with which the cluster goes; null: it stays until `down`. */
export function ownerOf(paths: Paths): number | null {
  return readPid(fileIn(paths));
}

export function isOrphan(paths: Paths): boolean {
  const owner = ownerOf(paths);
  return owner !== null && !isAlive(owner);
}

export function setOwner(paths: Paths, pid: number | null): void {
  if (pid === null) rmSync(fileIn(paths), { force: true });
  else writeFileSync(fileIn(paths), `${pid}\n`);
}

/** Starts a watcher that is nobody's child, so that it outlives what kills its owner's tree. */
export async function watchOwner(pid: number, paths: Paths): Promise<void> {
  const main = join(import.meta.dirname, "main.ts");
  const script = join(SHELL_FOLDER, "watch-owner.sh");
  const watcher = [script, String(pid), fileIn(paths), process.execPath, main];
  const detach = 'setsid sh "$@" </dev/null >/dev/null 2>&1 &';
  await run("sh", ["-c", detach, "detach", ...watcher]);
}

function fileIn({ cache }: Paths): string {
  return join(cache, "state", `${CLUSTER_NAME}.owner`);
}

function createWith(file: string, pid: number): boolean {
  try {
    writeFileSync(file, `${pid}\n`, { flag: "wx" });
    return true;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "EEXIST") return false;
    throw error;
  }
}

/** null: there is no such file, or it is just being written. */
function readPid(file: string): number | null {
  try {
    return Number.parseInt(readFileSync(file, "utf8"), 10) || null;
  } catch {
    return null;
  }
}

function isAlive(pid: number): boolean {
  return existsSync(`/proc/${pid}`);
}
