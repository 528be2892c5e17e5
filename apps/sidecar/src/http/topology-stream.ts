/**
 * Server-sent events of the topology: `topology` is always a full snapshot, `leaderChanging` says
 * that one is about to change.
 *
 * Guarantees: a change of leader, role or state is sent in the turn that decided it; moved offsets
 * alone, or that they were looked at again, at most once a second; a comment each 2 s shows that
 * the stream lives. Ids are `<process>:<counter>`: who comes back with the newest one is not told
 * it again. Readers are bounded in number, and one that does not read is dropped.
 */
import type { ServerResponse } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import type { ChangeNotice } from "../peers/messages.ts";
import { stableTextOf, type Topology } from "./topology.ts";

const HEARTBEAT_MS = 2_000;
const OFFSETS_MS = 1_000;
/** A lost member must not hold up the first snapshot for longer. */
const FIRST_LOOK_MS = 50;
const MAX_READERS = 256;
/** Some twenty snapshots: all readers together stay far below the container's memory. */
const MAX_UNREAD_BYTES = 64 * 1024;

export interface TopologyStream {
  /** False: too many readers. */
  add(response: ServerResponse, lastEventId: string | undefined): boolean;
  /** The core has decided something: looks for news, while somebody reads. */
  turned(): void;
  leaderChanging(notice: ChangeNotice): void;
  /** How many read it. */
  listeners(): number;
  close(): void;
}

export interface TopologyView {
  current(): Topology;
  /** Asks the other members for their reports. */
  refresh(): Promise<void>;
}

export function createTopologyStream(processId: string, view: TopologyView): TopologyStream {
  const readers = new Set<ServerResponse>();
  /** Without their first snapshot yet, which each call sends. */
  const coming = new Map<ServerResponse, () => void>();
  let counter = 0;
  let stableText = "";
  let text = "";
  let sentAtMs = -Infinity;

  const send = (chunk: string): void => {
    for (const reader of readers) {
      reader.write(chunk);
      if (reader.writableLength > MAX_UNREAD_BYTES) reader.destroy();
    }
  };
  const event = (name: string, data: string): string =>
    `event: ${name}\nid: ${processId}:${counter}\ndata: ${data}\n\n`;
  /** True if there is something new to say. */
  const take = (topology: Topology): boolean => {
    const now = performance.now();
    const stable = stableTextOf(topology);
    if (stable === stableText && now - sentAtMs < OFFSETS_MS) return false;
    const newText = JSON.stringify(topology);
    if (newText === text) return false;
    stableText = stable;
    text = newText;
    sentAtMs = now;
    counter += 1;
    return true;
  };
  const tell = (): void => {
    if (readers.size > 0 && take(view.current())) send(event("topology", text));
  };
  const heartbeat = setInterval(() => send(": alive\n\n"), HEARTBEAT_MS);
  // The other members change too, and nobody tells us.
  const looking = setInterval(() => {
    if (readers.size > 0) void view.refresh().then(tell, () => undefined);
  }, OFFSETS_MS);
  heartbeat.unref();
  looking.unref();

  return {
    add(response, lastEventId) {
      if (readers.size + coming.size >= MAX_READERS) return false;
      response.writeHead(200, {
        "content-type": "text/event-stream",
        "cache-control": "no-store",
        "x-accel-buffering": "no",
      });
      response.flushHeaders();
      response.once("close", () => {
        coming.delete(response);
        readers.delete(response);
      });
      const begin = (): void => {
        if (!coming.delete(response)) return;
        // What is news to this reader may be news to the others, too.
        tell();
        if (readers.size === 0) take(view.current());
        const isKnown = lastEventId === `${processId}:${counter}`;
        response.write(isKnown ? ": known\n\n" : event("topology", text));
        readers.add(response);
      };
      coming.set(response, begin);
      // A member that nobody has read of late knows itself alone: the others are asked first.
      void Promise.race([view.refresh(), sleep(FIRST_LOOK_MS)]).then(begin, begin);
      return true;
    },
    turned: tell,
    listeners: () => readers.size + coming.size,
    leaderChanging(notice) {
      for (const begin of coming.values()) begin();
      if (readers.size === 0) return;
      counter += 1;
      send(event("leaderChanging", JSON.stringify(notice)));
    },
    close() {
      clearInterval(heartbeat);
      clearInterval(looking);
      for (const reader of [...readers, ...coming.keys()]) reader.end();
      readers.clear();
      coming.clear();
    },
  };
}
