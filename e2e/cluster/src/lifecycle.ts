/**
 * Brings our own cluster up, and removes it.
 *
 * Guarantees: `up` again completes what is missing; `down` leaves no process, mount, namespace,
 * control group or rule, whatever state an interrupted run left.
 */
import { existsSync, readdirSync, statfsSync } from "node:fs";
import { mkdir, rm } from "node:fs/promises";
import { addons } from "./addons.ts";
import { buildBinaries } from "./binaries.ts";
import { createCertificates } from "./certificates.ts";
import { destroyGroup, hierarchies } from "./cgroups.ts";
import type { KubeProxyMode } from "./configuration.ts";
import { startControlPlane } from "./control-plane.ts";
import { buildImages } from "./images/build.ts";
import { createOuter, namespaceOf, OUTER, outerExists, removeOuter } from "./network.ts";
import { NODES, OwnCluster } from "./own-cluster.ts";
import { isOrphan, ownerOf, setOwner, watchOwner, withLock } from "./owner.ts";
import { installPackages, missingPackages } from "./packages.ts";
import type { Paths } from "./paths.ts";
import { run, succeeds, until } from "./run.ts";
import { supportOf } from "./support.ts";

export interface UpOptions {
  readonly kubeProxyMode?: KubeProxyMode;
  readonly progress?: (line: string) => void;
  /** The process with which the cluster goes; null: it stays until `down`. */
  readonly owner?: number | null;
}

const READY_MS = 60_000;
const OVERLAY = 0x794c7630;
const silent = () => {};

/** Throws with one sentence on a machine that cannot run it. */
export async function bringUp(paths: Paths, options: UpOptions = {}): Promise<OwnCluster> {
  const { progress = silent } = options;
  const support = await supportOf(paths);
  if (!support.ok) throw new Error(support.why);
  return withLock(paths, progress, () => bringUpAlone(paths, options));
}

async function bringUpAlone(paths: Paths, options: UpOptions): Promise<OwnCluster> {
  const { kubeProxyMode = "nftables", progress = silent, owner = process.pid } = options;
  await installPackages(missingPackages("run"), progress);
  await buildBinaries(paths, progress);
  const images = await buildImages(paths, progress);
  const isNew = !outerExists() || isOrphan(paths);
  if (isNew) {
    await removeAll(paths);
    await createState(paths);
    // Until it is up, it belongs to this process even if it is to stay.
    setOwner(paths, owner ?? process.pid);
    await watchOwner(owner ?? process.pid, paths);
  }
  // Whoever joins a cluster leaves it as it was.
  const cluster = new OwnCluster(paths, async () => {
    if (isNew) await takeDown(paths);
  });
  progress(isNew ? "starting the control plane and three nodes" : "completing what runs");
  try {
    await startAll(cluster, paths, { kubeProxyMode, images });
  } catch (error) {
    await keepLogs(paths);
    throw error;
  }
  if (owner === null) setOwner(paths, null);
  progress("the cluster is up");
  return cluster;
}

interface StartOptions {
  readonly kubeProxyMode: KubeProxyMode;
  readonly images: readonly string[];
}

async function startAll(
  cluster: OwnCluster,
  paths: Paths,
  { kubeProxyMode, images }: StartOptions,
): Promise<void> {
  await createOuter();
  await createCertificates(paths.pki, NODES);
  await Promise.all([
    startControlPlane(cluster.controlPlane, paths).then(() =>
      cluster.kubectl(["apply", "-f", "-"], { input: addons() }),
    ),
    ...cluster.nodes.map(async (node) => {
      await node.configure(kubeProxyMode);
      await node.up();
      for (const image of images) await node.loadImage(image);
    }),
  ]);
  await waitUntilUsable(cluster);
}

/** What did not come up is removed as soon as this process ends: its logs are all that stays. */
async function keepLogs({ state, logs, nodes }: Paths): Promise<void> {
  const copy =
    'rm -rf "$1"; mkdir -p "$1"; cp "$2"/*.log "$1"; for log in "$3"/*/*.log; do cp "$log" "$1/$(basename "${log%/*}")-${log##*/}"; done';
  await succeeds("sh", ["-c", copy, "copy", `${state}.failed`, logs, nodes]);
}

async function waitUntilUsable(cluster: OwnCluster): Promise<void> {
  const ready = '{range .items[*]}{.status.conditions[?(@.type=="Ready")].status}{" "}{end}';
  await until("all nodes Ready", { timeoutMs: READY_MS, pollMs: 200 }, async () => {
    const words = await cluster.kubectl(["get", "nodes", "-o", `jsonpath=${ready}`]);
    return words.split(" ").filter((word) => word === "True").length === cluster.nodes.length;
  });
  await until("the default service account", { timeoutMs: READY_MS, pollMs: 200 }, () =>
    cluster.kubectl(["get", "serviceaccount", "default"]),
  );
}

/** @param of Does nothing unless the cluster belongs to this process. */
export async function takeDown(paths: Paths, of?: number): Promise<void> {
  await withLock(paths, silent, async () => {
    if (of === undefined || ownerOf(paths) === of) await removeAll(paths);
  });
}

async function removeAll(paths: Paths): Promise<void> {
  setOwner(paths, null);
  if (hierarchies().length > 0) await destroyGroup("");
  for (const name of existsSync("/run/netns") ? readdirSync("/run/netns") : []) {
    if (name.startsWith(namespaceOf(""))) await run("ip", ["netns", "del", name]);
  }
  await removeOuter();
  while (await succeeds("umount", [paths.state])) {}
  await rm(paths.state, { recursive: true, force: true });
}

/** Containers need a file system that overlays can lie on, which another overlay is not. */
async function createState({ state, logs, nodes }: Paths): Promise<void> {
  await mkdir(state, { recursive: true });
  if (statfsSync(state).type === OVERLAY) await run("mount", ["-t", "tmpfs", OUTER, state]);
  await mkdir(logs, { recursive: true });
  await mkdir(nodes, { recursive: true });
}
