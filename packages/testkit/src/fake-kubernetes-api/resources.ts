/**
 * Which kinds the fake API server knows, and how the real one (1.36) treats updates of each.
 * All are namespaced. Sources: the registry strategies of kubernetes/kubernetes
 * (`AllowCreateOnUpdate`, `AllowUnconditionalUpdate`).
 */
import {
  validateConfigMap,
  validateEndpointSlice,
  validateEvent,
  validateLease,
} from "./validation.ts";
import type { FieldError } from "./api-error.ts";
import type { KubernetesObject } from "./object.ts";

export interface Resource {
  /** Empty: the core group. */
  readonly group: string;
  readonly version: string;
  readonly plural: string;
  readonly kind: string;
  /** A PUT of a name that does not exist creates it. */
  readonly createsOnUpdate: boolean;
  /** A PUT without resourceVersion overwrites. */
  readonly updatesUnconditionally: boolean;
  /** Counts changes of everything but metadata and status in `metadata.generation`. */
  readonly hasGeneration: boolean;
  /** Deleted by grace period, and gone only when somebody removes it for good. */
  readonly deletesGracefully: boolean;
  readonly validate: (
    object: KubernetesObject,
    old: KubernetesObject | null,
  ) => readonly FieldError[];
}

const PLAIN = {
  createsOnUpdate: false,
  updatesUnconditionally: true,
  hasGeneration: false,
  deletesGracefully: false,
  validate: () => [],
} satisfies Partial<Resource>;

export const RESOURCES: readonly Resource[] = [
  {
    ...PLAIN,
    group: "coordination.k8s.io",
    version: "v1",
    plural: "leases",
    kind: "Lease",
    createsOnUpdate: true,
    updatesUnconditionally: false,
    validate: validateLease,
  },
  {
    ...PLAIN,
    group: "discovery.k8s.io",
    version: "v1",
    plural: "endpointslices",
    kind: "EndpointSlice",
    hasGeneration: true,
    validate: validateEndpointSlice,
  },
  { ...PLAIN, group: "", version: "v1", plural: "services", kind: "Service" },
  { ...PLAIN, group: "", version: "v1", plural: "pods", kind: "Pod", deletesGracefully: true },
  {
    ...PLAIN,
    group: "",
    version: "v1",
    plural: "configmaps",
    kind: "ConfigMap",
    validate: validateConfigMap,
  },
  {
    ...PLAIN,
    group: "",
    version: "v1",
    plural: "events",
    kind: "Event",
    createsOnUpdate: true,
    validate: validateEvent,
  },
  {
    ...PLAIN,
    group: "apps",
    version: "v1",
    plural: "statefulsets",
    kind: "StatefulSet",
    hasGeneration: true,
  },
];

export function resourceByPath(group: string, version: string, plural: string): Resource | null {
  return (
    RESOURCES.find((r) => r.group === group && r.version === version && r.plural === plural) ?? null
  );
}

export function resourceOf(object: { apiVersion: string; kind: string }): Resource {
  const found = RESOURCES.find(
    (r) => apiVersionOf(r) === object.apiVersion && r.kind === object.kind,
  );
  if (!found) {
    throw new Error(
      `The fake API knows no ${object.apiVersion} ${object.kind}: add it to resources.ts.`,
    );
  }
  return found;
}

export function apiVersionOf(resource: Resource): string {
  return resource.group ? `${resource.group}/${resource.version}` : resource.version;
}
