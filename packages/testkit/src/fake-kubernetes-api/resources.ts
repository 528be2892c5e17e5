/**
 * Which kinds the fake API server knows, and how the real one (1.36) treats updates of each.
 * All are namespaced. Sources: the registry strategies of kubernetes/kubernetes
 * (`AllowCreateOnUpdate`, `AllowUnconditionalUpdate`).
 */
import { apiVersionOf } from "./resource.ts";
import { storedConfigMap, storedEndpointSlice, storedEvent, storedLease } from "./stored-form.ts";
import {
  validateConfigMap,
  validateEndpointSlice,
  validateEvent,
  validateLease,
} from "./validation.ts";
import type { Resource } from "./resource.ts";

const PLAIN = {
  createsOnUpdate: false,
  updatesUnconditionally: true,
  hasGeneration: false,
  generationCountsLabels: false,
  deletesGracefully: false,
  stored: (object) => object,
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
    stored: storedLease,
    validate: validateLease,
  },
  {
    ...PLAIN,
    group: "discovery.k8s.io",
    version: "v1",
    plural: "endpointslices",
    kind: "EndpointSlice",
    hasGeneration: true,
    generationCountsLabels: true,
    stored: storedEndpointSlice,
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
    stored: storedConfigMap,
    validate: validateConfigMap,
  },
  { ...PLAIN, group: "", version: "v1", plural: "secrets", kind: "Secret" },
  {
    ...PLAIN,
    group: "",
    version: "v1",
    plural: "events",
    kind: "Event",
    createsOnUpdate: true,
    stored: storedEvent,
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
