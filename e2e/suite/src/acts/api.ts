/** What happens to the Kubernetes API and to our objects in it: writes go on. */
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
    name: "lease-delete",
    title: "the Lease is deleted",
    bound: "apiOutage",
    promised: "acknowledged",
    play: async ({ group }) => void (await group.kubectl(["delete", "lease", group.name])),
  },
  {
    name: "slice-delete",
    title: "the write Service's EndpointSlice is deleted",
    bound: "addressRepaired",
    promised: "acknowledged",
    play: async ({ group }) =>
      void (await group.kubectl(["delete", "endpointslice", `${group.name}-ipv4`])),
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
  {
    name: "rights-lost",
    title: "the members' RoleBinding is deleted for 15 s",
    bound: "apiOutage",
    promised: "acknowledged",
    async play({ group }) {
      const binding = await group.kubectl(["get", "rolebinding", group.name, "-o", "json"]);
      await group.kubectl(["delete", "rolebinding", group.name]);
      try {
        await sleep(15_000);
      } finally {
        const { apiVersion, kind, metadata, roleRef, subjects } = JSON.parse(binding) as Binding;
        const { name, labels, annotations } = metadata;
        const again = {
          apiVersion,
          kind,
          metadata: { name, labels, annotations },
          roleRef,
          subjects,
        };
        await group.kubectl(["create", "-f", "-"], { input: JSON.stringify(again) });
      }
    },
  },
  {
    name: "slice-edit",
    title: "the write Service's EndpointSlice is pointed elsewhere",
    bound: "addressRepaired",
    promised: "acknowledged",
    async play({ group }) {
      const endpoints = [{ addresses: ["10.244.250.250"], conditions: { ready: true } }];
      const patch = ["--type=merge", "-p", JSON.stringify({ endpoints })];
      await group.kubectl(["patch", "endpointslice", `${group.name}-ipv4`, ...patch]);
    },
  },
  {
    name: "control-delete",
    title: "the ConfigMaps of requests and history are deleted",
    bound: "apiOutage",
    promised: "acknowledged",
    async play({ group }) {
      const maps = [`${group.name}-control`, `${group.name}-history`];
      await group.kubectl(["delete", "configmap", "--ignore-not-found", ...maps]);
    },
  },
];

interface Binding {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
  };
  readonly roleRef: unknown;
  readonly subjects: unknown;
}

async function stopApi({ cluster }: Stage, durationMs: number): Promise<void> {
  await cluster.apiServer.kill();
  try {
    await sleep(durationMs);
  } finally {
    await cluster.apiServer.start();
  }
}
