/** What happens to the Kubernetes API: writes go on. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Stage } from "../stage.ts";
import type { Act } from "./act.ts";
import { hurtNode } from "./nodes.ts";

export const API_FAULTS: readonly Act[] = [
  {
    name: "cut-from-api",
    title: "the leader's node reaches everybody but the API server for 20 s",
    bound: "apiOutage",
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
    bound: "apiOutage",
    promised: "acknowledged",
    isCore: true,
    needsFaults: true,
    play: (stage) => stopApi(stage, 30_000),
  },
  {
    name: "api-stop-long",
    title: "the API server is stopped for 3 min",
    bound: "apiOutage",
    promised: "acknowledged",
    needsFaults: true,
    play: (stage) => stopApi(stage, 180_000),
  },
  {
    name: "api-flap",
    title: "the API server freezes for 3 s, five times",
    bound: "apiOutage",
    promised: "acknowledged",
    needsFaults: true,
    async play({ cluster }) {
      for (let times = 0; times < 5; times += 1) {
        cluster.apiServer.freeze();
        await sleep(3_000);
        cluster.apiServer.thaw();
        await sleep(2_000);
      }
    },
  },
  {
    name: "control-plane-unheard",
    title: "nothing gets from the control plane to the leader's node for 15 s",
    bound: "apiOutage",
    promised: "acknowledged",
    needsFaults: true,
    play: (stage) =>
      hurtNode(stage, {
        begin: (node) => node.dropFromControlPlane(),
        end: (node) => node.heal(),
        until: () => sleep(15_000),
      }),
  },
];

async function stopApi({ cluster }: Stage, durationMs: number): Promise<void> {
  await cluster.apiServer.kill();
  try {
    await sleep(durationMs);
  } finally {
    await cluster.apiServer.start();
  }
}
