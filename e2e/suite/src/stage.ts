/** A group that the chart installed, and twenty writers and six readers in pods on all nodes. */
import { setTimeout as sleep } from "node:timers/promises";
import { stringify } from "yaml";
import type { Cluster } from "@leasehold/cluster";
import type { ActStage } from "@leasehold/testkit/acts";
import type { StartArguments } from "./agent-call.ts";
import { createFleet, type Fleet } from "./fleet.ts";
import { install, type Group, type Release } from "./group.ts";
import { AGENT_LABELS, agentManifests, bundleAgent } from "./manifests.ts";

const LOAD_NAMESPACE = "load";
const REDIS_PORT = 6379;
const WRITERS = 20;
const WRITER_PACE_MS = 20;
const READERS = 6;
const READER_PACE_MS = 20;
const OBSERVER_PACE_MS = 50;
const CLIENT_DEADLINE_MS = 2000;
/** A pod network answers in a millisecond, and the kernel tries again only after a second. */
const CONNECT_DEADLINE_MS = 300;

export interface Stage extends ActStage {
  readonly cluster: Cluster;
  readonly group: Group;
}

export async function openStage(cluster: Cluster, release: Release): Promise<Stage> {
  const group = await install(cluster, release);
  const password = await group.password();
  const target = { address: { host: group.writeHost, port: REDIS_PORT }, password };
  await deployAgents(cluster);
  let fleet: Fleet | null = null;
  let loads = 0;
  const current = (): Fleet => {
    if (fleet === null) throw new Error("there is no load yet: start it first");
    return fleet;
  };
  return {
    cluster,
    group,
    load: {
      flowing: (deadlineMs) => current().load.flowing(deadlineMs),
      restartGap: () => current().load.restartGap(),
      state: () => current().load.state(),
      writable: () => current().load.writable(),
      stop: () => current().load.stop(),
    },
    whole: (timeoutMs) => group.healthy(timeoutMs),
    async startLoad(name) {
      const pods = await agentPods(cluster);
      // An act may be played again, and each list of the ledger is opened once.
      loads += 1;
      fleet = createFleet(cluster, LOAD_NAMESPACE, pods);
      const members = await group.members();
      await fleet.start(
        pods.map((pod, index) =>
          workloadFor(
            { name: `${name}-${loads}-${pod}`, target, group, members },
            index,
            pods.length,
          ),
        ),
      );
    },
    checkLedger: () => current().check(target),
  };
}

interface Plan {
  readonly name: string;
  readonly target: { readonly address: StartArguments["address"]; readonly password: string };
  readonly group: Group;
  readonly members: readonly string[];
}

/**
 * Writers and readers spread evenly; each agent observes all members, since its own node may be
 * the one that is cut.
 */
function workloadFor(
  { name, target, group, members }: Plan,
  index: number,
  agents: number,
): StartArguments {
  const share = (all: number): number => Math.floor((all + agents - 1 - index) / agents);
  const addresses = members.map(
    (pod) => [pod, { host: group.memberHost(pod), port: REDIS_PORT }] as const,
  );
  return {
    name,
    ...target,
    members: Object.fromEntries(addresses),
    writers: share(WRITERS),
    writerPaceMs: WRITER_PACE_MS,
    readAddress: { host: group.readHost, port: REDIS_PORT },
    readers: share(READERS),
    readerPaceMs: READER_PACE_MS,
    observerPaceMs: OBSERVER_PACE_MS,
    deadlineMs: CLIENT_DEADLINE_MS,
    connectDeadlineMs: CONNECT_DEADLINE_MS,
  };
}

async function deployAgents(cluster: Cluster): Promise<void> {
  const namespace = { apiVersion: "v1", kind: "Namespace", metadata: { name: LOAD_NAMESPACE } };
  await cluster.kubectl(["apply", "-f", "-"], { input: stringify(namespace) });
  const manifests = agentManifests(await bundleAgent());
  // Too large for the annotation that a client-side apply keeps.
  const input = manifests.map((manifest) => stringify(manifest)).join("---\n");
  await loadKubectl(cluster, ["apply", "--server-side", "-f", "-"], input);
}

/** One on each node, all ready. */
async function agentPods(cluster: Cluster): Promise<readonly string[]> {
  await loadKubectl(cluster, ["rollout", "status", "daemonset/load", "--timeout=60s"]);
  const selector = Object.entries(AGENT_LABELS).map(([key, value]) => `${key}=${value}`);
  for (let tries = 0; tries < 60; tries += 1) {
    const json = await loadKubectl(cluster, [
      "get",
      "pods",
      "-l",
      selector.join(","),
      "-o",
      "json",
    ]);
    const { items } = JSON.parse(json) as { readonly items: readonly AgentPod[] };
    if (items.every(isReady)) return items.map(({ metadata }) => metadata.name);
    await sleep(500);
  }
  throw new Error(`the agents in namespace ${LOAD_NAMESPACE} were not ready within 30 s`);
}

interface AgentPod {
  readonly metadata: { readonly name: string; readonly deletionTimestamp?: string };
  readonly status: {
    readonly conditions?: readonly { readonly type: string; readonly status: string }[];
  };
}

function isReady({ metadata, status }: AgentPod): boolean {
  const ready = status.conditions?.find(({ type }) => type === "Ready");
  return metadata.deletionTimestamp === undefined && ready?.status === "True";
}

function loadKubectl(cluster: Cluster, args: readonly string[], input?: string): Promise<string> {
  return cluster.kubectl(["--namespace", LOAD_NAMESPACE, ...args], {
    timeoutMs: 90_000,
    ...(input === undefined ? {} : { input }),
  });
}
