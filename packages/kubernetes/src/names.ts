/** Every name, label and annotation that Leasehold gives to Kubernetes objects, once. */

export const ANNOTATION = {
  epoch: "leasehold.dev/epoch",
  attempt: "leasehold.dev/attempt",
  lineage: "leasehold.dev/lineage",
  members: "leasehold.dev/members",
  position: "leasehold.dev/position",
  handover: "leasehold.dev/handover",
  released: "leasehold.dev/released",
  paused: "leasehold.dev/paused",
  holder: "leasehold.dev/holder",
  /** The chart's, on Services: `true` if the port `redis` speaks TLS. */
  tls: "leasehold.dev/tls",
} as const;

export const LABEL = {
  group: "leasehold.dev/group",
  /** `primary` or `replica`, of pods, where the chart asks for it. */
  role: "leasehold.dev/role",
  serviceName: "kubernetes.io/service-name",
  sliceManagedBy: "endpointslice.kubernetes.io/managed-by",
  revision: "controller-revision-hash",
} as const;

export const MANAGED_BY = "leasehold.dev";

/** Keys of the control ConfigMap's `data`. */
export const CONTROL_KEY = {
  paused: "paused",
  pauseReason: "pauseReason",
  pauseFor: "pauseFor",
  request: "request",
  forgotten: "forgotten",
  answer: "answer",
} as const;

export const HISTORY_KEY = "history";

export type Family = "IPv4" | "IPv6";

/** The Lease and the write Service carry the group's own name. */
export function sliceName(group: string, family: Family): string {
  return `${group}-${family.toLowerCase()}`;
}

export function controlName(group: string): string {
  return `${group}-control`;
}

export function historyName(group: string): string {
  return `${group}-history`;
}
