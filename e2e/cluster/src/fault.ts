/** Faults by their names on the command line. */
import type { ClusterHandle, ProgramFaults } from "./cluster.ts";

interface Fault {
  readonly name: string;
  /** For people: the name and its arguments. */
  readonly usage: string;
  readonly inject: (cluster: ClusterHandle, args: readonly string[]) => Promise<void> | void;
}

const NODE_FAULTS = {
  off: "loss of power",
  up: "boot it again",
  cut: "pull its cable",
  heal: "end cut, cut-api, drop and lose",
  freeze: "hang the whole machine",
  thaw: "let it go on",
  freezeKubeProxy: "its Services lead where they led",
  thawKubeProxy: "let it follow again",
} as const;

const PROGRAM_FAULTS = ["start", "stop", "kill", "restart", "freeze", "thaw"] as const;

const PROGRAMS: Readonly<Record<string, (cluster: ClusterHandle) => ProgramFaults>> = {
  "api-server": (cluster) => cluster.apiServer,
  "controller-manager": (cluster) => cluster.controllerManager,
  scheduler: (cluster) => cluster.scheduler,
};

export const FAULTS: readonly Fault[] = [
  ...Object.entries(NODE_FAULTS).map(([name, what]): Fault => {
    const inject = (cluster: ClusterHandle, [node = ""]: readonly string[]) =>
      cluster.node(node)[name as keyof typeof NODE_FAULTS]();
    return { name, usage: `${name} NODE: ${what}`, inject };
  }),
  {
    name: "cut-api",
    usage: "cut-api NODE: the API server and the node do not reach one another",
    inject: (cluster, [node = ""]) => cluster.node(node).cutFromApi(),
  },
  {
    name: "drop",
    usage: "drop NODE OTHER: packets from one node to another vanish",
    inject: (cluster, [node = "", other = ""]) =>
      cluster.node(node).dropTo(cluster.node(other).name),
  },
  {
    name: "lose",
    usage: "lose NODE PERCENT: so many packets between it and other nodes vanish",
    inject: (cluster, [node = "", percent = ""]) => cluster.node(node).lose(Number(percent)),
  },
  ...Object.entries(PROGRAMS).map(([name, programOf]): Fault => {
    const inject = async (cluster: ClusterHandle, [verb = ""]: readonly string[]) => {
      const known = PROGRAM_FAULTS.find((one) => one === verb);
      if (known === undefined) throw new Error(`"${verb}" is none of ${PROGRAM_FAULTS.join(", ")}`);
      await programOf(cluster)[known]();
    };
    return { name, usage: `${name} ${PROGRAM_FAULTS.join("|")}`, inject };
  }),
  {
    name: "empty-volume",
    usage: "empty-volume NAMESPACE CLAIM: remove what is in the claim's volume",
    inject: (cluster, [namespace = "", name = ""]) => cluster.emptyVolume({ namespace, name }),
  },
  {
    name: "heal-all",
    usage: "heal-all: end every fault",
    inject: (cluster) => cluster.healAll(),
  },
];

export async function inject(
  cluster: ClusterHandle,
  name: string,
  args: readonly string[],
): Promise<void> {
  const fault = FAULTS.find((one) => one.name === name);
  if (!fault) {
    throw new Error(`"${name}" is no fault: use ${FAULTS.map((one) => one.name).join(", ")}`);
  }
  await fault.inject(cluster, args);
}
