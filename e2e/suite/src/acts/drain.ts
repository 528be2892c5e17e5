/** Nodes are drained: one, two at the same time, and those of smaller groups. */
import { until } from "@leasehold/cluster";
import type { Bound } from "@leasehold/testkit/result";
import type { Stage } from "../stage.ts";
import { WHOLE_MS, type Act } from "./act.ts";

const FLAGS = ["--ignore-daemonsets", "--delete-emptydir-data"] as const;
const DRAIN_MS = 100_000;
/** How long the second drain is watched while it waits for the first member. */
const WATCHED_MS = 8000;
/** One member, and its data: it ends, starts on its own node and loads what it has. */
const ONE_RESTART: Bound = { medianMs: 20_000, p99Ms: 30_000 };

export const DRAINS: readonly Act[] = [
  {
    name: "drain",
    handsOver: true,
    title: "the leader's node is drained",
    bound: "switchover",
    promised: "acknowledged",
    isCore: true,
    play: drainLeadersNode,
  },
  {
    name: "drain-two",
    handsOver: true,
    title: "the leader's node and another one are drained at the same time",
    bound: "switchoverAmongChanges",
    promised: "acknowledged",
    play: drainTwo,
  },
  {
    name: "drain-of-two",
    handsOver: true,
    title: "the leader's node is drained, in a group of two",
    bound: "switchover",
    promised: "acknowledged",
    release: {
      namespace: "two",
      release: "two",
      values: ["replicas=2", "sidecar.log.level=debug"],
    },
    play: drainLeadersNode,
  },
  {
    name: "drain-of-one",
    title: "the node of a group of one is drained and comes back: an outage of one restart",
    bound: ONE_RESTART,
    promised: "acknowledged",
    reads: "nothing",
    release: { namespace: "one", release: "one", values: ["replicas=1"] },
    play: drainLeadersNode,
  },
];

async function drainLeadersNode({ cluster, group }: Stage): Promise<void> {
  const node = await group.nodeOf((await group.holder()).pod);
  try {
    await drain({ cluster, group }, node);
  } finally {
    await cluster.kubectl(["uncordon", node]);
  }
  await group.healthy(WHOLE_MS);
}

/** A member's volume is on its node, so it is away until that is uncordoned. */
async function drainTwo({ cluster, group }: Stage): Promise<void> {
  const { pod } = await group.holder();
  const other = (await group.members()).find((member) => member !== pod) ?? "";
  const nodes = [await group.nodeOf(pod), await group.nodeOf(other)];
  const done = new Set<string>();
  const both = nodes.map((node) => drain({ cluster, group }, node).then(() => done.add(node)));
  try {
    await Promise.race(both);
    await neverTwoAway(group, WATCHED_MS);
    if (done.size > 1) throw new Error("the second drain did not wait for the first member");
    for (const node of done) await cluster.kubectl(["uncordon", node]);
    await Promise.all(both);
  } finally {
    for (const node of nodes) await cluster.kubectl(["uncordon", node]);
    await Promise.allSettled(both);
  }
  await group.healthy(WHOLE_MS);
}

/**
 * Of the group's own pods: a member of another group that leaves the node at the same time starts
 * kube-proxy's second anew, and then the bounds are those of a busy cluster.
 */
function drain(
  { cluster, group }: Pick<Stage, "cluster" | "group">,
  node: string,
): Promise<string> {
  const own = `--pod-selector=leasehold.dev/group=${group.name}`;
  const args = ["drain", node, ...FLAGS, own, `--timeout=${DRAIN_MS / 1000}s`];
  return cluster.kubectl(args, { timeoutMs: DRAIN_MS + 10_000 });
}

/** Looks at the PodDisruptionBudget's own count. */
async function neverTwoAway(group: Stage["group"], forMs: number): Promise<void> {
  const untilMs = performance.now() + forMs;
  const members = (await group.members()).length;
  await until("the budget watched", { timeoutMs: forMs + 10_000, pollMs: 500 }, async () => {
    const path = "jsonpath={.status.currentHealthy}";
    const healthy = Number(await group.kubectl(["get", "pdb", group.name, "-o", path]));
    if (healthy < members - 1) throw new Error(`${healthy} of ${members} members were healthy`);
    return performance.now() > untilMs;
  });
}
