/** URL paths of the resources that Leasehold uses. */

export type ResourceKind =
  | "leases"
  | "endpointslices"
  | "services"
  | "pods"
  | "configmaps"
  | "secrets"
  | "events"
  | "statefulsets";

const PREFIX: Readonly<Record<ResourceKind, string>> = {
  leases: "/apis/coordination.k8s.io/v1",
  endpointslices: "/apis/discovery.k8s.io/v1",
  services: "/api/v1",
  pods: "/api/v1",
  configmaps: "/api/v1",
  secrets: "/api/v1",
  events: "/api/v1",
  statefulsets: "/apis/apps/v1",
};

export function collectionPath(kind: ResourceKind, namespace: string): string {
  return `${PREFIX[kind]}/namespaces/${encodeURIComponent(namespace)}/${kind}`;
}

export function objectPath(kind: ResourceKind, namespace: string, name: string): string {
  return `${collectionPath(kind, namespace)}/${encodeURIComponent(name)}`;
}
