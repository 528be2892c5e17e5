/** The agents' pods, one on each node. */
import { setTimeout as sleep } from "node:timers/promises";
import { stringify } from "yaml";
import type { Cluster } from "@leasehold/cluster";
import { podAgent, type Agent } from "./agents.ts";
import { AGENT_LABELS, agentManifests, bundleAgent } from "./manifests.ts";

const NAMESPACE = "load";
/** After an outage of the API kubelets and controllers take their time to say so. */
const READY_POLLS = 240;
const POLL_MS = 500;

export async function deployAgents(cluster: Cluster): Promise<void> {
  const namespace = { apiVersion: "v1", kind: "Namespace", metadata: { name: NAMESPACE } };
  await cluster.kubectl(["apply", "-f", "-"], { input: stringify(namespace) });
  const manifests = agentManifests(await bundleAgent());
  // Too large for the annotation that a client-side apply keeps.
  const input = manifests.map((manifest) => stringify(manifest)).join("---\n");
  await loadKubectl(cluster, ["apply", "--server-side", "-f", "-"], input);
}

/** One on each node, all ready. */
export async function podAgents(cluster: Cluster): Promise<readonly Agent[]> {
  await loadKubectl(cluster, ["rollout", "status", "daemonset/load", "--timeout=60s"]);
  const selector = Object.entries(AGENT_LABELS).map(([key, value]) => `${key}=${value}`);
  for (let polls = 0; polls < READY_POLLS; polls += 1) {
    const get = ["get", "pods", "-l", selector.join(","), "-o", "json"];
    const json = await loadKubectl(cluster, get);
    const { items } = JSON.parse(json) as { readonly items: readonly AgentPod[] };
    if (items.every(isReady)) {
      return items.map(({ metadata: { name }, spec: { nodeName } }) =>
        podAgent(cluster, { namespace: NAMESPACE, name, node: nodeName }),
      );
    }
    await sleep(POLL_MS);
  }
  throw new Error(`the agents in namespace ${NAMESPACE} were not ready within 120 s`);
}

interface AgentPod {
  readonly metadata: { readonly name: string; readonly deletionTimestamp?: string };
  readonly spec: { readonly nodeName: string };
  readonly status: {
    readonly conditions?: readonly { readonly type: string; readonly status: string }[];
  };
}

function isReady({ metadata, status }: AgentPod): boolean {
  const ready = status.conditions?.find(({ type }) => type === "Ready");
  return metadata.deletionTimestamp === undefined && ready?.status === "True";
}

function loadKubectl(cluster: Cluster, args: readonly string[], input?: string): Promise<string> {
  return cluster.kubectl(["--namespace", NAMESPACE, ...args], {
    timeoutMs: 90_000,
    ...(input === undefined ? {} : { input }),
  });
}
