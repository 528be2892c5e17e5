/**
 * The Kubernetes objects that the chart, the StatefulSet controller and the kubelet would make
 * for a group, as far as a sidecar looks at them.
 */
import { PORTS } from "./addresses.ts";
import type { KubernetesObject, Role } from "../fake-kubernetes-api/index.ts";

export interface GroupNames {
  readonly group: string;
  readonly namespace: string;
}

export interface PodFacts {
  readonly name: string;
  readonly uid: string;
  readonly host: string;
  readonly revision: string;
  /** Null: not being deleted. */
  readonly graceSeconds: number | null;
  /** Both containers have ended. */
  readonly terminated: boolean;
}

export function labelsOf({ group }: GroupNames): Record<string, string> {
  return {
    "app.kubernetes.io/name": "leasehold",
    "app.kubernetes.io/instance": group,
    "leasehold.dev/group": group,
  };
}

export function writeService(names: GroupNames): KubernetesObject {
  return {
    apiVersion: "v1",
    kind: "Service",
    metadata: { name: names.group, namespace: names.namespace, labels: labelsOf(names) },
    spec: {
      clusterIP: "10.96.0.10",
      ipFamilies: ["IPv4"],
      ports: [{ name: "redis", port: PORTS.redis, targetPort: PORTS.redis, protocol: "TCP" }],
    },
  };
}

export interface StatefulSetFacts {
  readonly replicas: number;
  readonly revision: string;
}

export function statefulSet(names: GroupNames, facts: StatefulSetFacts): KubernetesObject {
  return {
    apiVersion: "apps/v1",
    kind: "StatefulSet",
    metadata: { name: names.group, namespace: names.namespace, labels: labelsOf(names) },
    spec: { replicas: facts.replicas, serviceName: `${names.group}-headless` },
    status: {
      replicas: facts.replicas,
      currentRevision: facts.revision,
      updateRevision: facts.revision,
    },
  };
}

export function pod(names: GroupNames, facts: PodFacts): KubernetesObject {
  const state = facts.terminated ? { terminated: { exitCode: 0 } } : { running: {} };
  const container = (name: string): object => ({ name, ready: !facts.terminated, state });
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      name: facts.name,
      namespace: names.namespace,
      uid: facts.uid,
      labels: { ...labelsOf(names), "controller-revision-hash": facts.revision },
      ...(facts.graceSeconds === null
        ? {}
        : {
            deletionTimestamp: new Date().toISOString().replace(/\.\d+Z$/, "Z"),
            deletionGracePeriodSeconds: facts.graceSeconds,
          }),
    },
    spec: { nodeName: `node-of-${facts.name}` },
    status: {
      phase: "Running",
      conditions: [{ type: "Ready", status: facts.terminated ? "False" : "True" }],
      podIP: facts.host,
      podIPs: [{ ip: facts.host }],
      initContainerStatuses: [container("leasehold")],
      containerStatuses: [container("redis")],
    },
  };
}

/** As many as the chart allows. */
const ORDINALS = [0, 1, 2, 3, 4, 5, 6];

/** What a sidecar may do: what it does, and no more. A test of the chart holds its Role to this. */
export function sidecarRole(
  { group, namespace }: GroupNames,
  { roleLabels = false }: { readonly roleLabels?: boolean } = {},
): Role {
  const slices = [`${group}-ipv4`, `${group}-ipv6`];
  const pods = ORDINALS.map((ordinal) => `${group}-${ordinal}`);
  return {
    metadata: { namespace },
    rules: [
      rule("coordination.k8s.io", "leases", ["get", "update", "watch"], [group]),
      rule("coordination.k8s.io", "leases", ["create"]),
      rule("discovery.k8s.io", "endpointslices", ["get", "list", "update", "watch"], slices),
      rule("discovery.k8s.io", "endpointslices", ["create"]),
      rule("", "services", ["get"], [group]),
      rule("", "pods", ["list", "watch"]),
      ...(roleLabels ? [rule("", "pods", ["patch"], pods)] : []),
      rule("", "configmaps", ["get", "list", "update", "watch"], [`${group}-control`]),
      rule("", "configmaps", ["get", "update"], [`${group}-history`]),
      rule("", "configmaps", ["create"]),
      rule("", "events", ["create", "patch"]),
      rule("apps", "statefulsets", ["get"], [group]),
    ],
  };
}

function rule(
  apiGroup: string,
  resource: string,
  ...[verbs, resourceNames]: [readonly string[], (readonly string[])?]
): Role["rules"][number] {
  return {
    apiGroups: [apiGroup],
    resources: [resource],
    verbs,
    ...(resourceNames ? { resourceNames } : {}),
  };
}
