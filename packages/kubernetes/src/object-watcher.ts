/**
 * The current objects of one selection: a list, then a watch from its version; listed again on
 * any doubt (the watch ended, fell silent, brought an error or something unreadable).
 *
 * Guarantees: `changed` gets whole selections, in the server's order; the first one when the
 * first list was answered. Bounds how far it can be behind a server that no longer says so:
 * `SILENCE_MS` without even a bookmark.
 */
import { asApiObject, listAt, recordAt, textAt } from "./api/object.ts";
import { keepWatching } from "./api/watch-loop.ts";
import { collectionPath } from "./paths.ts";
import type { ApiClient } from "./api/client.ts";
import type { ApiObject } from "./api/object.ts";
import type { WatchCall, WatchEvent } from "./api/watch-stream.ts";
import type { ResourceKind } from "./paths.ts";

export interface ObjectSelection {
  readonly kind: ResourceKind;
  /** `{ fieldSelector }` or `{ labelSelector }`. */
  readonly selector: Readonly<Record<string, string>>;
}

const LIST_DEADLINE_MS = 5000;
const PAUSES = { minPauseMs: 100, maxPauseMs: 5000 };
const WATCH_TIMEOUT_SECONDS = 300;
/** The server sends a bookmark about each minute. */
const SILENCE_MS = 90_000;

/** Returns the function that ends it. */
export function watchObjects(
  client: ApiClient,
  selection: ObjectSelection,
  changed: (objects: readonly ApiObject[]) => void,
): () => void {
  const path = collectionPath(selection.kind, client.namespace);
  const objects = new Map<string, ApiObject>();
  let stopped = false;

  async function list(): Promise<WatchCall | null> {
    const query = selection.selector;
    const answer = await client.request({
      method: "GET",
      path,
      query,
      deadlineMs: LIST_DEADLINE_MS,
    });
    if (stopped || answer.kind === "failed" || answer.status !== 200) return null;
    const version = textAt(recordAt(answer.body, "metadata"), "resourceVersion");
    if (version === null) return null;
    objects.clear();
    for (const item of listAt(answer.body, "items")) {
      const object = asApiObject(item);
      if (object) objects.set(object.metadata.uid, object);
    }
    changed([...objects.values()]);
    return {
      path,
      query: {
        ...query,
        watch: "true",
        resourceVersion: version,
        allowWatchBookmarks: "true",
        timeoutSeconds: String(WATCH_TIMEOUT_SECONDS),
      },
      silenceMs: SILENCE_MS,
    };
  }

  function apply({ type, object: value }: WatchEvent): boolean {
    if (type === "BOOKMARK") return true;
    const object = asApiObject(value);
    if (!object || !["ADDED", "MODIFIED", "DELETED"].includes(type)) return false;
    if (type === "DELETED") objects.delete(object.metadata.uid);
    else objects.set(object.metadata.uid, object);
    changed([...objects.values()]);
    return true;
  }

  const stop = keepWatching(
    client,
    { call: list, opened: () => {}, event: apply, ended: () => {} },
    PAUSES,
  );
  return () => {
    stopped = true;
    stop();
  };
}
