/**
 * What an operator would look at after a broken promise: the sidecars' and Redis' logs, the Lease,
 * the slices, pods and Events, as files in a folder.
 *
 * Guarantees: never throws; what could not be had is a file that says why.
 */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Group } from "./group.ts";

const OBJECTS = "pods,leases,endpointslices,configmaps,statefulsets,events,persistentvolumeclaims";

export async function keepEvidence(group: Group, folder: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  const keep = async (file: string, args: readonly string[]): Promise<void> => {
    const text = await group.kubectl(args).catch((error: unknown) => String(error));
    await writeFile(join(folder, file), text);
  };
  await keep("objects.yaml", ["get", OBJECTS, "-o", "yaml", "--sort-by=.metadata.name"]);
  await keep("pods.txt", ["get", "pods", "-o", "wide"]);
  for (const pod of await group.members().catch(() => [])) {
    for (const container of ["leasehold", "redis"]) {
      const logs = ["logs", pod, "--container", container, "--timestamps", "--since=15m"];
      await keep(`${pod}-${container}.log`, logs);
      await keep(`${pod}-${container}-previous.log`, [...logs, "--previous"]);
    }
  }
}

/** Those that were followed: also of pods that are gone. */
export async function keepLogs(logs: readonly string[], folder: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  const lines = [...new Set(logs.flatMap((log) => log.split("\n")))];
  await writeFile(join(folder, "leasehold-followed.log"), lines.join("\n"));
}
