/**
 * The HTTP client for exactly the calls that Leasehold makes.
 *
 * Guarantees: every request ends at its deadline, counted from the call and including token and
 * connection; nothing is thrown for what the network or the server does.
 */
import { once } from "node:events";
import { readAnswer, wordsOfError } from "./answer.ts";
import { createTransport } from "./transport.ts";
import { openWatch } from "./watch-stream.ts";
import type { IncomingMessage } from "node:http";
import type { ClusterAccess } from "./access.ts";
import type { ApiAnswer } from "./answer.ts";
import type { Transport } from "./transport.ts";
import type { WatchCall, WatchListener } from "./watch-stream.ts";

/**
 * Shared by what a member does all the time and what its promotion needs, so that the latter finds
 * a warm connection.
 */
export const MAIN_LANE = "main";

export interface ApiCall {
  readonly method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  readonly path: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly body?: unknown;
  /** Default `application/json`. */
  readonly contentType?: string;
  readonly deadlineMs: number;
  /** Requests on one lane share its idle connections. Default `MAIN_LANE`. */
  readonly lane?: string;
}

export interface ApiClient {
  readonly namespace: string;
  request(call: ApiCall): Promise<ApiAnswer>;
  /** Returns the function that ends it; the listener is then not called any more. */
  watch(call: WatchCall, listener: WatchListener): () => void;
  /** Ends all requests and watches. */
  close(): void;
}

export function createApiClient(access: ClusterAccess): ApiClient {
  const transport = createTransport(access);
  return {
    namespace: access.namespace,
    request: (call) => request(transport, call),
    watch: (call, listener) => openWatch(transport, call, listener),
    close: () => transport.close(),
  };
}

async function request(transport: Transport, call: ApiCall): Promise<ApiAnswer> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const abort = new AbortController();
  const deadline = setTimeout(() => {
    reject(new Error(`no answer within ${call.deadlineMs} ms`));
    abort.abort();
  }, call.deadlineMs);
  try {
    return await Promise.race([late, exchange(transport, call, abort.signal)]);
  } catch (error) {
    return { kind: "failed", message: wordsOfError(error) };
  } finally {
    clearTimeout(deadline);
  }
}

async function exchange(
  transport: Transport,
  call: ApiCall,
  signal: AbortSignal,
): Promise<ApiAnswer> {
  const body = call.body === undefined ? null : bodyOf(call);
  const { method, path, query = {}, lane = MAIN_LANE } = call;
  const sent = await transport.prepare({ method, path, query, lane, body }, signal);
  sent.end(body?.text);
  const [response] = (await once(sent, "response")) as [IncomingMessage];
  transport.answered(response);
  return readAnswer(response);
}

function bodyOf(call: ApiCall): { readonly text: string; readonly contentType: string } {
  return { text: JSON.stringify(call.body), contentType: call.contentType ?? "application/json" };
}
