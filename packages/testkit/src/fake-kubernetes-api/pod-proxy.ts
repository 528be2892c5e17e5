/**
 * `GET pods/<name>:<port>/proxy/<path>`: the API server asks the pod and hands on what it says.
 * A pod that cannot be reached is a 503 in the real server's words. Only GET, no upgrades.
 */
import { get } from "node:http";
import type { ServerResponse } from "node:http";
import { ApiError, badRequest, failure } from "./api-error.ts";
import { isRecord } from "./object.ts";
import type { Registry } from "./registry.ts";
import type { ParsedRequest } from "./request.ts";

const TIMEOUT_MS = 30_000;

export interface PodProxyExchange {
  readonly response: ServerResponse;
  /** The server closes. */
  readonly signal: AbortSignal;
}

/** Throws what the API server itself refuses. */
export function proxyToPod(
  registry: Registry,
  { access, proxy }: ParsedRequest,
  { response, signal }: PodProxyExchange,
): void {
  if (!proxy) throw badRequest("no proxy was asked for");
  const { resource, namespace } = access;
  const pod = registry.get({ resource, key: { namespace, name: proxy.pod } });
  const status = isRecord(pod["status"]) ? pod["status"] : {};
  const host = status["podIP"];
  if (typeof host !== "string" || host === "") throw badRequest("address not allowed");
  const request = get({ host, port: proxy.port, path: `/${proxy.path}`, signal, agent: false });
  request.setTimeout(TIMEOUT_MS, () => request.destroy(new Error("i/o timeout")));
  request.once("response", (answer) => {
    const { "content-type": contentType = "application/octet-stream" } = answer.headers;
    response.writeHead(answer.statusCode ?? 502, { "content-type": contentType });
    answer.pipe(response);
  });
  request.once("error", (error) => {
    if (response.headersSent) return void response.destroy();
    const unreachable = new ApiError(
      failure(503, `error trying to reach service: ${error.message}`),
    );
    response.writeHead(503, { "content-type": "application/json" });
    response.end(JSON.stringify(unreachable.status));
  });
  response.once("close", () => request.destroy());
}
