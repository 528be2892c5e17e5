/**
 * The last few versions of one object, so that a write keeps what others put on exactly the
 * version that it replaces. Bounded: a version that is no longer here was replaced long ago.
 */
import type { ApiObject } from "./api/object.ts";

export interface ObjectCache {
  add(object: ApiObject): void;
  /** Null: never seen, or too long ago. */
  at(version: { readonly uid: string; readonly resourceVersion: string }): ApiObject | null;
}

const VERSIONS_KEPT = 8;

export function createObjectCache(): ObjectCache {
  const versions: ApiObject[] = [];
  return {
    add(object) {
      versions.push(object);
      if (versions.length > VERSIONS_KEPT) versions.shift();
    },
    at: ({ uid, resourceVersion }) =>
      versions.findLast(
        ({ metadata }) => metadata.uid === uid && metadata.resourceVersion === resourceVersion,
      ) ?? null,
  };
}
