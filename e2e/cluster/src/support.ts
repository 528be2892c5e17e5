/**
 * Whether this machine can run the cluster. Never throws, changes nothing but which modules the
 * kernel has loaded, and looks for what is cheap to see: what is rarer is found out by `up`.
 */
import { existsSync, mkdirSync, readFileSync, rmdirSync } from "node:fs";
import { join } from "node:path";
import { getuid, platform } from "node:process";
import { builtBinaries } from "./binaries.ts";
import { hierarchies, isUnified } from "./cgroups.ts";
import { hasApt, missingPackages } from "./packages.ts";
import { GO_FOLDER } from "./paths.ts";
import type { Paths } from "./paths.ts";
import { CommandError, run, succeeds } from "./run.ts";

/** A sentence that says what is missing, and what to do about it. */
export type Support = { readonly ok: true } | { readonly ok: false; readonly why: string };

const EXISTING = "or use an existing cluster by E2E_KUBECONFIG";

/** Each gives the sentence that stops, or null. */
const CHECKS: readonly ((paths: Paths) => Promise<string | null> | string | null)[] = [
  () =>
    platform === "linux"
      ? null
      : `the cluster needs Linux, this is ${platform}: use one, ${EXISTING}`,
  () => (getuid?.() === 0 ? null : `the cluster needs root: run this as root, ${EXISTING}`),
  checkKernel,
  checkControlGroups,
  checkPackages,
  checkNamespaces,
  checkGo,
];

export async function supportOf(paths: Paths): Promise<Support> {
  for (const check of CHECKS) {
    let why;
    try {
      why = await check(paths);
    } catch (error) {
      why = `the cluster's check of this machine broke: ${String(error)}`;
    }
    if (why !== null) return { ok: false, why };
  }
  return { ok: true };
}

async function checkKernel({ cache }: Paths): Promise<string | null> {
  // They may be built in, and a container may have no modprobe: what counts is what is there.
  await succeeds("modprobe", ["--all", "overlay", "br_netfilter"], { timeoutMs: 10_000 });
  if (!existsSync("/proc/sys/net/bridge")) {
    return `the kernel does not filter what bridges carry: load its module (modprobe br_netfilter), ${EXISTING}`;
  }
  if (!/\boverlay$/m.test(readFileSync("/proc/filesystems", "utf8"))) {
    return `the kernel has no overlay file system: load its module (modprobe overlay), ${EXISTING}`;
  }
  if (/^\/(run|mnt|var\/lib)\//.test(`${cache}/`)) {
    return `the cache folder ${cache} is hidden inside the nodes: choose one outside of /run, /mnt and /var/lib by LEASEHOLD_CLUSTER_CACHE`;
  }
  return null;
}

function checkControlGroups(): string | null {
  const all = hierarchies();
  if (all.length === 0) {
    return `no control groups are mounted under /sys/fs/cgroup: mount them, ${EXISTING}`;
  }
  for (const { mountPoint, version } of all) {
    // The machine's own root has no type; below it, a group has processes or groups with limits.
    const isInner = version === 2 && existsSync(join(mountPoint, "cgroup.type"));
    if (isInner && isUnified()) {
      return `the control groups in ${mountPoint} are those of a container: start it with the machine's (--cgroupns=host), ${EXISTING}`;
    }
    const probe = join(mountPoint, "leasehold-probe");
    try {
      mkdirSync(probe);
      rmdirSync(probe);
    } catch (error) {
      return `control groups cannot be made in ${mountPoint} (${String(error)}): run privileged, ${EXISTING}`;
    }
  }
  return null;
}

function checkPackages(): string | null {
  const missing = missingPackages("run");
  if (missing.length === 0 || hasApt()) return null;
  return `the cluster needs the programs of Debian's ${missing.join(", ")}: install them, ${EXISTING}`;
}

async function checkNamespaces(): Promise<string | null> {
  try {
    const all = ["--mount", "--net", "--pid", "--uts", "--ipc", "--cgroup", "--fork"];
    await run("unshare", [...all, "mount", "-t", "tmpfs", "tmpfs", "/mnt"], { timeoutMs: 5_000 });
    return null;
  } catch (error) {
    const why =
      error instanceof CommandError ? error.stderr.trim() || error.message : String(error);
    return `namespaces cannot be made here (${why}): run privileged, ${EXISTING}`;
  }
}

async function checkGo({ bin }: Paths): Promise<string | null> {
  if (builtBinaries(bin)) return null;
  const missing = missingPackages("build");
  if (missing.length > 0 && !hasApt()) {
    return `building the cluster needs Debian's ${missing.join(", ")}: install them, ${EXISTING}`;
  }
  // The one that asks for the newest Go: an older one brings that, or says why it cannot.
  const cwd = join(GO_FOLDER, "containerd");
  try {
    await run("go", ["version"], { cwd, timeoutMs: 120_000 });
    return null;
  } catch (error) {
    const why = error instanceof CommandError ? error.message : String(error);
    return `building the cluster needs Go 1.26.8, or 1.21 and later that may bring it (${why}): install it from https://go.dev/dl, ${EXISTING}`;
  }
}
