/** Planned changes: nothing acknowledged may be lost. */
import { setTimeout as sleep } from "node:timers/promises";
import { until } from "@leasehold/cluster";
import type { Bound } from "@leasehold/testkit/result";
import { install, type Release } from "../group.ts";
import type { Stage } from "../stage.ts";
import { rolledOut, WHOLE_MS, type Act } from "./act.ts";

/** From the last write before to the first after all members ended and started. */
const TOTAL_RESTART: Bound = { medianMs: 45_000, p99Ms: 60_000 };
/** A kubelet shows a changed Secret within its sync period and the lifetime of its cache. */
const SECRET_MS = 240_000;
const PROXY_SECOND_MS = 1500;

const AGAIN: Release = { namespace: "again", release: "again" };

export const PLANNED: readonly Act[] = [
  {
    name: "switchover",
    handsOver: true,
    title: "a switchover is asked for on the command line",
    bound: "switchover",
    promised: "acknowledged",
    isCore: true,
    play: async ({ group }) => void (await group.leasehold(["switchover"])),
  },
  {
    name: "switchover-20",
    handsOver: true,
    title: "twenty switchovers, one after the other",
    bound: "switchover",
    promised: "acknowledged",
    async play({ group }) {
      for (let times = 0; times < 20; times += 1) {
        await group.leasehold(["switchover"]);
        await group.healthy(WHOLE_MS);
        // Else the second of each kube-proxy that one change began is the next one's, too.
        await sleep(PROXY_SECOND_MS);
      }
    },
  },
  {
    name: "pod-delete",
    handsOver: true,
    title: "the leader's pod is deleted",
    bound: "switchover",
    promised: "acknowledged",
    isCore: true,
    async play({ group }) {
      const old = await group.holder();
      await group.kubectl(["delete", "pod", old.pod, "--wait=true"], { timeoutMs: 90_000 });
    },
  },
  {
    name: "scale",
    title: "scaled to 5 members, to 2, and back to 3",
    bound: "switchover",
    promised: "acknowledged",
    async play({ group }) {
      for (const replicas of [5, 2, 3]) {
        await group.helmUpgrade([`replicas=${replicas}`]);
        await rolledOut(group);
        await group.healthy(WHOLE_MS);
      }
    },
  },
  {
    name: "scale-to-none",
    title: "scaled to no member and back to 3",
    bound: TOTAL_RESTART,
    promised: "acknowledged",
    reads: "nothing",
    async play({ group }) {
      const scale = (replicas: number) =>
        group.kubectl(["scale", `statefulset/${group.name}`, `--replicas=${replicas}`]);
      const pods = (await group.members()).map((member) => `pod/${member}`);
      await scale(0);
      try {
        await until("all members gone", { timeoutMs: 90_000, pollMs: 500 }, async () => {
          const left = ["get", ...pods, "--ignore-not-found", "-o", "name"];
          return (await group.kubectl(left)) === "";
        });
      } finally {
        await scale(3);
      }
      await group.healthy(WHOLE_MS);
    },
  },
  {
    name: "reinstall",
    title: "uninstalled, and installed again on the volumes that stay",
    bound: TOTAL_RESTART,
    promised: "acknowledged",
    reads: "nothing",
    release: AGAIN,
    async play({ cluster, group }) {
      await group.helmUninstall();
      await install(cluster, AGAIN);
      await group.healthy(WHOLE_MS);
    },
  },
  {
    name: "helm-test-switchover",
    handsOver: true,
    title: "helm test asks for a switchover",
    bound: "switchover",
    promised: "acknowledged",
    release: {
      namespace: "tested",
      release: "tested",
      values: ["tests.switchover=true", "sidecar.log.level=debug"],
    },
    play: async ({ group }) => void (await group.helmTest()),
  },
  {
    name: "password-rotation",
    title: "the application's password is changed in its Secret",
    bound: "apiOutage",
    promised: "acknowledged",
    play: rotatePassword,
  },
  {
    name: "controller-manager-stop",
    handsOver: true,
    title: "the controller manager is stopped, and a switchover is asked for",
    bound: "switchover",
    promised: "acknowledged",
    needsFaults: true,
    async play({ cluster, group }) {
      await cluster.controllerManager.kill();
      try {
        await sleep(5_000);
        await group.leasehold(["switchover"]);
        await sleep(5_000);
      } finally {
        await cluster.controllerManager.start();
      }
    },
  },
];

/** Clients go on with the old password; the new one works on every member in the end. */
async function rotatePassword({ group }: Stage): Promise<void> {
  const password = `rotated-${Math.round(performance.now())}`;
  const data = { "redis-password": Buffer.from(password).toString("base64") };
  await group.kubectl(["patch", "secret", group.name, "-p", JSON.stringify({ data })]);
  for (const pod of await group.members()) {
    await until(`the new password at ${pod}`, { timeoutMs: SECRET_MS, pollMs: 2_000 }, async () => {
      const ping = ["redis-cli", "--no-auth-warning", "-a", password, "ping"];
      return (await group.kubectl(["exec", pod, "-c", "redis", "--", ...ping])).includes("PONG");
    });
  }
}
