/**
 * The sidecars' logs from now on, also of pods that are deleted meanwhile.
 *
 * Not guaranteed: the lines of a container that both started and ended while it was followed.
 */
import { text } from "node:stream/consumers";
import type { Cluster } from "@leasehold/cluster";
import type { Group } from "./group.ts";

export interface LogFollower {
  /** Ends it and resolves with what each container said. */
  end(): Promise<readonly string[]>;
}

export async function followLogs(cluster: Cluster, group: Group): Promise<LogFollower> {
  const since = new Date().toISOString();
  const logsOf = (pod: string): readonly string[] => [
    ...["logs", pod, "--namespace", group.namespace, "--container", "leasehold"],
    `--since-time=${since}`,
  ];
  const followers = (await group.members()).map((pod) => {
    const args = ["kubectl", ...logsOf(pod), "--follow"];
    const child = cluster.spawn(args, { stdio: ["ignore", "pipe", "ignore"] });
    return { child, said: child.stdout === null ? Promise.resolve("") : text(child.stdout) };
  });
  return {
    async end() {
      const pods = await group.members().catch(() => []);
      const now = pods.map((pod) => cluster.kubectl(logsOf(pod)).catch(() => ""));
      const current = await Promise.all(now);
      for (const { child } of followers) child.kill();
      return [...current, ...(await Promise.all(followers.map(({ said }) => said)))];
    },
  };
}
