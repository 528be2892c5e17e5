/** The cluster as a library: `const cluster = await Cluster.up()`. */
import type { ClusterHandle } from "./cluster.ts";
import { settingsFrom } from "./environment.ts";
import { ExistingCluster } from "./existing-cluster.ts";
import { buildImages } from "./images/build.ts";
import { bringUp } from "./lifecycle.ts";
import type { UpOptions } from "./lifecycle.ts";
import { pathsIn } from "./paths.ts";
import { supportOf } from "./support.ts";
import type { Support } from "./support.ts";

export { NotSupportedError } from "./cluster.ts";
export type { ClaimName, ContainerTarget, NodeFaults, ProgramFaults } from "./cluster.ts";
export { KUBE_PROXY_MODES } from "./configuration.ts";
export type { KubeProxyMode } from "./configuration.ts";
export { writeImage } from "./images/oci.ts";
export type { Image, ImageConfig } from "./images/oci.ts";
export type { UpOptions } from "./lifecycle.ts";
export { CommandError, until } from "./run.ts";
export type { Output, RunOptions, UntilOptions } from "./run.ts";
export type { Support } from "./support.ts";

export type Cluster = ClusterHandle;

export const Cluster = {
  /**
   * Our own cluster, or with E2E_KUBECONFIG the one that it names; either has the images of the
   * engines and of the sidecar. One that this call made goes with its owner, by default this
   * process.
   */
  async up(options: UpOptions = {}): Promise<Cluster> {
    const { cache, kubeconfig, imageHook } = settingsFrom();
    const paths = pathsIn(cache);
    if (kubeconfig === null) return bringUp(paths, options);
    const cluster = new ExistingCluster(kubeconfig, imageHook);
    if (imageHook !== null) {
      const archives = await buildImages(paths, options.progress ?? (() => {}));
      for (const archive of archives) await cluster.loadImage(archive);
    }
    return cluster;
  },
};

/** Whether `Cluster.up` can work here, else one sentence that says why not. Never throws. */
export async function clusterSupport(): Promise<Support> {
  const { cache, kubeconfig, required } = settingsFrom();
  if (kubeconfig !== null) return { ok: true };
  const support = await supportOf(pathsIn(cache));
  // Somebody who counts on these tests must not take skipped ones for passed ones.
  if (!support.ok && required) return { ok: true };
  return support;
}
