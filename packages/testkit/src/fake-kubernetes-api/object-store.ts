/**
 * The fake's etcd: objects under one counter of versions, and the last changes of each resource.
 *
 * Guarantees: every change raises the counter by one and is told to all listeners, in order,
 * before `commit` returns; stored objects are never modified. Memory is bounded by the objects
 * and `historyLength` changes per resource; older ones are compacted away.
 */
import type { KubernetesObject, ObjectKey } from "./object.ts";
import type { Resource } from "./resource.ts";

export interface Change {
  readonly type: "ADDED" | "MODIFIED" | "DELETED";
  readonly resource: Resource;
  readonly version: number;
  readonly object: KubernetesObject;
  /** What it was before; null for a new object. */
  readonly previous: KubernetesObject | null;
}

export type ChangeListener = (change: Change) => void;

export interface ObjectStore {
  readonly version: () => number;
  get(resource: Resource, key: ObjectKey): KubernetesObject | null;
  list(resource: Resource): Iterable<KubernetesObject>;
  /** Stores `object` under the next version and returns it with that version. */
  commit(resource: Resource, object: KubernetesObject): KubernetesObject;
  /** Takes the object away; the last state told to listeners carries the version of its end. */
  remove(resource: Resource, key: ObjectKey): KubernetesObject | null;
  listen(listener: ChangeListener): () => void;
  /** Changes after `version`, or null if some of them are compacted away. */
  changesSince(resource: Resource, version: number): readonly Change[] | null;
  /** Forgets all changes so far: every watch from an older version is then too old. */
  compact(): void;
  /** Newest version that is compacted away. */
  compacted(resource: Resource): number;
}

interface Shelf {
  readonly objects: Map<string, KubernetesObject>;
  readonly history: Change[];
  compacted: number;
}

export function createObjectStore(historyLength: number): ObjectStore {
  const shelves = new Map<Resource, Shelf>();
  const listeners = new Set<ChangeListener>();
  let version = 1;

  function shelfOf(resource: Resource): Shelf {
    const known = shelves.get(resource);
    if (known) return known;
    const shelf: Shelf = { objects: new Map(), history: [], compacted: 0 };
    shelves.set(resource, shelf);
    return shelf;
  }

  function record(shelf: Shelf, change: Change): void {
    shelf.history.push(change);
    if (shelf.history.length > historyLength) {
      shelf.compacted = shelf.history.shift()?.version ?? shelf.compacted;
    }
    for (const listener of listeners) listener(change);
  }

  return {
    version: () => version,
    get: (resource, key) => shelfOf(resource).objects.get(pathOf(key)) ?? null,
    list: (resource) => shelfOf(resource).objects.values(),
    commit(resource, object) {
      const shelf = shelfOf(resource);
      const path = pathOf(keyOf(object));
      const previous = shelf.objects.get(path) ?? null;
      version += 1;
      const stored = withVersion(object, version);
      shelf.objects.set(path, stored);
      const type = previous ? "MODIFIED" : "ADDED";
      record(shelf, { type, resource, version, object: stored, previous });
      return stored;
    },
    remove(resource, key) {
      const shelf = shelfOf(resource);
      const previous = shelf.objects.get(pathOf(key));
      if (!previous) return null;
      version += 1;
      shelf.objects.delete(pathOf(key));
      const object = withVersion(previous, version);
      record(shelf, { type: "DELETED", resource, version, object, previous });
      return object;
    },
    listen(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    changesSince(resource, since) {
      const shelf = shelfOf(resource);
      if (since < shelf.compacted) return null;
      return shelf.history.filter((change) => change.version > since);
    },
    compact() {
      for (const shelf of shelves.values()) {
        shelf.history.length = 0;
        shelf.compacted = version;
      }
    },
    compacted: (resource) => shelfOf(resource).compacted,
  };
}

export function keyOf(object: KubernetesObject): ObjectKey {
  return { namespace: object.metadata.namespace ?? "default", name: object.metadata.name ?? "" };
}

const texts = new WeakMap<KubernetesObject, string>();

/** Its JSON, made once for the answer and all watches. */
export function jsonOf(object: KubernetesObject): string {
  const known = texts.get(object);
  if (known !== undefined) return known;
  const text = JSON.stringify(object);
  texts.set(object, text);
  return text;
}

export function pathOf(key: ObjectKey): string {
  return `${key.namespace}/${key.name}`;
}

function withVersion(object: KubernetesObject, version: number): KubernetesObject {
  return { ...object, metadata: { ...object.metadata, resourceVersion: String(version) } };
}
