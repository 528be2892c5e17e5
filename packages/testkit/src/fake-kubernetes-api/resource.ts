/** One kind of object as the API server treats it; resources.ts lists them. */
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
  /** Of labels, too. */
  readonly generationCountsLabels: boolean;
  /** Deleted by grace period, and gone only when somebody removes it for good. */
  readonly deletesGracefully: boolean;
  /** What is stored of what was sent. */
  readonly stored: (object: KubernetesObject) => KubernetesObject;
  readonly validate: (
    object: KubernetesObject,
    old: KubernetesObject | null,
  ) => readonly FieldError[];
}

export interface FieldError {
  readonly field: string;
  readonly message: string;
}

/** `coordination.k8s.io/v1`, or `v1` in the core group. */
export function apiVersionOf(resource: Resource): string {
  return resource.group ? `${resource.group}/${resource.version}` : resource.version;
}

/** `leases.coordination.k8s.io`, or `pods` in the core group. */
export function qualified(resource: Resource): string {
  return resource.group ? `${resource.plural}.${resource.group}` : resource.plural;
}
