/** The one place that reads the environment: what a user can choose about the cluster. */
import { homedir } from "node:os";
import { join } from "node:path";

/**
 * Of the one cluster that this process speaks of, by LEASEHOLD_CLUSTER_NAME: clusters of different
 * names do not know one another.
 */
export const CLUSTER_NAME = process.env["LEASEHOLD_CLUSTER_NAME"] || "leasehold";

export interface Settings {
  /** Where binaries, images and the state of clusters lie: LEASEHOLD_CLUSTER_CACHE. */
  readonly cache: string;
  /** An existing cluster to use instead: E2E_KUBECONFIG. */
  readonly kubeconfig: string | null;
  /** What brings an image archive to the existing cluster: E2E_IMAGE_HOOK. */
  readonly imageHook: string | null;
  /** A machine that cannot run the cluster is an error: LEASEHOLD_REQUIRE_CLUSTER=1. */
  readonly required: boolean;
}

export function settingsFrom(environment: NodeJS.ProcessEnv = process.env): Settings {
  const cacheHome = environment["XDG_CACHE_HOME"] || join(homedir(), ".cache");
  return {
    cache: environment["LEASEHOLD_CLUSTER_CACHE"] || join(cacheHome, "leasehold", "cluster"),
    kubeconfig: environment["E2E_KUBECONFIG"] || null,
    imageHook: environment["E2E_IMAGE_HOOK"] || null,
    required: environment["LEASEHOLD_REQUIRE_CLUSTER"] === "1",
  };
}

/** For Go: its usual folder is often not on the PATH of a service. */
export function environmentForGo(): NodeJS.ProcessEnv {
  return environmentWith({ PATH: `${process.env["PATH"] ?? ""}:/usr/local/go/bin` });
}

/** The environment for a program that gets more than this process has. */
export function environmentWith(more: Readonly<Record<string, string>>): NodeJS.ProcessEnv {
  return { ...process.env, ...more };
}
