/**
 * The sidecars' status API: a stream that tells of each change at once; any sidecar will do.
 *
 * Guarantees: an endpoint that is silent for `silenceTimeoutMs`, refuses, or talks nonsense is left
 * for the next one. A stream has to tell a topology within that time, and to live for a second; no
 * answer is read without bound. After all endpoints have failed there is a pause, and it begins
 * anew, for ever. So is one that names nobody, or nobody new, for two seconds after its leader has
 * failed: its sidecar may be cut off from the group, and then tells what was.
 * No stream is resumed by `Last-Event-ID`, though its events have ids: each begins with the whole
 * state, so nothing is missed; an id is of one sidecar, and who comes back asks the next one; and
 * with the newest id a sidecar would leave out that state, which tells that it still knows it. An
 * announcement that was missed costs what an unannounced change does.
 * Where streaming is impossible (`mode: "poll"`, or no stream at any endpoint), it asks instead.
 */
import { request as requestHttp, type IncomingMessage } from "node:http";
import { request as requestHttps } from "node:https";
import { backoffMs } from "../backoff.ts";
import { InvalidOptionError } from "../errors.ts";
import type { TopologyObservation, TopologyProvider, TopologySink } from "../types.ts";
import { createEventReader, type ServerEvent } from "./event-stream.ts";
import { changeFrom, observationFrom } from "./status-reply.ts";

/** Of `statusTopology`. */
export interface StatusTopologyOptions {
  /** `http://host:8008` of sidecars, or of a Service in front of them. */
  readonly endpoints: readonly string[];
  /** Default `auto`: streams, and polls where that fails. */
  readonly mode?: "auto" | "stream" | "poll";
  /** Default 1000 ms. */
  readonly pollIntervalMs?: number;
  /** Default 5000 ms; a sidecar says something each 2 s. */
  readonly silenceTimeoutMs?: number;
  /** Sent with each request, such as a token. */
  readonly headers?: () => Promise<Record<string, string>>;
  /** PEM: whom to trust, and who this is. */
  readonly tls?: { readonly ca?: string; readonly cert?: string; readonly key?: string };
}

interface Source {
  readonly options: StatusTopologyOptions;
  readonly sink: TopologySink;
  readonly signal: AbortSignal;
}

/**
 * Follows the status stream of the sidecars, with epochs: any of them answers for the group.
 *
 * @throws InvalidOptionError
 */
export function statusTopology(options: StatusTopologyOptions): TopologyProvider {
  if (options.endpoints.length === 0) {
    throw new InvalidOptionError("endpoints", "give the address of at least one sidecar");
  }
  for (const endpoint of options.endpoints) {
    if (!/^https?:\/\/[^/]+$/.test(endpoint.replace(/\/$/, ""))) {
      throw new InvalidOptionError(
        "endpoints",
        `${JSON.stringify(endpoint)} is no http://host:port`,
      );
    }
  }
  let hurry = (): void => {};
  return {
    name: "status",
    start(sink, signal) {
      const source = { options, sink, signal };
      follow(source, (listener) => (hurry = listener)).catch((error: Error) => sink.fault(error));
    },
    requestCheck: (reason) => (reason === "rejected" ? undefined : hurry()),
  };
}

/** A stream that ends sooner has failed. */
const SHORT_LIVED_MS = 1_000;
const MOST_CHARACTERS = 64 * 1024;
const SILENCE_MS = 5_000;

/** How long a stream is believed whose leader has failed; up to twice as long, since all see it. */
const DOUBT_MS = 1_000;

/** Between two turns, so that nothing that ends at once is asked in a loop. */
const LEAST_PAUSE_MS = 20;

/** One endpoint after the other, for ever. */
async function follow(source: Source, onHurry: (listener: () => void) => void): Promise<void> {
  const { options, sink, signal } = source;
  const { endpoints, mode = "auto", pollIntervalMs = 1_000 } = options;
  let failures = 0;
  for (let turn = 0; !signal.aborted;) {
    const endpoint = endpoints[turn % endpoints.length] ?? "";
    // Only when no endpoint has let itself be streamed; and each second time it is tried again.
    const rounds = Math.floor(failures / endpoints.length);
    const isPolling = mode === "poll" || (mode === "auto" && rounds % 2 === 1);
    let pauseMs = LEAST_PAUSE_MS;
    try {
      await (isPolling ? poll(endpoint, source) : stream(endpoint, source, onHurry));
      failures = 0;
      // What answers questions is asked again; a stream that has ended, had its reason.
      if (isPolling) pauseMs = pollIntervalMs;
      else turn += 1;
    } catch (error) {
      if (signal.aborted) return;
      turn += 1;
      failures += 1;
      sink.fault(new Error(`${endpoint} does not tell the topology`, { cause: error }));
      // oxlint-disable-next-line no-restricted-properties -- a pause that no test replays
      if (rounds > 0) pauseMs += backoffMs(rounds, Math.random);
    }
    await pause(pauseMs, signal, onHurry);
  }
}

