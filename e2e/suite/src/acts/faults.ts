/** Faults that lose a member: what one replica confirmed may not be lost. */
import { setTimeout as sleep } from "node:timers/promises";
import { until } from "@leasehold/cluster";
import { formatMs, type Bound } from "@leasehold/testkit/result";
import type { Group } from "../group.ts";
import type { Stage } from "../stage.ts";
import { PATIENCE_MS, WHOLE_MS, type Act } from "./act.ts";
import { hurtNode } from "./nodes.ts";

/** Two seconds without power, nodes boot, kubelets find their pods, Redis reads its data. */
const ALL_BOOT: Bound = { medianMs: 60_000, p99Ms: 90_000 };

/** `BUSY` counts as alive for 15 s (docs/protocol.md, section 6); then Redis is killed. */
const ENDLESS_SCRIPT: Bound = { medianMs: 18_000, p99Ms: 20_000 };
/** R + D + 0.5 s until it is not in sync, two misses of the kubelet (ADR 0018), and the way. */
const UNREAD_MS = 12_500;

export const FAULTS: readonly Act[] = [
  {
    name: "force-delete",
    title: "the leader's pod is deleted without grace",
    bound: "leaderLost",
    promised: "confirmed",
    async play({ group }) {
      const old = await group.holder();
      await group.kubectl(["delete", "pod", old.pod, "--grace-period=0", "--force"]);
      await group.newLeader(old, PATIENCE_MS);
    },
  },
  {
    name: "redis-kill",
    title: "SIGKILL of the primary's Redis",
    bound: "redisDies",
    promised: "confirmed",
    isCore: true,
    needsFaults: true,
    play: (stage) =>
      signalLeader(stage, { container: "redis", command: "redis-server", signal: "SIGKILL" }),
  },
  {
    name: "redis-hang",
    title: "SIGSTOP of the primary's Redis",
    bound: "redisHangs",
    promised: "confirmed",
    isCore: true,
    needsFaults: true,
    play: (stage) =>
      signalLeader(stage, { container: "redis", command: "redis-server", signal: "SIGSTOP" }),
  },
  {
    name: "sidecar-kill",
    title: "SIGKILL of the leader's sidecar",
    bound: "leaderLost",
    promised: "confirmed",
    isCore: true,
    needsFaults: true,
    async play({ cluster, group }) {
      const old = await group.holder();
      await cluster.signal(
        { namespace: group.namespace, pod: old.pod, container: "leasehold" },
        "SIGKILL",
      );
      await group.newLeader(old, PATIENCE_MS);
    },
  },
  {
    name: "sidecar-freeze",
    title: "SIGSTOP of the leader's sidecar",
    bound: "leaderLost",
    promised: "confirmed",
    needsFaults: true,
    async play({ cluster, group }) {
      const old = await group.holder();
      const target = { namespace: group.namespace, pod: old.pod, container: "leasehold" };
      await cluster.signal(target, "SIGSTOP");
      try {
        await group.newLeader(old, PATIENCE_MS);
      } finally {
        // Its probe may have had it killed meanwhile: then there is nobody to thaw.
        await cluster.signal(target, "SIGCONT").catch(() => 0);
      }
    },
  },
  {
    name: "node-off",
    title: "the leader's node loses its power",
    bound: "leaderLost",
    promised: "confirmed",
    isCore: true,
    needsFaults: true,
    play: (stage) =>
      hurtNode(stage, {
        begin: (node) => node.off(),
        end: (node) => node.up(),
        until: (old) => stage.group.newLeader(old, PATIENCE_MS),
      }),
  },
  {
    name: "cable-cut",
    title: "the leader's node loses its network",
    bound: "leaderLost",
    promised: "confirmed",
    needsFaults: true,
    play: (stage) =>
      hurtNode(stage, {
        begin: (node) => node.cut(),
        end: (node) => node.heal(),
        until: (old) => stage.group.newLeader(old, PATIENCE_MS),
      }),
  },
  {
    name: "node-freeze",
    title: "the leader's node stands still until somebody else leads, and goes on",
    bound: "leaderLost",
    promised: "confirmed",
    needsFaults: true,
    play: (stage) =>
      hurtNode(stage, {
        begin: async (node) => node.freeze(),
        end: async (node) => node.thaw(),
        until: (old) => stage.group.newLeader(old, PATIENCE_MS),
      }),
  },
  {
    name: "cut-from-members",
    title: "nothing passes between the leader's node and the others for 15 s, the API is reached",
    // The writers on the other nodes are cut off as long.
    bound: { medianMs: 16_000, p99Ms: 17_000 },
    promised: "confirmed",
    needsFaults: true,
    async play({ cluster, group }) {
      const leader = await group.holder();
      const home = await group.nodeOf(leader.pod);
      const others = cluster.nodes.filter(({ name }) => name !== home);
      for (const other of others) {
        await other.dropTo(home);
        await cluster.node(home).dropTo(other.name);
      }
      try {
        await sleep(15_000);
      } finally {
        for (const node of cluster.nodes) await node.heal();
      }
      await group.healthy(WHOLE_MS);
      const after = await group.holder();
      if (after.identity !== leader.identity) {
        throw new Error(`${after.identity} leads, although ${leader.identity} reached the API`);
      }
    },
  },
  {
    name: "one-way-cut",
    title:
      "nothing gets from the leader's node to one other member's for 15 s, which is read no more",
    // The writers on that other node are cut off as long.
    bound: { medianMs: 16_000, p99Ms: 17_000 },
    promised: "confirmed",
    needsFaults: true,
    async play(stage) {
      const { cluster, group } = stage;
      const { pod } = await group.holder();
      const other = (await group.members()).find((member) => member !== pod) ?? "";
      const node = cluster.node(await group.nodeOf(pod));
      await node.dropTo(await group.nodeOf(other));
      const cutAtMs = performance.now();
      try {
        const options = { timeoutMs: UNREAD_MS, pollMs: 200 };
        await until(`${other} out of the read Service`, options, () => isUnread(group, other));
        const took = formatMs(performance.now() - cutAtMs);
        stage.remark(`${other}, which heard nothing, was out of the read Service after ${took}`);
        await sleep(Math.max(0, cutAtMs + 15_000 - performance.now()));
      } finally {
        await node.heal();
      }
      await until(`${other} read again`, { timeoutMs: WHOLE_MS }, async () => {
        return !(await isUnread(group, other));
      });
    },
  },
  {
    name: "redis-busy",
    title: "a script that never ends runs in the primary's Redis",
    bound: ENDLESS_SCRIPT,
    promised: "confirmed",
    async play({ group }) {
      const old = await group.holder();
      const client = ["redis-cli", "--no-auth-warning", "-a", await group.password()];
      const endless = ["EVAL", "while true do end", "0"];
      const script = ["exec", old.pod, "-c", "redis", "--", ...client, ...endless];
      const ended = group.kubectl(script, { timeoutMs: PATIENCE_MS }).catch(() => "killed");
      await group.newLeader(old, PATIENCE_MS);
      await ended;
    },
  },
  {
    name: "reboot-all",
    title: "all nodes lose their power at once and come back",
    bound: ALL_BOOT,
    promised: "confirmed",
    needsFaults: true,
    clients: "outside",
    async play({ cluster, group }) {
      await Promise.all(cluster.nodes.map((node) => node.off()));
      await sleep(2_000);
      await Promise.all(cluster.nodes.map((node) => node.up()));
      await group.healthy(WHOLE_MS);
    },
  },
  {
    name: "volume-lost",
    title: "the leader's node loses its power and comes back with an empty volume",
    bound: "leaderLost",
    promised: "confirmed",
    needsFaults: true,
    async play(stage) {
      const { cluster, group } = stage;
      await hurtNode(stage, {
        begin: (node) => node.off(),
        async until(old) {
          await group.newLeader(old, PATIENCE_MS);
          await cluster.emptyVolume({ namespace: group.namespace, name: `data-${old.pod}` });
        },
        end: (node) => node.up(),
      });
    },
  },
];

/** Its endpoint, if there is one, is not ready. */
async function isUnread(group: Group, pod: string): Promise<boolean> {
  const slices = ["get", "endpointslices", "-l", `kubernetes.io/service-name=${group.name}-read`];
  const { items } = JSON.parse(await group.kubectl([...slices, "-o", "json"])) as Slices;
  const own = items
    .flatMap(({ endpoints }) => endpoints ?? [])
    .filter(({ targetRef }) => targetRef?.name === pod);
  return own.every(({ conditions }) => conditions.ready === false);
}

interface Slices {
  readonly items: readonly {
    readonly endpoints: readonly Endpoint[] | null;
  }[];
}

interface Endpoint {
  readonly conditions: { readonly ready?: boolean };
  readonly targetRef?: { readonly name: string };
}

interface LeaderSignal {
  readonly container: string;
  readonly command: string;
  readonly signal: NodeJS.Signals;
}

async function signalLeader(
  stage: Stage,
  { container, command, signal }: LeaderSignal,
): Promise<void> {
  const { cluster, group } = stage;
  const old = await group.holder();
  await cluster.signal({ namespace: group.namespace, pod: old.pod, container, command }, signal);
  await group.newLeader(old, PATIENCE_MS);
}
