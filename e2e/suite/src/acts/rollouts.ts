/** Rollouts of another image or configuration: those that go through, and those that cannot. */
import { setTimeout as sleep } from "node:timers/promises";
import { until } from "@leasehold/cluster";
import type { Stage } from "../stage.ts";
import { rolledOut, WHOLE_MS, type Act } from "./act.ts";

const DEBUG = "sidecar.log.level=debug";
/** How long a rollout that cannot go on is watched. */
const WATCHED_MS = 20_000;
const BEGUN_MS = 60_000;

export const ROLLOUTS: readonly Act[] = [
  {
    name: "rolling-update",
    handsOver: true,
    title: "helm upgrade restarts all members",
    bound: "switchover",
    promised: "acknowledged",
    isCore: true,
    async play({ group }) {
      await group.helmUpgrade([rolledAnnotation()]);
      await rolledOut(group);
    },
  },
  {
    name: "rolling-configuration",
    handsOver: true,
    title: "helm upgrade changes what Redis takes at its start alone",
    bound: "switchover",
    promised: "acknowledged",
    async play({ group }) {
      await group.helmUpgrade(["commonConfiguration=tcp-backlog 300"]);
      await rolledOut(group);
    },
  },
  {
    name: "rolling-image",
    handsOver: true,
    title: "helm upgrade brings all members from Redis 7 to 8",
    bound: "switchover",
    promised: "acknowledged",
    release: { namespace: "engines", release: "engines", values: ["image.tag=7.0", DEBUG] },
    async play({ group }) {
      await group.helmUpgrade(["image.tag=8.0"]);
      await rolledOut(group);
    },
  },
  {
    name: "rollback",
    handsOver: true,
    title: "helm rollback restarts all members",
    bound: "switchover",
    promised: "acknowledged",
    before: ({ group }) => group.helmUpgrade([rolledAnnotation()]),
    async play({ group }) {
      await group.helmRollback();
      await rolledOut(group);
    },
  },
  {
    name: "image-missing",
    title: "an image that nobody has is rolled out for 20 s, and taken back",
    bound: "switchover",
    promised: "acknowledged",
    play: (stage) => rollOutInVain(stage, "none"),
  },
  {
    name: "image-too-old",
    title: "a Redis that cannot read the data is rolled out for 20 s, and taken back",
    bound: "switchover",
    promised: "acknowledged",
    play: (stage) => rollOutInVain(stage, "7.0"),
  },
  {
    name: "live-configuration",
    title: "helm upgrade changes what a running Redis can be told",
    bound: "apiOutage",
    promised: "acknowledged",
    async play({ group }) {
      await group.helmUpgrade(["config.maxmemory-policy=noeviction"]);
      await group.healthy(WHOLE_MS);
    },
  },
];

function rolledAnnotation(): string {
  return `podAnnotations.rolled=at-${Math.round(performance.now())}`;
}

/** It stops at its first member, and leaves all others alone. */
async function rollOutInVain({ group }: Stage, tag: string): Promise<void> {
  const members = await group.members();
  const first = members.at(-1) ?? "";
  const imageOf = (pod: string): Promise<string> =>
    group.kubectl(["get", "pod", pod, "-o", "jsonpath={.spec.containers[0].image}"]);
  await group.helmUpgrade([`image.tag=${tag}`], { waits: false });
  try {
    await until(`${first} with the other image`, { timeoutMs: BEGUN_MS }, async () => {
      return (await imageOf(first)).endsWith(`:${tag}`);
    });
    const { identity } = await group.holder();
    await sleep(WATCHED_MS);
    if ((await group.holder()).identity !== identity) throw new Error("the lead has moved");
    for (const other of members.slice(0, -1)) {
      if ((await imageOf(other)).endsWith(`:${tag}`)) throw new Error(`${other} was restarted`);
    }
  } finally {
    await group.helmRollback();
  }
  await rolledOut(group);
  await group.healthy(WHOLE_MS);
}
