/** Writers use @leasehold/client: of a planned change they notice nothing but a pause. */
import { fileURLToPath } from "node:url";
import { openInPods, openOutside } from "../client-stage.ts";
import type { Release } from "../group.ts";
import type { Stage } from "../stage.ts";
import { PATIENCE_MS, WHOLE_MS, type Act } from "./act.ts";

const EXAMPLE = fileURLToPath(
  new URL("../../../../examples/kubernetes/orders-app.yaml", import.meta.url),
);
const OUTSIDE: Release = {
  namespace: "outside",
  release: "outside",
  values: ["service.type=NodePort", "sidecar.log.level=debug"],
};

export const CLIENTS: readonly Act[] = [
  {
    name: "client-switchover",
    handsOver: true,
    title: "a switchover is asked for while pods write by the client SDK",
    bound: "switchover",
    promised: "acknowledged",
    open: openInPods,
    before: takeExample,
    play: switchOver,
    after: nothingFailed,
  },
  {
    name: "client-redis-kill",
    title: "SIGKILL of the primary's Redis while pods write by the client SDK",
    bound: "redisDies",
    promised: "confirmed",
    needsFaults: true,
    open: openInPods,
    play: killRedis,
    after: refusedNothing,
  },
  {
    name: "client-outside",
    handsOver: true,
    title: "a switchover is asked for while a node's port is written to by the client SDK",
    bound: "switchover",
    promised: "acknowledged",
    open: (cluster) => openOutside(cluster, OUTSIDE),
    play: switchOver,
    after: nothingFailed,
  },
  {
    name: "client-outside-redis-kill",
    title: "SIGKILL of the primary's Redis while a node's port is written to by the client SDK",
    bound: "redisDies",
    promised: "confirmed",
    needsFaults: true,
    open: (cluster) => openOutside(cluster, OUTSIDE),
    play: killRedis,
    after: refusedNothing,
  },
];

/** The API server takes the manifest of examples/, as it is printed. */
async function takeExample({ group }: Stage): Promise<void> {
  const apply = ["apply", "--dry-run=server", "--validate=strict", "-f", EXAMPLE];
  await group.kubectl(apply);
}

async function switchOver({ group }: Stage): Promise<void> {
  await group.leasehold(["switchover"]);
  await group.healthy(WHOLE_MS);
}

async function killRedis({ cluster, group }: Stage): Promise<void> {
  const old = await group.holder();
  const redis = { pod: old.pod, container: "redis", command: "redis-server" };
  await cluster.signal({ namespace: group.namespace, ...redis }, "SIGKILL");
  await group.newLeader(old, PATIENCE_MS);
  await group.healthy(WHOLE_MS);
}

async function nothingFailed({ load }: Stage): Promise<void> {
  const { failed } = await load.state();
  if (failed > 0) throw new Error(`${failed} writes failed, and none may in a planned change`);
}

/** What was under way is `unknown`; all else waits for the next leader. */
async function refusedNothing({ load }: Stage): Promise<void> {
  const { failureKinds } = await load.state();
  const refused = Object.entries(failureKinds).filter(([kind]) => kind !== "UNKNOWN");
  if (refused.length > 0) throw new Error(`writes were refused: ${JSON.stringify(refused)}`);
}
