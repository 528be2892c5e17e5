/** Objects of the group are edited or deleted by hand. */
import { setTimeout as sleep } from "node:timers/promises";
import { until } from "@leasehold/cluster";
import { formatMs, type Bound } from "@leasehold/testkit/result";
import type { Group } from "../group.ts";
import type { Stage } from "../stage.ts";
import { PATIENCE_MS, type Act } from "./act.ts";

const REPAIRED = { timeoutMs: 5000, pollMs: 200 } as const;
/** Within which the garbage collector takes a slice whose owner is gone. */
const COLLECTED_MS = 3000;
/**
 * Helm makes a Service again, with another address, and the old one is known by name for as long as
 * DNS keeps it, twice 5 s.
 */
const SERVICE_AGAIN: Bound = { medianMs: 18_000, p99Ms: 22_000 };

export const OBJECTS: readonly Act[] = [
  {
    name: "lease-delete",
    title: "the Lease is deleted",
    bound: "apiOutage",
    promised: "acknowledged",
    reads: "reconnect",
    play: async ({ group }) => void (await group.kubectl(["delete", "lease", group.name])),
  },
  {
    name: "lease-edit",
    title: "the Lease is given to somebody who does not exist",
    bound: "leaderLost",
    promised: "confirmed",
    async play({ group }) {
      const patch = JSON.stringify({ spec: { holderIdentity: "somebody" } });
      await group.kubectl(["patch", "lease", group.name, "--type=merge", "-p", patch]);
      await until("a member holds the Lease", { timeoutMs: PATIENCE_MS }, async () => {
        return (await group.members()).includes((await group.holder()).pod);
      });
    },
  },
  {
    name: "slice-delete",
    title: "the write Service's EndpointSlice is deleted",
    bound: "addressRepaired",
    promised: "acknowledged",
    reads: "reconnect",
    play: async ({ group }) =>
      void (await group.kubectl(["delete", "endpointslice", `${group.name}-ipv4`])),
  },
  {
    name: "slice-edit",
    title: "the write Service's EndpointSlice is pointed elsewhere",
    bound: "addressRepaired",
    promised: "acknowledged",
    reads: "reconnect",
    async play({ group }) {
      const endpoints = [{ addresses: ["10.244.250.250"], conditions: { ready: true } }];
      const patch = ["--type=merge", "-p", JSON.stringify({ endpoints })];
      await group.kubectl(["patch", "endpointslice", `${group.name}-ipv4`, ...patch]);
    },
  },
  {
    name: "service-delete",
    title: "the write Service is deleted, and made again by helm upgrade",
    bound: SERVICE_AGAIN,
    promised: "acknowledged",
    reads: "reconnect",
    play: replaceService,
  },
  {
    name: "control-delete",
    title: "the ConfigMaps of requests and history are deleted",
    bound: "apiOutage",
    promised: "acknowledged",
    reads: "reconnect",
    async play({ group }) {
      const maps = [`${group.name}-control`, `${group.name}-history`];
      await group.kubectl(["delete", "configmap", "--ignore-not-found", ...maps]);
    },
  },
  {
    name: "settings-delete",
    title: "the ConfigMaps of settings and scripts are deleted, and made again by helm upgrade",
    bound: "apiOutage",
    promised: "acknowledged",
    reads: "reconnect",
    async play({ group }) {
      await group.kubectl(["delete", "configmap", group.name, `${group.name}-scripts`]);
      await sleep(5000);
      await group.helmUpgrade([]);
    },
  },
  {
    name: "rights-lost",
    title: "the members' RoleBinding is deleted for 15 s",
    bound: "apiOutage",
    promised: "acknowledged",
    reads: "reconnect",
    play: ({ group }) => withoutRights(group, 15_000),
  },
];

/** Slices of the old one go with it: those of the new one have to be its own, and stay. */
async function replaceService(stage: Stage): Promise<void> {
  const { group } = stage;
  const owner = "jsonpath={.metadata.ownerReferences[0].uid}";
  const ownerOfSlice = (): Promise<string> =>
    group.kubectl(["get", "endpointslice", `${group.name}-ipv4`, "-o", owner]).catch(() => "none");
  await group.kubectl(["delete", "service", group.name]);
  await group.helmUpgrade([]);
  const service = ["get", "service", group.name, "-o", "jsonpath={.metadata.uid}"];
  const uid = await group.kubectl(service);
  const madeAtMs = performance.now();
  await until("the slice of the new Service", REPAIRED, async () => (await ownerOfSlice()) === uid);
  stage.remark(`the new Service had its slice after ${formatMs(performance.now() - madeAtMs)}`);
  await sleep(COLLECTED_MS);
  if ((await ownerOfSlice()) !== uid) throw new Error("the slice of the new Service has gone");
  // Open connections go on: now everybody has to find the way anew.
  await group.leasehold(["switchover"]);
}

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

async function withoutRights(group: Group, forMs: number): Promise<void> {
  const binding = await group.kubectl(["get", "rolebinding", group.name, "-o", "json"]);
  await group.kubectl(["delete", "rolebinding", group.name]);
  try {
    await sleep(forMs);
  } finally {
    const { apiVersion, kind, metadata, roleRef, subjects } = JSON.parse(binding) as Binding;
    const { name, labels, annotations } = metadata;
    const again = { apiVersion, kind, metadata: { name, labels, annotations }, roleRef, subjects };
    await group.kubectl(["create", "-f", "-"], { input: JSON.stringify(again) });
  }
}
