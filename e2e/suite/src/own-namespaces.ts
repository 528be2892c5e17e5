/**
 * The namespaces that acts install into. On a cluster that is somebody else's they must be free
 * before, and are gone afterwards; our own cluster goes as a whole.
 */
import type { Cluster } from "@leasehold/cluster";

export const OWN_NAMESPACES: readonly string[] = [
  "again",
  "engines",
  "load",
  "moves",
  "noise",
  "one",
  "outside",
  "sealed",
  "sentinel",
  "shop",
  "tested",
  "two",
];

type Claimed = Pick<Cluster, "canInjectFaults" | "kubectl">;

/**
 * Resolves with what removes them again, without waiting until they are gone. Throws if there is
 * one already: it may be somebody's, or be left by a run that was killed.
 */
export async function claimNamespaces(cluster: Claimed): Promise<() => Promise<void>> {
  if (cluster.canInjectFaults) return async () => {};
  const found = (await cluster.kubectl(["get", "namespaces", "-o", "name"])).split(/\s+/);
  const taken = OWN_NAMESPACES.filter((name) => found.includes(`namespace/${name}`));
  if (taken.length > 0) {
    throw new Error(
      `the cluster has namespaces that the acts install into and remove: ${taken.join(", ")}; ` +
        "delete them if a run that was killed left them, or use another cluster",
    );
  }
  return async () => {
    const gone = ["delete", "namespace", ...OWN_NAMESPACES, "--ignore-not-found", "--wait=false"];
    await cluster.kubectl(gone);
  };
}
