/** A group that the chart installed, and twenty writers and six readers that use it. */
import { randomUUID } from "node:crypto";
import type { Cluster } from "@leasehold/cluster";
import type { ActStage } from "@leasehold/testkit/acts";
import type { Address } from "@leasehold/testkit/workload";
import type { StartArguments } from "./agent-call.ts";
import { startOutsideAgent } from "./agents.ts";
import type { Authority } from "./authority.ts";
import { createFleet, type Fleet, type NodeState } from "./fleet.ts";
import type { Group } from "./group.ts";
import { podAgents } from "./pods.ts";

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
  /** Of a group that speaks TLS. */
  readonly authority?: Authority;
  /** Of the last load, by the node on which it ran. */
  states(): Promise<readonly NodeState[]>;
  close(): Promise<void>;
}

export interface StageOptions {
  readonly group: Group;
  /** `nodes`: pods on all of them. `outside`: a process that lives on when all nodes are off. */
  readonly clients: "nodes" | "outside";
  readonly authority?: Authority | null;
}

/** An act may be played again, and each list of the ledger is opened once. */
let loads = 0;

export async function openStage(
  cluster: Cluster,
  { group, clients, authority = null }: StageOptions,
): Promise<Stage> {
  const password = await group.password();
  const ledger = randomUUID();
  const outside = clients === "outside" ? startOutsideAgent(cluster) : null;
  let fleet: Fleet | null = null;
  const current = (): Fleet => {
    if (fleet === null) throw new Error("there is no load yet: start it first");
    return fleet;
  };
  const addresses = async (): Promise<Addresses> => {
    const found = await (outside ? numbersOf(group) : namesOf(group));
    return authority === null ? found : withTls(found, authority.certificate);
  };
  let target: Addresses["write"] | null = null;
  return {
    cluster,
    group,
    ...(authority && { authority }),
    load: {
      flowing: (deadlineMs) => current().load.flowing(deadlineMs),
      restartGap: () => current().load.restartGap(),
      state: () => current().load.state(),
      writable: () => current().load.writable(),
      stop: () => current().load.stop(),
    },
    states: () => current().states(),
    whole: (timeoutMs) => group.healthy(timeoutMs),
    async startLoad(name) {
      const agents = outside ? [outside] : await podAgents(cluster);
      loads += 1;
      fleet = createFleet(agents);
      const plan = { ...(await addresses()), password };
      target = plan.write;
      await fleet.start(
        agents.map((agent, index) =>
          workloadFor(plan, {
            ledger,
            name: `${name}-${loads}-${agent.name}`,
            share: (all) => Math.floor((all + agents.length - 1 - index) / agents.length),
          }),
        ),
      );
    },
    async checkLedger() {
      if (target === null) throw new Error("there is no load yet: start it first");
      return current().check({ address: target, password });
    },
    close: async () => outside?.close(),
  };
}

interface Addresses {
  readonly write: Address;
  /** Null: nobody reads. */
  readonly read: Address | null;
  readonly members: Readonly<Record<string, Address>>;
}

async function namesOf(group: Group): Promise<Addresses> {
  const pods = await group.members();
  return {
    write: { host: group.writeHost, port: REDIS_PORT },
    read: { host: group.readHost, port: REDIS_PORT },
    members: Object.fromEntries(
      pods.map((pod) => [pod, { host: group.memberHost(pod), port: REDIS_PORT }]),
    ),
  };
}

/** Beside the nodes nobody resolves names. Members have other numbers after a boot. */
async function numbersOf(group: Group): Promise<Addresses> {
  const get = (object: string, path: string): Promise<string> =>
    group.kubectl(["get", object, "-o", `jsonpath={${path}}`]);
  const members: Record<string, Address> = {};
  for (const pod of await group.members()) {
    members[pod] = { host: await get(`pod/${pod}`, ".status.podIP"), port: REDIS_PORT };
  }
  const host = await get(`service/${group.name}`, ".spec.clusterIP");
  return { write: { host, port: REDIS_PORT }, read: null, members };
}

function withTls({ write, read, members }: Addresses, ca: string): Addresses {
  const tls = { ca };
  return {
    write: { ...write, tls },
    read: read && { ...read, tls },
    members: Object.fromEntries(
      Object.entries(members).map(([pod, address]) => [pod, { ...address, tls }]),
    ),
  };
}

interface Seat {
  readonly ledger: string;
  readonly name: string;
  /** Of so many clients in all. */
  readonly share: (all: number) => number;
}

/** Each agent observes all members, since its own node may be the one that is cut. */
function workloadFor(
  { write, read, members, password }: Addresses & { readonly password: string },
  { ledger, name, share }: Seat,
): StartArguments {
  return {
    ledger,
    name,
    address: write,
    password,
    members,
    writers: share(WRITERS),
    writerPaceMs: WRITER_PACE_MS,
    ...(read && { readAddress: read, readers: share(READERS), readerPaceMs: READER_PACE_MS }),
    observerPaceMs: OBSERVER_PACE_MS,
    deadlineMs: CLIENT_DEADLINE_MS,
    connectDeadlineMs: CONNECT_DEADLINE_MS,
  };
}
