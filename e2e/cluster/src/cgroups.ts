/**
 * The control groups under which every process of the cluster lives: `CLUSTER/NAME`, one for each
 * node and each program of the control plane.
 *
 * They are how a process is found again, whoever started it: no pid file can be stale. Knows both
 * layouts: one hierarchy per controller (v1, perhaps beside an empty v2) and the unified one (v2).
 */
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { CLUSTER_NAME } from "./environment.ts";
import { until } from "./run.ts";

export interface Hierarchy {
  readonly mountPoint: string;
  readonly version: 1 | 2;
  /** What `mount -o` needs to mount it again: "cpu,cpuacct", "none,name=systemd", "" for v2. */
  readonly options: string;
}

const PARENT = CLUSTER_NAME;
const FLAGS = new Set([
  "rw",
  "ro",
  "xattr",
  "clone_children",
  "nsdelegate",
  "memory_recursiveprot",
]);

/** Reads the lines of /proc/self/mountinfo. */
export function parseHierarchies(mountinfo: string): Hierarchy[] {
  return mountinfo.split("\n").flatMap((line): Hierarchy[] => {
    const [before = "", after = ""] = line.split(" - ");
    const [type, , superOptions = ""] = after.split(" ");
    const [, , , , mountPoint = ""] = before.split(" ");
    if (!mountPoint.startsWith("/sys/fs/cgroup")) return [];
    if (type === "cgroup2") return [{ mountPoint, version: 2, options: "" }];
    if (type !== "cgroup") return [];
    const words = superOptions.split(",").filter((word) => !FLAGS.has(word));
    const named = words.find((word) => word.startsWith("name="));
    return [{ mountPoint, version: 1, options: named ? `none,${named}` : words.join(",") }];
  });
}

let known: Hierarchy[] | undefined;

export function hierarchies(): readonly Hierarchy[] {
  known ??= parseHierarchies(readFileSync("/proc/self/mountinfo", "utf8"));
  return known;
}

/** Folders of a group, one per hierarchy; "" is the parent of all. */
export function foldersOf(name: string): string[] {
  return hierarchies().map(({ mountPoint }) => join(mountPoint, PARENT, name));
}

/** The hierarchy that freezes, which is also where processes are looked up. */
function lookupFolder(name: string): string {
  const found =
    hierarchies().find(({ options }) => options.split(",").includes("freezer")) ??
    hierarchies().find(({ version }) => version === 2);
  if (!found) throw new Error("no control groups under /sys/fs/cgroup: mount them first");
  return join(found.mountPoint, PARENT, name);
}

export function createGroup(name: string): void {
  for (const { mountPoint, version, options } of hierarchies()) {
    const parent = join(mountPoint, PARENT);
    for (const folder of [parent, join(parent, name)]) {
      mkdirSync(folder, { recursive: true });
      if (options.split(",").includes("cpuset")) inheritCpus(folder);
    }
    if (version === 2 && isUnified()) for (const folder of [mountPoint, parent]) enable(folder);
  }
}

/** True if v2 is all there is, and not the empty one beside v1. */
export function isUnified(): boolean {
  return hierarchies().every(({ version }) => version === 2);
}

/** A new v1 cpuset is empty, and takes no process before it is filled. */
function inheritCpus(folder: string): void {
  for (const file of ["cpuset.cpus", "cpuset.mems"]) {
    if (readFileSync(join(folder, file), "utf8").trim() !== "") continue;
    writeFileSync(join(folder, file), readFileSync(join(dirname(folder), file)));
  }
}

function enable(folder: string): void {
  const controllers = readFileSync(join(folder, "cgroup.controllers"), "utf8").trim().split(" ");
  const words = controllers.map((controller) => `+${controller}`).join(" ");
  writeFileSync(join(folder, "cgroup.subtree_control"), words);
}

/** All process ids below the group, as this machine numbers them. */
export function processesIn(name: string): number[] {
  const folder = lookupFolder(name);
  return treeOf(folder).flatMap((path) => readProcesses(join(path, "cgroup.procs")));
}

/** The folder and all below it, parents first; those that vanish meanwhile may be missing. */
export function treeOf(folder: string): string[] {
  let entries;
  try {
    entries = readdirSync(folder, { withFileTypes: true });
  } catch (error) {
    if (isGone(error)) return [];
    throw error;
  }
  const inner = entries.filter((entry) => entry.isDirectory());
  return [folder, ...inner.flatMap(({ name }) => treeOf(join(folder, name)))];
}

function isGone(error: unknown): boolean {
  return error instanceof Error && "code" in error && /^(ENOENT|ENODEV)$/.test(String(error.code));
}

function readProcesses(file: string): number[] {
  try {
    return readFileSync(file, "utf8").split("\n").filter(Boolean).map(Number);
  } catch (error) {
    // A container that ends takes its group along.
    if (isGone(error)) return [];
    throw error;
  }
}

export function signalAll(pids: readonly number[], signal: NodeJS.Signals): void {
  for (const pid of pids) {
    try {
      process.kill(pid, signal);
    } catch (error) {
      if (!(error instanceof Error && "code" in error && error.code === "ESRCH")) throw error;
    }
  }
}

export function setFrozen(name: string, frozen: boolean): void {
  const folder = lookupFolder(name);
  const v1 = join(folder, "freezer.state");
  if (existsSync(v1)) writeFileSync(v1, frozen ? "FROZEN" : "THAWED");
  else writeFileSync(join(folder, "cgroup.freeze"), frozen ? "1" : "0");
}

/** Kills whatever is in the group, frozen or not, and removes it. "" is all of the cluster. */
export async function destroyGroup(name: string): Promise<void> {
  if (existsSync(lookupFolder(name))) {
    for (const one of name === "" ? groupNames() : [name]) setFrozen(one, false);
    await until(
      `processes of ${PARENT}/${name} gone after SIGKILL`,
      { timeoutMs: 15_000, pollMs: 20 },
      async () => {
        const pids = processesIn(name);
        signalAll(pids, "SIGKILL");
        return pids.length === 0;
      },
    );
  }
  await until(`group ${PARENT}/${name} removed`, { timeoutMs: 10_000, pollMs: 20 }, async () =>
    foldersOf(name).every((folder) => removeTree(folder)),
  );
}

export function groupNames(): string[] {
  const folder = lookupFolder("");
  if (!existsSync(folder)) return [];
  const entries = readdirSync(folder, { withFileTypes: true });
  return entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
}

/** True once the folder and all below are gone; the kernel may need a moment after a kill. */
function removeTree(folder: string): boolean {
  for (const path of treeOf(folder).toReversed()) {
    try {
      rmdirSync(path);
    } catch (error) {
      if (isGone(error)) continue;
      if (error instanceof Error && "code" in error && error.code === "EBUSY") return false;
      throw error;
    }
  }
  return true;
}
