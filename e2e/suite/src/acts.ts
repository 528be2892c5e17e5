/**
 * The acts on a cluster, in order: one fault or planned change each, with what is promised for it.
 *
 * An act causes its fault, waits until the group has dealt with it, and repairs what it broke. It
 * measures nothing and judges nothing.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { Act as StageAct } from "@leasehold/testkit/acts";
import { serviceBounds } from "@leasehold/testkit/result";
import type { Stage } from "./stage.ts";

export type Act = StageAct<Stage> & {
  /** One of the few that every check plays. */
  readonly isCore?: true;
  /** Needs nodes and programs that may be hurt. */
  readonly needsFaults?: true;
};

/** D of the profile that the chart installs. */
const BOUNDS = serviceBounds(5000);
/** Far beyond every bound: who waits that long has something to report. */
const PATIENCE_MS = 30_000;
const WHOLE_MS = 120_000;

export const ACTS: readonly Act[] = [
  {
    name: "switchover",
    title: "a switchover is asked for on the command line",
    bound: BOUNDS.switchover,
    promised: "acknowledged",
    isCore: true,
    play: async ({ group }) => void (await group.leasehold(["switchover"])),
  },
  {
    name: "pod-delete",
    title: "the leader's pod is deleted",
    bound: BOUNDS.switchover,
    promised: "acknowledged",
    isCore: true,
    async play({ group }) {
      const old = await group.holder();
      await group.kubectl(["delete", "pod", old.pod, "--wait=true"], { timeoutMs: 90_000 });
    },
  },
  {
    name: "drain",
    title: "the leader's node is drained",
    bound: BOUNDS.switchover,
    promised: "acknowledged",
    isCore: true,
    async play({ cluster, group }) {
      const node = await group.nodeOf((await group.holder()).pod);
      const flags = ["--ignore-daemonsets", "--delete-emptydir-data", "--timeout=100s"];
      try {
        await cluster.kubectl(["drain", node, ...flags], { timeoutMs: 110_000 });
      } finally {
        await cluster.kubectl(["uncordon", node]);
      }
    },
  },
  {
    name: "rolling-update",
    title: "helm upgrade restarts all members",
    bound: BOUNDS.switchover,
    promised: "acknowledged",
    isCore: true,
    async play({ group }) {
      await group.helmUpgrade([`podAnnotations.rolled=at-${Math.round(performance.now())}`]);
      const rollout = ["rollout", "status", `statefulset/${group.name}`, "--timeout=240s"];
      await group.kubectl(rollout, { timeoutMs: 250_000 });
    },
  },
  {
    name: "force-delete",
    title: "the leader's pod is deleted without grace",
    bound: BOUNDS.leaderLost,
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
    bound: BOUNDS.redisDies,
    promised: "confirmed",
    isCore: true,
    needsFaults: true,
    play: (stage) =>
      signalLeader(stage, { container: "redis", command: "redis-server", signal: "SIGKILL" }),
  },
  {
    name: "redis-hang",
    title: "SIGSTOP of the primary's Redis",
    bound: BOUNDS.redisHangs,
    promised: "confirmed",
    isCore: true,
    needsFaults: true,
    play: (stage) =>
      signalLeader(stage, { container: "redis", command: "redis-server", signal: "SIGSTOP" }),
  },
  {
    name: "sidecar-kill",
    title: "SIGKILL of the leader's sidecar",
    bound: BOUNDS.leaderLost,
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
    bound: BOUNDS.leaderLost,
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
    bound: BOUNDS.leaderLost,
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
    bound: BOUNDS.leaderLost,
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
    name: "cut-from-api",
    title: "the leader's node reaches everybody but the API server for 20 s",
    bound: BOUNDS.apiOutage,
    promised: "acknowledged",
    needsFaults: true,
    play: (stage) =>
      hurtNode(stage, {
        begin: (node) => node.cutFromApi(),
        end: (node) => node.heal(),
        until: () => sleep(20_000),
      }),
  },
  {
    name: "api-stop",
    title: "the API server is stopped for 30 s",
    bound: BOUNDS.apiOutage,
    promised: "acknowledged",
    isCore: true,
    needsFaults: true,
    play: (stage) => stopApi(stage, 30_000),
  },
  {
    name: "api-stop-long",
    title: "the API server is stopped for 3 min",
    bound: BOUNDS.apiOutage,
    promised: "acknowledged",
    needsFaults: true,
    play: (stage) => stopApi(stage, 180_000),
  },
  {
    name: "lease-delete",
    title: "the Lease is deleted",
    bound: BOUNDS.apiOutage,
    promised: "acknowledged",
    play: async ({ group }) => void (await group.kubectl(["delete", "lease", group.name])),
  },
  {
    name: "slice-delete",
    title: "the write Service's EndpointSlice is deleted",
    bound: BOUNDS.addressRepaired,
    promised: "acknowledged",
    play: async ({ group }) =>
      void (await group.kubectl(["delete", "endpointslice", `${group.name}-ipv4`])),
  },
];

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

type Node = ReturnType<Stage["cluster"]["node"]>;

interface NodeFault {
  readonly begin: (node: Node) => Promise<void>;
  readonly end: (node: Node) => Promise<void>;
  readonly until: (old: Awaited<ReturnType<Stage["group"]["holder"]>>) => Promise<void>;
}

async function hurtNode({ cluster, group }: Stage, fault: NodeFault): Promise<void> {
  const old = await group.holder();
  const node = cluster.node(await group.nodeOf(old.pod));
  await fault.begin(node);
  try {
    await fault.until(old);
  } finally {
    await fault.end(node);
  }
  await group.healthy(WHOLE_MS);
}

async function stopApi({ cluster }: Stage, durationMs: number): Promise<void> {
  await cluster.apiServer.kill();
  try {
    await sleep(durationMs);
  } finally {
    await cluster.apiServer.start();
  }
}
