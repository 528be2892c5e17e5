/**
 * One open watch: the changes after a version, as lines of JSON, until its time is over, its
 * client goes away or its version is compacted away.
 *
 * Guarantees: no gap and no change of order. A change that moves an object into or out of the
 * label selector is an ADDED or DELETED, as in the real server.
 */
import { expired } from "./api-error.ts";
import { jsonOf } from "./object-store.ts";
import { createOutbox } from "./outbox.ts";
import { apiVersionOf } from "./resource.ts";
import type { ServerResponse } from "node:http";
import type { FaultBoard, FaultSubject } from "./faults.ts";
import type { KubernetesObject } from "./object.ts";
import type { Change, ObjectStore } from "./object-store.ts";
import type { Resource } from "./resource.ts";
import type { Selector } from "./selectors.ts";

export interface WatchRequest {
  readonly resource: Resource;
  /** Null: all namespaces. */
  readonly namespace: string | null;
  readonly matches: Selector;
  /** Null or 0: begin with an ADDED for each object there is. */
  readonly fromVersion: number | null;
  readonly bookmarks: boolean;
  readonly timeoutMs: number;
  readonly bookmarkIntervalMs: number;
}

export interface WatchContext {
  readonly store: ObjectStore;
  readonly board: FaultBoard;
  readonly subject: FaultSubject;
}

export interface OpenWatch {
  /** Ends it as the server does when a version is too old. */
  expire(): void;
}

/** Writes to `response` until it is over; `response` closing ends everything. */
export function openWatch(
  request: WatchRequest,
  context: WatchContext,
  response: ServerResponse,
): OpenWatch {
  const { store, board, subject } = context;
  const outbox = createOutbox(response, () => board.planWatch(subject));

  function deliver(change: Change): void {
    if (change.resource !== request.resource || !isInside(change.object, request)) return;
    const type = typeSeen(change, request.matches);
    if (type) outbox.send(lineOf(type, jsonOf(change.object)));
  }

  function bookmark(last: boolean): void {
    outbox.send(lineOf("BOOKMARK", bookmarkJson(request.resource, store.version())), last);
  }

  function expire(): void {
    const status = expired(String(request.fromVersion ?? 0), store.compacted(request.resource));
    outbox.send(lineOf("ERROR", JSON.stringify(status)), true);
  }

  response.writeHead(200, { "content-type": "application/json" });
  response.flushHeaders();
  const endings = [store.listen(deliver), board.onChange(() => outbox.flush())];
  const finish = setTimeout(() => {
    if (request.bookmarks) bookmark(true);
    else response.end();
  }, request.timeoutMs);
  const beat = setInterval(() => {
    if (request.bookmarks) bookmark(false);
  }, request.bookmarkIntervalMs);
  response.on("close", () => {
    for (const end of endings) end();
    outbox.close();
    clearTimeout(finish);
    clearInterval(beat);
  });

  if (request.fromVersion) {
    const missed = store.changesSince(request.resource, request.fromVersion);
    if (missed) missed.forEach(deliver);
    else expire();
  } else {
    for (const object of store.list(request.resource)) {
      if (!isInside(object, request) || !request.matches(object)) continue;
      outbox.send(lineOf("ADDED", jsonOf(object)));
    }
  }
  return { expire };
}

function lineOf(type: string, json: string): string {
  return `{"type":"${type}","object":${json}}\n`;
}

function bookmarkJson(resource: Resource, version: number): string {
  const metadata = { resourceVersion: String(version), creationTimestamp: null };
  return JSON.stringify({ kind: resource.kind, apiVersion: apiVersionOf(resource), metadata });
}

function isInside(object: KubernetesObject, { namespace }: WatchRequest): boolean {
  return namespace === null || object.metadata.namespace === namespace;
}

function typeSeen(change: Change, matches: Selector): Change["type"] | null {
  const before = change.previous !== null && matches(change.previous);
  const after = change.type !== "DELETED" && matches(change.object);
  if (before && after) return "MODIFIED";
  if (after) return "ADDED";
  return before ? "DELETED" : null;
}
