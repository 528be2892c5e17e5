/**
 * A stage whose writers use @leasehold/client: in pods, by the write Service and the members'
 * status, or outside the cluster, by a node's port of the write Service and nothing else.
 */
import { randomUUID } from "node:crypto";
import type { Cluster } from "@leasehold/cluster";
import type { Address } from "@leasehold/testkit/workload";
import { startOutsideAgent, type OutsideAgent } from "./agents.ts";
import { createFleet, type Fleet } from "./fleet.ts";
import { install, type Group, type Release } from "./group.ts";
import { podAgents } from "./pods.ts";
import { openStage, type Stage } from "./stage.ts";

const REDIS_PORT = 6379;
const STATUS_PORT = 8008;
const WRITERS = 20;
const PACES = { writerPaceMs: 20, observerPaceMs: 50, deadlineMs: 2000 };

let loads = 0;

interface Places {
  readonly write: Address;
  /** Where its members' status is read; null: nowhere. */
  readonly status: string | null;
  readonly members: Readonly<Record<string, Address>>;
}

/** The group of all acts, from pods on all nodes. */
export function openInPods(cluster: Cluster, { group }: Stage): Promise<Stage> {
  return open(cluster, { group, places: placesInside, outside: null });
}

/** A group of its own, whose write Service has a port on each node. */
export async function openOutside(cluster: Cluster, release: Release): Promise<Stage> {
  const group = await install(cluster, release);
  const outside = await startOutsideAgent(cluster);
  const stage = await open(cluster, { group, places: placesOutside, outside });
  return {
    ...stage,
    async close() {
      await outside.close();
      await group.uninstall();
    },
  };
}

interface Opening {
  readonly group: Group;
  readonly places: (group: Group) => Promise<Places>;
  readonly outside: OutsideAgent | null;
}

async function open(cluster: Cluster, { group, places, outside }: Opening): Promise<Stage> {
  const password = await group.password();
  const ledger = randomUUID();
  let fleet: Fleet | null = null;
  let target: Address | null = null;
  const current = (): Fleet => {
    if (fleet === null) throw new Error("there is no load yet: start it first");
    return fleet;
  };
  return {
    ...(await openStage(cluster, { group, clients: "nodes" })),
    load: {
      flowing: (deadlineMs) => current().load.flowing(deadlineMs),
      restartGap: () => current().load.restartGap(),
      state: () => current().load.state(),
      writable: () => current().load.writable(),
      stop: () => current().load.stop(),
    },
    states: () => current().states(),
    async startLoad(name) {
      const agents = outside ? [outside] : await podAgents(cluster);
      const { write, status, members } = await places(group);
      const query = status === null ? "" : `?status=${status}`;
      const clientUrl = `leasehold://:${password}@${write.host}:${write.port}${query}`;
      const writers = Math.ceil(WRITERS / agents.length);
      loads += 1;
      target = write;
      fleet = createFleet(agents);
      const own = (agent: string) => ({ ledger, name: `client-${name}-${loads}-${agent}` });
      const workload = { ...PACES, address: write, members, password, clientUrl, writers };
      await fleet.start(agents.map((agent) => ({ ...workload, ...own(agent.name) })));
    },
    async checkLedger() {
      if (target === null) throw new Error("there is no load yet: start it first");
      return current().check({ address: target, password });
    },
  };
}

async function placesInside(group: Group): Promise<Places> {
  const members = (await group.members()).map(
    (pod) => [pod, { host: group.memberHost(pod), port: REDIS_PORT }] as const,
  );
  const headless = group.writeHost.replace(group.name, `${group.name}-headless`);
  return {
    write: { host: group.writeHost, port: REDIS_PORT },
    status: `http://${headless}:${STATUS_PORT}`,
    members: Object.fromEntries(members),
  };
}

/** Beside the nodes nobody resolves names. */
async function placesOutside(group: Group): Promise<Places> {
  const get = (what: string, path: string): Promise<string> =>
    group.kubectl(["get", ...what.split(" "), "-o", `jsonpath={${path}}`]);
  const members: Record<string, Address> = {};
  for (const pod of await group.members()) {
    members[pod] = { host: await get(`pod ${pod}`, ".status.podIP"), port: REDIS_PORT };
  }
  const address = '.items[0].status.addresses[?(@.type=="InternalIP")].address';
  const host = await get("nodes", address);
  const port = Number(await get(`service ${group.name}`, ".spec.ports[0].nodePort"));
  return { write: { host, port }, status: null, members };
}
