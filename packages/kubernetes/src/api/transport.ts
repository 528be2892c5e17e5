/**
 * Connections to the API server: HTTPS/1.1 by node:https, one agent per lane.
 *
 * Guarantees: nothing is sent twice, and no request waits for another: a lane keeps two idle
 * connections and opens more when it is in use. A destroyed request takes its connection with it.
 * Why not @kubernetes/client-node or undici: docs/adr/0002-kubernetes-client.md.
 */
import { Agent, request as httpsRequest } from "node:https";
import type { ClientRequest, IncomingMessage } from "node:http";
import type { ClusterAccess } from "./access.ts";

export interface Outgoing {
  readonly method: string;
  readonly path: string;
  readonly query: Readonly<Record<string, string>>;
  /** Null: no body. */
  readonly body: { readonly text: string; readonly contentType: string } | null;
  readonly lane: string;
}

export interface Transport {
  /**
   * A request that is to be ended by the caller; `signal` destroys it. Rejects without a token.
   */
  prepare(outgoing: Outgoing, signal: AbortSignal): Promise<ClientRequest>;
  /** To be told of every answer, so that a refused token is read again. */
  answered(response: IncomingMessage): void;
  /** Cuts all connections. */
  close(): void;
}

/** An idle connection is not trusted for longer: middleboxes forget it without a word. */
const IDLE_CONNECTION_MS = 30_000;
const USER_AGENT = "leasehold";

export function createTransport(access: ClusterAccess): Transport {
  const agents = new Map<string, Agent>();
  const identity = {
    ...(access.ca === null ? {} : { ca: access.ca }),
    ...(access.clientCertificate === null
      ? {}
      : { cert: access.clientCertificate.certPem, key: access.clientCertificate.keyPem }),
  };

  function agentOf(lane: string): Agent {
    const known = agents.get(lane);
    if (known) return known;
    const agent = new Agent({
      ...identity,
      keepAlive: true,
      keepAliveMsecs: 1000,
      maxFreeSockets: 2,
      timeout: IDLE_CONNECTION_MS,
    });
    agents.set(lane, agent);
    return agent;
  }

  return {
    async prepare({ method, path, query, body, lane }, signal) {
      const url = new URL(access.server + path);
      for (const [key, value] of Object.entries(query)) url.searchParams.set(key, value);
      const token = await access.token?.current();
      const headers: Record<string, string | number> = {
        accept: "application/json",
        "user-agent": USER_AGENT,
      };
      if (token !== undefined) headers["authorization"] = `Bearer ${token}`;
      if (body) {
        headers["content-type"] = body.contentType;
        headers["content-length"] = Buffer.byteLength(body.text);
      }
      const request = httpsRequest(url, { method, agent: agentOf(lane), headers, signal });
      // Who waits has a listener of its own; this one is for errors after that.
      request.on("error", () => {});
      return request;
    },
    answered(response) {
      if (response.statusCode === 401) access.token?.refused();
    },
    close() {
      for (const agent of agents.values()) agent.destroy();
      agents.clear();
    },
  };
}
