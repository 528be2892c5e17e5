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
  /** Something that was measured, to be said with the act's figures. */
  remark(words: string): void;
  /** Of the last load, by the node on which it ran. */
  states(): Promise<readonly NodeState[]>;
  close(): Promise<void>;
}

export interface StageOptions {
  readonly group: Group;
  /** `nodes`: pods on all of them. `outside`: a process that lives on when all nodes are off. */
  readonly clients: "nodes" | "outside";
  readonly authority?: Authority | null;
  readonly habits?: Habits | undefined;
}

/** What clients do that others do not. */
export interface Habits {
  /** They ask the group's Sentinel port for the primary, which it calls so. */
  readonly masterSet?: string;
  /** Writers keep a connection on which a write was refused. */
  readonly areStubborn?: boolean;
  /** Where writers begin, and stay until they are refused there; then they go to the group. */
  readonly movesFrom?: string;
}

/** An act may be played again, and each list of the ledger is opened once. */
let loads = 0;

export async function openStage(
  cluster: Cluster,
  { group, clients, authority = null, habits = {} }: StageOptions,
): Promise<Stage> {
  const password = await group.password();
  const ledger = randomUUID();
  const outside = clients === "outside" ? await startOutsideAgent(cluster) : null;
  let fleet: Fleet | null = null;
  const current = (): Fleet => {
    if (fleet === null) throw new Error("there is no load yet: start it first");
    return fleet;
  };
  const addresses = async (): Promise<Addresses> => {
    const found = withHabits(await (outside ? numbersOf(group) : namesOf(group)), group, habits);
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
    remark() {},
    states: () => current().states(),
    whole: (timeoutMs) => group.healthy(timeoutMs),
    async startLoad(name) {
      const agents = outside ? [outside] : await podAgents(cluster);
      loads += 1;
      fleet = createFleet(agents);
      const plan = { ...(await addresses()), password };
      target = plan.other ?? plan.write;
      await fleet.start(
        agents.map((agent, index) =>
          workloadFor(plan, {
            ledger,
            areStubborn: habits.areStubborn === true,
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
  /** Where writers end that leave `write`. */
  readonly other?: Address;
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

const SENTINEL_PORT = 26_379;

function withHabits(
  addresses: Addresses,
  group: Group,
  { masterSet, movesFrom }: Habits,
): Addresses {
  if (masterSet !== undefined) {
    const sentinel = { host: group.headlessHost, port: SENTINEL_PORT, masterSet };
    return { ...addresses, write: sentinel };
  }
  if (movesFrom === undefined) return addresses;
  const old = { host: movesFrom, port: REDIS_PORT };
  const members = { ...addresses.members, [movesFrom]: old };
  // Nobody of the group is read before it leads.
  return { write: old, other: addresses.write, read: null, members };
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

function withTls({ write, read, members, ...rest }: Addresses, ca: string): Addresses {
  const tls = { ca };
  return {
    ...rest,
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
  readonly areStubborn: boolean;
  /** Of so many clients in all. */
  readonly share: (all: number) => number;
}

/** Each agent observes all members, since its own node may be the one that is cut. */
function workloadFor(
  { write, other, read, members, password }: Addresses & { readonly password: string },
  { ledger, name, areStubborn, share }: Seat,
): StartArguments {
  return {
    ledger,
    name,
    address: write,
    ...(other && { otherAddress: other }),
    areStubborn,
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
