/**
 * The public port: GET and HEAD only, no secret, no change of state.
 *
 * Guarantees: an answer takes no question to Redis or the API, so it comes even when both are
 * silent (the other members are asked, for a quarter of a second at most); connections and header
 * times are bounded. Paths: `ROUTES` below.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { MemberReport, MemberStatus } from "@leasehold/replication";
import type { GroupReports } from "./group-reports.ts";
import { topologyOf, type Topology } from "./topology.ts";
import type { TopologyStream } from "./topology-stream.ts";

export interface PublicView {
  readonly group: string;
  readonly namespace: string;
  status(): MemberStatus;
  report(): MemberReport;
  readonly reports: GroupReports;
  /** The decision loop has turned within its time. */
  isLive(): boolean;
  metrics(): Promise<{ readonly contentType: string; readonly text: string }>;
  readonly stream: TopologyStream;
}

interface Answer {
  readonly status: number;
  readonly contentType?: string;
  readonly body: string;
}

type Route = (view: PublicView, query: URLSearchParams) => Answer | Promise<Answer>;

const ROUTES: Readonly<Record<string, Route>> = {
  "/v1/topology": async (view) => {
    await view.reports.refresh();
    return json(200, currentTopology(view));
  },
  "/v1/member": (view) => json(200, { report: view.report(), status: view.status() }),
  "/v1/primary": (view) => judge(view.status().writable, "this member takes writes"),
  "/v1/replica": async (view, query) => {
    await view.reports.refresh();
    return judgeReplica(view, query.get("maxLagBytes"));
  },
  "/probe/started": () => judge(true, "the configuration is rendered"),
  "/probe/live": (view) => judge(view.isLive(), "the decision loop turns"),
  "/probe/ready": (view) => judge(view.status().ready, "this member may be read"),
  "/probe/redis-started": (view) => judge(view.report().redis !== "down", "Redis is up or loads"),
  "/metrics": async (view) => {
    await view.reports.refresh();
    const { contentType, text } = await view.metrics();
    return { status: 200, contentType, body: text };
  },
};

const STREAM_PATH = "/v1/topology/stream";
/** Node looks for connections that are out of time each half minute; probes come each 2 s. */
const CHECK_MS = 500;

export type TopologySource = Pick<
  PublicView,
  "group" | "namespace" | "status" | "report" | "reports"
>;

export function currentTopology(source: TopologySource): Topology {
  return topologyOf({
    group: source.group,
    namespace: source.namespace,
    status: source.status(),
    self: source.report(),
    others: source.reports.current(),
    ageMs: (member) => source.reports.ageMs(member),
  });
}

export function createPublicServer(view: PublicView): Server {
  const server = createServer(
    {
      keepAliveTimeout: 30_000,
      headersTimeout: 5_000,
      requestTimeout: 10_000,
      connectionsCheckingInterval: CHECK_MS,
    },
    (request, response) => {
      // Whatever breaks here breaks one answer, not the process.
      serve(view, request, response).catch(() => response.destroy());
    },
  );
  server.maxConnections = 512;
  return server;
}

async function serve(
  view: PublicView,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const url = new URL(request.url ?? "/", "http://sidecar");
  if (url.pathname === STREAM_PATH && request.method === "GET") {
    const lastEventId = request.headers["last-event-id"];
    const added = view.stream.add(
      response,
      typeof lastEventId === "string" ? lastEventId : undefined,
    );
    if (added) return;
  }
  const answer = await answerTo(view, request.method ?? "", url);
  response.writeHead(answer.status, {
    "content-type": answer.contentType ?? "application/json",
    "content-length": Buffer.byteLength(answer.body),
    "cache-control": "no-store",
  });
  response.end(request.method === "HEAD" ? undefined : answer.body);
}

async function answerTo(view: PublicView, method: string, url: URL): Promise<Answer> {
  if (method !== "GET" && method !== "HEAD") {
    return json(405, { error: "this port only tells; requests go into the control ConfigMap" });
  }
  if (url.pathname === STREAM_PATH) return json(503, { error: "too many readers: ask again" });
  const route = Object.hasOwn(ROUTES, url.pathname) ? ROUTES[url.pathname] : undefined;
  if (!route) {
    return json(404, { error: "no such path", paths: [STREAM_PATH, ...Object.keys(ROUTES)] });
  }
  try {
    return await route(view, url.searchParams);
  } catch (error) {
    return json(500, { error: String(error) });
  }
}

function judgeReplica(view: PublicView, maxLagBytes: string | null): Answer {
  const status = view.status();
  const isReplica = status.redis?.role === "replica" && status.inSync;
  if (!isReplica || maxLagBytes === null) return judge(isReplica, "this replica is in sync");
  const bound = Number(maxLagBytes);
  if (!Number.isSafeInteger(bound) || bound < 0) {
    return json(400, { error: `maxLagBytes (${maxLagBytes}) must be a whole number` });
  }
  const self = view.report().member;
  const lagBytes = currentTopology(view).nodes.find((node) => node.id === self)?.lagBytes ?? null;
  return judge(lagBytes !== null && lagBytes <= bound, `this replica lags ${bound} bytes at most`);
}

/** 200 or 503, as balancers and probes want it. */
function judge(holds: boolean, statement: string): Answer {
  return json(holds ? 200 : 503, { holds, statement });
}

function json(status: number, body: unknown): Answer {
  return { status, body: `${JSON.stringify(body)}\n` };
}