async function poll(endpoint: string, { options, sink, signal }: Source): Promise<void> {
  const response = await get(endpoint, "/v1/topology", { options, signal });
  const late = deadline(response, "the whole topology", options);
  let text = "";
  try {
    for await (const piece of response.setEncoding("utf8")) {
      text += String(piece);
      if (text.length > MOST_CHARACTERS) {
        throw new Error(`its answer is longer than ${MOST_CHARACTERS} characters`);
      }
    }
  } finally {
    clearTimeout(late);
  }
  sink.observe({ ...observationFrom("status", text, null), via: "probe" });
}

/** Resolves when the stream ends well, which it does when its sidecar does, or when it is left. */
async function stream(
  endpoint: string,
  { options, sink, signal }: Source,
  onDoubt: (listener: () => void) => void,
): Promise<void> {
  const response = await get(endpoint, "/v1/topology/stream", { options, signal });
  const startedAtMs = performance.now();
  const late = deadline(response, "a topology", options);
  const doubt = createDoubt(() => response.destroy());
  onDoubt(doubt.begin);
  const reader = createEventReader();
  let hasTold = false;
  const tell = ({ name, data, id }: ServerEvent): void => {
    if (name === "leaderChanging") sink.announce(changeFrom(data));
    if (name !== "topology") return;
    const observation = observationFrom("status", data, id);
    hasTold = true;
    clearTimeout(late);
    doubt.told(observation);
    sink.observe(observation);
  };
  try {
    for await (const piece of response.setEncoding("utf8")) {
      for (const event of reader.read(String(piece))) tell(event);
    }
  } catch (error) {
    if (!doubt.isOver()) throw error;
  } finally {
    clearTimeout(late);
    onDoubt(() => {});
    doubt.end();
  }
  if (!hasTold) throw new Error("its stream ended without a topology");
  const livedMs = performance.now() - startedAtMs;
  if (livedMs < SHORT_LIVED_MS) throw new Error(`its stream ended after ${Math.round(livedMs)} ms`);
}

interface Doubt {
  begin(this: void): void;
  told(observation: TopologyObservation): void;
  /** It was not dispelled in time. */
  isOver(): boolean;
  end(): void;
}

function createDoubt(leave: () => void): Doubt {
  let timer: NodeJS.Timeout | undefined;
  let [leader, isOver] = ["", false];
  const begin = (): void => {
    // oxlint-disable-next-line no-restricted-properties -- spreads clients, which no test replays
    timer ??= setTimeout(() => ((isOver = true), leave()), DOUBT_MS * (1 + Math.random()));
  };
  const end = (): void => {
    clearTimeout(timer);
    timer = undefined;
  };
  return {
    begin,
    told({ epoch, leaderId }) {
      const named = `${epoch} ${leaderId}`;
      if (leaderId === null) begin();
      else if (named !== leader) end();
      leader = named;
    },
    isOver: () => isOver,
    end,
  };
}

/** Comments keep a stream from being silent, but are not what it is for. */
function deadline(
  response: IncomingMessage,
  what: string,
  { silenceTimeoutMs = SILENCE_MS }: StatusTopologyOptions,
): NodeJS.Timeout {
  const message = `it did not tell ${what} within ${silenceTimeoutMs} ms`;
  return setTimeout(() => response.destroy(new Error(message)), silenceTimeoutMs);
}

interface Get {
  readonly options: StatusTopologyOptions;
  readonly signal: AbortSignal;
}

async function get(
  endpoint: string,
  path: string,
  { options, signal }: Get,
): Promise<IncomingMessage> {
  const silenceMs = options.silenceTimeoutMs ?? SILENCE_MS;
  const given = options.headers && (await within(silenceMs, options.headers()));
  const headers = { accept: "text/event-stream", ...given };
  const request = endpoint.startsWith("https:") ? requestHttps : requestHttp;
  return new Promise((resolve, reject) => {
    // A connection of its own: a pool would keep what may hang.
    const call = request(
      new URL(path, endpoint),
      { headers, signal, agent: false, ...options.tls },
      (response) => {
        if (response.statusCode === 200) {
          resolve(response);
          return;
        }
        reject(new Error(`it answered ${response.statusCode}`));
        response.destroy();
      },
    );
    call.setTimeout(silenceMs, () => {
      call.destroy(new Error(`it said nothing for ${silenceMs} ms`));
    });
    call.once("error", reject);
    // Behind the answer an error ends the reading of it; here it must only have a listener.
    call.on("error", () => {});
    call.end();
  });
}

async function within<T>(ms: number, promise: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    const error = new Error(`the option "headers" gave none within ${ms} ms`);
    timer = setTimeout(() => reject(error), ms);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

function pause(
  ms: number,
  signal: AbortSignal,
  onHurry: (listener: () => void) => void,
): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      onHurry(() => {});
      resolve();
    };
    const timer = setTimeout(done, ms);
    timer.unref();
    signal.addEventListener("abort", done, { once: true });
    onHurry(done);
  });
}
