/**
 * One open watch: the changes after a version, as lines of JSON, until its time is over, its
 * client goes away or its version is compacted away.
 *
 * Guarantees: no gap and no change of order. A change that moves an object into or out of the
 * label selector is an ADDED or DELETED, as in the real server. A client that reads slower than
 * `MAX_WAITING` lines is cut off, so memory stays bounded.
 */
import { expired } from "./api-error.ts";
import { jsonOf } from "./object-store.ts";
import { apiVersionOf } from "./resources.ts";
import type { ServerResponse } from "node:http";
import type { FaultBoard, FaultSubject } from "./faults.ts";
import type { Change, ObjectStore } from "./object-store.ts";
import type { Resource } from "./resources.ts";
import type { Selector } from "./selectors.ts";

const MAX_WAITING = 10_000;

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

interface Line {
  readonly text: string;
  readonly dueMs: number;
  /** Nothing follows it. */
  readonly last: boolean;
}

/** Writes to `response` until it is over; `response` closing ends everything. */
export function openWatch(
  request: WatchRequest,
  context: WatchContext,
  response: ServerResponse,
): OpenWatch {
  const { store, board, subject } = context;
  const waiting: Line[] = [];
  let wake: NodeJS.Timeout | null = null;

  function flush(): void {
    if (wake) clearTimeout(wake);
    wake = null;
    if (board.planWatch(subject).held) return;
    while (waiting[0] && waiting[0].dueMs <= performance.now()) {
      const line = waiting.shift();
      response.write(line?.text);
      if (line?.last) response.end();
    }
    const next = waiting[0];
    if (next) wake = setTimeout(flush, Math.max(1, next.dueMs - performance.now()));
  }

  function send(type: string, json: string, last = false): void {
    if (response.writableEnded || response.destroyed) return;
    if (waiting.length >= MAX_WAITING) {
      response.destroy();
      return;
    }
    const dueMs = performance.now() + board.planWatch(subject).delayMs;
    waiting.push({ text: `{"type":"${type}","object":${json}}\n`, dueMs, last });
    flush();
  }

  function deliver(change: Change): void {
    if (change.resource !== request.resource || !inNamespace(change, request.namespace)) return;
    const type = typeSeen(change, request.matches);
    if (type) send(type, jsonOf(change.object));
  }

  function bookmark(): void {
    const metadata = { resourceVersion: String(store.version()), creationTimestamp: null };
    const { kind } = request.resource;
    send(
      "BOOKMARK",
      JSON.stringify({ kind, apiVersion: apiVersionOf(request.resource), metadata }),
    );
  }

  function expire(): void {
    const oldest = store.compacted(request.resource);
    send("ERROR", JSON.stringify(expired(String(request.fromVersion ?? 0), oldest)), true);
  }

  response.writeHead(200, {
    "content-type": "application/json",
    "cache-control": "no-cache, private",
  });
  response.flushHeaders();
  const endings = [store.listen(deliver), board.onChange(flush)];
  const finish = setTimeout(() => {
    if (request.bookmarks) bookmark();
    response.end();
  }, request.timeoutMs);
  const beat = request.bookmarks ? setInterval(bookmark, request.bookmarkIntervalMs) : null;
  response.on("close", () => {
    for (const end of endings) end();
    clearTimeout(finish);
    if (beat) clearInterval(beat);
    if (wake) clearTimeout(wake);
  });

  if (request.fromVersion) {
    const missed = store.changesSince(request.resource, request.fromVersion);
    if (missed) missed.forEach(deliver);
    else expire();
  } else {
    for (const object of store.list(request.resource)) {
      const inside = request.namespace === null || object.metadata.namespace === request.namespace;
      if (inside && request.matches(object)) send("ADDED", jsonOf(object));
    }
  }
  return { expire };
}

function inNamespace(change: Change, namespace: string | null): boolean {
  return namespace === null || change.object.metadata.namespace === namespace;
}

function typeSeen(change: Change, matches: Selector): Change["type"] | null {
  const before = change.previous !== null && matches(change.previous);
  const after = change.type !== "DELETED" && matches(change.object);
  if (before && after) return "MODIFIED";
  if (after) return "ADDED";
  return before ? "DELETED" : null;
}
