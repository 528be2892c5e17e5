/**
 * Brings our own cluster up, and removes it.
 *
 * Guarantees: `up` again completes what is missing; `down` leaves no process, mount, namespace,
 * control group or rule, whatever state an interrupted run left; a cluster that belongs to a
 * process is removed when that process ends, even by SIGKILL.
 */
import { existsSync, readdirSync, statfsSync } from "node:fs";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { addons } from "./addons.ts";
import { buildBinaries } from "./binaries.ts";
import { createCertificates } from "./certificates.ts";
import { destroyGroup, hierarchies } from "./cgroups.ts";
import type { KubeProxyMode } from "./configuration.ts";
import { startControlPlane } from "./control-plane.ts";
import { buildImages } from "./images/build.ts";
import { createOuter, namespaceOf, OUTER, outerExists, removeOuter } from "./network.ts";
import { NODES, OwnCluster } from "./own-cluster.ts";
import { installPackages, missingPackages } from "./packages.ts";
import { SHELL_FOLDER } from "./paths.ts";
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

export async function bringUp(paths: Paths, options: UpOptions = {}): Promise<OwnCluster> {
  const { kubeProxyMode = "nftables", progress = silent, owner = process.pid } = options;
  const support = await supportOf(paths);
  if (!support.ok) throw new Error(support.why);
  await installPackages(missingPackages("run"), progress);
  await buildBinaries(paths, progress);
  const images = await buildImages(paths, progress);
  const cluster = new OwnCluster(paths, () => takeDown(paths));
  // Until it is up, and for as long as it is wanted, somebody cleans up after this process.
  const isNew = !outerExists();
  if (isNew) {
    await takeDown(paths);
    await createState(paths);
    await watch(owner ?? process.pid, paths);
  }
  progress("starting the control plane and three nodes");
  await createOuter();
  await createCertificates(paths.pki, NODES);
  const startNodes = cluster.nodes.map(async (node) => {
    await node.configure(kubeProxyMode);
    await node.up();
    for (const image of images) await node.loadImage(image);
  });
  const startPlane = startControlPlane(cluster.controlPlane, paths).then(() =>
    cluster.kubectl(["apply", "-f", "-"], { input: addons() }),
  );
  await Promise.all([startPlane, ...startNodes]);
  await waitUntilUsable(cluster);
  await cluster.setKubeProxyMode(kubeProxyMode);
  if (isNew && owner === null) await rm(ownerFile(paths), { force: true });
  progress("the cluster is up");
  return cluster;
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

export async function takeDown(paths: Paths): Promise<void> {
  await rm(ownerFile(paths), { force: true });
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

function ownerFile({ cache }: Paths): string {
  return join(cache, "owner");
}

/** Starts a watcher that is nobody's child, so that it outlives what kills this process's tree. */
async function watch(pid: number, paths: Paths): Promise<void> {
  const file = ownerFile(paths);
  await writeFile(file, `${pid}\n`);
  const main = join(import.meta.dirname, "main.ts");
  const watcher = [join(SHELL_FOLDER, "watch-owner.sh"), String(pid), file, process.execPath, main];
  const detach = 'setsid sh "$@" </dev/null >/dev/null 2>&1 &';
  await run("sh", ["-c", detach, "detach", ...watcher]);
}
