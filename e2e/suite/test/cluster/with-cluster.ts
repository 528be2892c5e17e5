/**
 * `node test/cluster/with-cluster.ts PROGRAM…`: runs a program, such as all cluster tests of this
 * package, where the nodes, pods and Services of one cluster can be reached. `Cluster.up` in it
 * joins that cluster, which goes with this process.
 *
 * On a machine that cannot run a cluster the program runs all the same: its tests say why they
 * skip. The exit code is the program's.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";

// Read when the library is loaded, and by default not the one that somebody works with by hand.
process.env["LEASEHOLD_CLUSTER_NAME"] ||= "leasehold-test";
const { Cluster, clusterSupport } = await import("@leasehold/cluster");

const [file = "true", ...args] = process.argv.slice(2);
const support = await clusterSupport();
const cluster = support.ok
  ? await Cluster.up({ progress: (line) => console.log(`cluster: ${line}`) })
  : null;
try {
  const child = cluster
    ? cluster.spawn([file, ...args], { stdio: "inherit" })
    : spawn(file, args, { stdio: "inherit" });
  const [code] = (await once(child, "exit")) as [number | null];
  process.exitCode = code ?? 1;
} finally {
  await cluster?.down();
}
