/**
 * The objects past authorisation, faults and compare-and-swap: how tests and the demo play
 * controllers, kubelets and people.
 */
import { randomUUID } from "node:crypto";
import { keyOf } from "./object-store.ts";
import { RESOURCES, resourceOf } from "./resources.ts";
import type { KubernetesObject } from "./object.ts";
import type { Change, ObjectStore } from "./object-store.ts";
import type { Resource } from "./resource.ts";

export interface ObjectReference {
  /** Plural: `leases`, `pods`. */
  readonly resource: string;
  readonly namespace?: string;
  readonly name: string;
}

export interface FakeObjects {
  get(reference: ObjectReference): KubernetesObject | null;
  list(resource: string, namespace?: string): readonly KubernetesObject[];
  /** Creates or overwrites, status included. An object without uid keeps or gets one. */
  put(object: KubernetesObject): KubernetesObject;
  /** Takes it away for good, whatever its grace period. */
  remove(reference: ObjectReference): void;
  /** Called for every change, after it. Returns the function that ends it. */
  listen(listener: (change: Change) => void): () => void;
}

export function objectsOf(store: ObjectStore): FakeObjects {
  return {
    get: (reference) => store.get(resourceNamed(reference.resource), keyFor(reference)),
    list: (resource, namespace) =>
      [...store.list(resourceNamed(resource))].filter(
        (object) => namespace === undefined || object.metadata.namespace === namespace,
      ),
    put(object) {
      const resource = resourceOf(object);
      const old = store.get(resource, keyOf(object));
      const uid = object.metadata.uid ?? old?.metadata.uid ?? randomUUID();
      const creationTimestamp =
        old?.metadata.creationTimestamp ?? new Date().toISOString().replace(/\.\d+Z$/, "Z");
      const metadata = { namespace: "default", creationTimestamp, ...object.metadata, uid };
      return store.commit(resource, { ...object, metadata });
    },
    remove: (reference) => void store.remove(resourceNamed(reference.resource), keyFor(reference)),
    listen: (listener) => store.listen(listener),
  };
}

function keyFor({ namespace = "default", name }: ObjectReference): {
  namespace: string;
  name: string;
} {
  return { namespace, name };
}

function resourceNamed(plural: string): Resource {
  const found = RESOURCES.find((resource) => resource.plural === plural);
  if (!found) throw new Error(`The fake API knows no ${plural}: add it to resources.ts.`);
  return found;
}
