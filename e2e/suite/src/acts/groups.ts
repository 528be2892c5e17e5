/**
 * Acts with a group of their own: a neighbour in the namespace, one that speaks TLS, and one whose
 * clients ask for Sentinel.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { until } from "@leasehold/cluster";
import { groupOf, type Release } from "../group.ts";
import type { Stage } from "../stage.ts";
import { PATIENCE_MS, RELEASE, WHOLE_MS, type Act } from "./act.ts";

/** A kubelet shows a changed Secret within its sync period and the lifetime of its cache. */
const SECRET_MS = 240_000;
const AFTERWARDS_MS = 5000;

const SENTINEL: Release = {
  namespace: "sentinel",
  release: "sentinel",
  values: ["sentinelCompat.enabled=true", "sidecar.log.level=debug"],
};

export const GROUPS: readonly Act[] = [
  {
    name: "neighbour",
    title: "another group of the namespace loses its Redis and hands over",
    bound: "apiOutage",
    promised: "acknowledged",
    needsFaults: true,
    release: { namespace: RELEASE.namespace, release: "returns" },
    play: hurtNeighbour,
  },
  {
    name: "certificate-rotation",
    title: "the certificate of a group that speaks TLS is changed in its Secret",
    bound: "apiOutage",
    promised: "acknowledged",
    release: { namespace: "sealed", release: "sealed", tls: true },
    play: rotateCertificate,
  },
  {
    name: "switchover-tls",
    handsOver: true,
    title: "a switchover is asked for in a group that speaks TLS",
    bound: "switchover",
    promised: "acknowledged",
    release: {
      namespace: "sealed",
      release: "sealed",
      tls: true,
      values: ["sidecar.log.level=debug"],
    },
    play: async ({ group }) => void (await group.leasehold(["switchover"])),
  },
  {
    name: "switchover-sentinel",
    handsOver: true,
    title: "a switchover is asked for, and writers find their primary as by Sentinel",
    bound: "switchover",
    promised: "acknowledged",
    release: SENTINEL,
    habits: { masterSet: "mymaster" },
    play: async ({ group }) => void (await group.leasehold(["switchover"])),
  },
  {
    name: "redis-kill-sentinel",
    title: "SIGKILL of the primary's Redis, and writers find the next one as by Sentinel",
    bound: "redisDies",
    promised: "confirmed",
    reads: "nothing",
    needsFaults: true,
    release: SENTINEL,
    habits: { masterSet: "mymaster" },
    async play({ cluster, group }) {
      const old = await group.holder();
      const redis = { pod: old.pod, container: "redis", command: "redis-server" };
      await cluster.signal({ namespace: group.namespace, ...redis }, "SIGKILL");
      await group.newLeader(old, PATIENCE_MS);
    },
  },
];

/** The writers are at the group that nothing happens to. */
async function hurtNeighbour({ cluster }: Stage): Promise<void> {
  const other = groupOf(cluster, RELEASE);
  const old = await other.holder();
  const redis = { pod: old.pod, container: "redis", command: "redis-server" };
  await cluster.signal({ namespace: RELEASE.namespace, ...redis }, "SIGKILL");
  await other.newLeader(old, PATIENCE_MS);
  await other.healthy(WHOLE_MS);
  await other.leasehold(["switchover"]);
  await other.healthy(WHOLE_MS);
}

/** Connections go on; each member shows the new certificate to new ones. */
async function rotateCertificate({ group, authority }: Stage): Promise<void> {
  if (authority === undefined) throw new Error("the group speaks no TLS");
  const serial = await authority.renew();
  for (const pod of await group.members()) {
    const address = await group.kubectl(["get", "pod", pod, "-o", "jsonpath={.status.podIP}"]);
    const what = `the new certificate at ${pod}`;
    await until(what, { timeoutMs: SECRET_MS, pollMs: 2000 }, async () => {
      return (await authority.serialAt(`${address}:6379`)) === serial;
    });
  }
  await sleep(AFTERWARDS_MS);
}
