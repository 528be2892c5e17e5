/** The Service of which an EndpointSlice changes all the time, and who changes it. */
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { stringify } from "yaml";
import type { Cluster } from "@leasehold/cluster";

export const NOISE = { namespace: "noise", name: "noise" } as const;

export interface Noise {
  end(): Promise<void>;
}

export async function startNoise(cluster: Cluster): Promise<Noise> {
  const { namespace, name } = NOISE;
  const port = { name: "tcp", port: 80, protocol: "TCP" };
  const labels = { "kubernetes.io/service-name": name };
  const objects = [
    { apiVersion: "v1", kind: "Namespace", metadata: { name: namespace } },
    { apiVersion: "v1", kind: "Service", metadata: { name, namespace }, spec: { ports: [port] } },
    {
      apiVersion: "discovery.k8s.io/v1",
      kind: "EndpointSlice",
      metadata: { name, namespace, labels },
      addressType: "IPv4",
      ports: [port],
      endpoints: [],
    },
  ];
  const input = objects.map((object) => stringify(object)).join("---\n");
  await cluster.kubectl(["apply", "-f", "-"], { input });
  const program = fileURLToPath(new URL("noise.ts", import.meta.url));
  const child = cluster.spawn([process.execPath, program, cluster.kubeconfig], {
    stdio: ["pipe", "inherit", "inherit"],
  });
  const gone = once(child, "exit");
  return {
    async end() {
      child.stdin?.end();
      await gone;
      await cluster.kubectl(["delete", "namespace", namespace, "--wait=false"]);
    },
  };
}
