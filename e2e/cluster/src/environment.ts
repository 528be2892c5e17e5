/** The one place that reads the environment: what a user can choose about the cluster. */
import { homedir } from "node:os";
import { delimiter, join } from "node:path";

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

/** Where programs are that a service, or another user than root, often lacks on its PATH. */
const MORE_FOLDERS = ["/usr/sbin", "/sbin", "/usr/local/go/bin"];

export function searchPath(): string[] {
  return [...(process.env["PATH"] ?? "").split(delimiter), ...MORE_FOLDERS];
}

/** The environment for a program: this process's, with all that `searchPath` finds, and `more`. */
export function environmentWith(more: Readonly<Record<string, string>> = {}): NodeJS.ProcessEnv {
  return { ...process.env, PATH: searchPath().join(delimiter), ...more };
}
