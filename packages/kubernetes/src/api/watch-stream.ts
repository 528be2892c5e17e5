/**
 * One watch: a request whose answer goes on, one JSON event per line.
 *
 * Guarantees: `ended` is called once and last, whatever ends it: the server, the network, an
 * event that cannot be read, or silence. Reopens nothing; that is watch-loop.ts.
 */
import { MAX_ANSWER_BYTES, readAnswer, wordsOfAnswer, wordsOfError } from "./answer.ts";
import type { ClientRequest, IncomingMessage } from "node:http";
import type { Transport } from "./transport.ts";

export interface WatchCall {
  readonly path: string;
  readonly query: Readonly<Record<string, string>>;
  /** Ends it after that long without a byte. */
  readonly silenceMs: number;
}

export interface WatchEvent {
  readonly type: string;
  readonly object: unknown;
}

export interface WatchListener {
  /** The server accepted the watch. */
  opened(): void;
  event(event: WatchEvent): void;
  ended(end: WatchEnd): void;
}

export interface WatchEnd {
  /** How the server refused it; null: it was open, or nothing was answered. */
  readonly status: number | null;
  readonly retryAfterMs: number | null;
  readonly message: string;
}

/** Until the server must have accepted a watch. */
const OPEN_DEADLINE_MS = 10_000;

export function openWatch(
  transport: Transport,
  call: WatchCall,
  listener: WatchListener,
): () => void {
  let over = false;
  const abort = new AbortController();
  let timer = setTimeout(fallSilent, Math.min(call.silenceMs, OPEN_DEADLINE_MS));

  function finish(end: Partial<WatchEnd> | null): void {
    if (over) return;
    over = true;
    clearTimeout(timer);
    abort.abort();
    if (end) listener.ended({ status: null, retryAfterMs: null, message: "", ...end });
  }
  const broke = (error: unknown): void => finish({ message: wordsOfError(error) });

  function fallSilent(): void {
    finish({ message: "the watch fell silent" });
  }

  function heard(): void {
    clearTimeout(timer);
    timer = setTimeout(fallSilent, call.silenceMs);
  }

  function stream(response: IncomingMessage): void {
    const read = createLineReader((line) => {
      const event = parseEvent(line);
      if (!over) listener.event(event);
    });
    heard();
    listener.opened();
    response.setEncoding("utf8");
    response.on("data", (chunk: string) => {
      if (over) return;
      heard();
      const problem = read(chunk);
      if (problem) finish({ message: problem });
    });
    response.on("error", broke);
    response.on("end", () => finish({ message: "the server ended the watch" }));
    response.on("close", () => finish({ message: "the connection was closed" }));
  }

  async function refused(response: IncomingMessage): Promise<void> {
    const answer = await readAnswer(response);
    const retryAfterMs = answer.kind === "answered" ? answer.retryAfterMs : null;
    finish({ status: response.statusCode ?? null, retryAfterMs, message: wordsOfAnswer(answer) });
  }

  function start(request: ClientRequest): void {
    request.on("error", broke);
    request.on("response", (response) => {
      transport.answered(response);
      if (response.statusCode === 200) stream(response);
      else refused(response).catch(broke);
    });
    request.end();
  }

  const { path, query } = call;
  const outgoing = { method: "GET", path, query, body: null, lane: "watch" };
  transport.prepare(outgoing, abort.signal).then(start, broke);
  return () => finish(null);
}

/** Hands on whole lines; returns what is wrong with them, or null. */
function createLineReader(line: (text: string) => void): (chunk: string) => string | null {
  let rest = "";
  return (chunk) => {
    const parts = (rest + chunk).split("\n");
    rest = parts.pop() ?? "";
    if (rest.length > MAX_ANSWER_BYTES) return "a watch event is too long";
    for (const part of parts) {
      if (part !== "") line(part);
    }
    return null;
  };
}

/** A line that is no event is an event of its own, so that the reader above starts anew. */
function parseEvent(line: string): WatchEvent {
  try {
    const event = JSON.parse(line) as WatchEvent;
    if (typeof event.type === "string") return event;
  } catch {
    // Said below.
  }
  return { type: "ERROR", object: { message: `unreadable watch event: ${line.slice(0, 100)}` } };
}
