/**
 * The HTTPS side of the fake: body, identity, faults, authorisation, then the registry or a
 * watch; every answer as the real server words it.
 */
import { setTimeout as delay } from "node:timers/promises";
import { ApiError, badRequest, failure } from "./api-error.ts";
import { allows, forbiddenMessage } from "./authorization.ts";
import { isRecord } from "./object.ts";
import { jsonOf, keyOf, pathOf } from "./object-store.ts";
import { proxyToPod } from "./pod-proxy.ts";
import { parseRequest } from "./request.ts";
import { apiVersionOf } from "./resource.ts";
import { selectorOf } from "./selectors.ts";
import { openWatch } from "./watch.ts";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { StatusBody } from "./api-error.ts";
import type { Identity } from "./authorization.ts";
import type { FaultBoard, FaultPlan } from "./faults.ts";
import type { KubernetesObject } from "./object.ts";
import type { ObjectStore } from "./object-store.ts";
import type { Registry, Written } from "./registry.ts";
import type { ParsedRequest } from "./request.ts";
import type { OpenWatch } from "./watch.ts";

const JSON_TYPE = "application/json";
const MAX_BODY_BYTES = 3 * 1024 * 1024;
const VERSION = { major: "1", minor: "36", gitVersion: "v1.36.3-fake", platform: "linux/amd64" };
const HEALTH_PATHS = ["/readyz", "/livez", "/healthz"];

export interface ServerContext {
  readonly store: ObjectStore;
  readonly registry: Registry;
  readonly board: FaultBoard;
  readonly identities: ReadonlyMap<string, Identity>;
  readonly watches: Set<OpenWatch>;
  readonly bookmarkIntervalMs: number;
  /** Ends all waiting when the server closes. */
  readonly closing: AbortSignal;
}

interface Answer {
  readonly code: number;
  readonly json: string;
  readonly retryAfterSeconds: number | null;
}

interface Arrived {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly url: URL;
  /** Null: longer than the server reads. */
  readonly body: string | null;
  readonly identity: Identity | null;
  readonly parsed: ParsedRequest | null;
}

export interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
}

/** Told who asks before anything is done; `parsed` is null for `/version` and its like. */
export type Arrival = (identity: string, parsed: ParsedRequest | null) => void;

/** Never rejects: what goes wrong becomes an answer, or the end of the connection. */
export async function serve(
  context: ServerContext,
  { request, response }: Exchange,
  arrived: Arrival,
): Promise<void> {
  try {
    const body = await readBody(request);
    const url = new URL(request.url ?? "/", "https://fake");
    const token = /^Bearer (.+)$/.exec(request.headers.authorization ?? "")?.[1];
    const identity = context.identities.get(token ?? "") ?? null;
    const parsed = parseRequest(request.method ?? "GET", url);
    if (identity) arrived(identity.name, parsed);
    await carryOut(context, { request, response, url, body, identity, parsed });
  } catch {
    // The client went away while sending, or the server is closing.
    response.destroy();
  }
}

async function carryOut(context: ServerContext, arrived: Arrived): Promise<void> {
  const { response, identity, parsed } = arrived;
  const subject = { identity: identity?.name ?? "", access: parsed?.access ?? null };
  const plan = context.board.planRequest(subject);
  const options = { signal: context.closing };
  if (plan.requestDelayMs > 0) await delay(plan.requestDelayMs, undefined, options);
  if (plan.request === "lose") return;
  if (plan.request === "cut") {
    response.destroy();
    return;
  }
  const answer = refusalOf(plan) ?? answerTo(context, arrived);
  if (answer === null) return;
  if (plan.answerDelayMs > 0) await delay(plan.answerDelayMs, undefined, options);
  if (plan.answer === "lose") return;
  if (plan.answer === "cut") response.destroy();
  else send(response, answer);
}

/** Null: a watch or a pod answers by itself. */
function answerTo(context: ServerContext, arrived: Arrived): Answer | null {
  try {
    return dispatch(context, arrived);
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    return statusAnswer(error.status, error.retryAfterSeconds);
  }
}

function dispatch(context: ServerContext, arrived: Arrived): Answer | null {
  const { response, url, identity, parsed } = arrived;
  if (HEALTH_PATHS.includes(url.pathname)) return jsonAnswer(200, `"ok"`);
  if (!identity) throw new ApiError(failure(401, "Unauthorized"));
  if (url.pathname === "/version") return jsonAnswer(200, JSON.stringify(VERSION));
  if (!parsed) throw new ApiError(unknownRequest(url));
  const { access } = parsed;
  if (identity.role && !allows(identity.role, access)) {
    throw new ApiError(failure(403, forbiddenMessage(identity.name, access)));
  }
  if (parsed.proxy) {
    proxyToPod(context.registry, parsed, { response, signal: context.closing });
    return null;
  }
  if (access.verb !== "watch") return operate(context, arrived, parsed);
  const board = context.board;
  const watch = openWatch(
    watchRequestOf(parsed, context.bookmarkIntervalMs),
    { store: context.store, board, subject: { identity: identity.name, access } },
    response,
  );
  context.watches.add(watch);
  response.on("close", () => context.watches.delete(watch));
  return null;
}

/** A path that a GET knows takes another method. */
function unknownRequest(url: URL): StatusBody {
  return parseRequest("GET", url) === null
    ? failure(404, "the server could not find the requested resource")
    : failure(405, "the server does not allow this method on the requested resource");
}

function operate(context: ServerContext, arrived: Arrived, parsed: ParsedRequest): Answer {
  const { registry } = context;
  const { body } = arrived;
  const contentType = (arrived.request.headers["content-type"] ?? "").split(";")[0] ?? "";
  if (body === null) {
    throw new ApiError(failure(413, `Request entity too large: limit is ${MAX_BODY_BYTES}`));
  }
  const { resource, verb, name, namespace } = parsed.access;
  const target = { resource, key: { namespace, name: name ?? "" } };
  switch (verb) {
    case "get":
      return jsonAnswer(200, jsonOf(registry.get(target)));
    case "create":
      return writtenAnswer(registry.create(target, decodeObject(body, contentType)));
    case "update":
      return writtenAnswer(
        registry.replace(target, decodeObject(body, contentType), isDryRun(parsed)),
      );
    case "patch":
      return writtenAnswer(registry.patch(target, { patch: decodeBody(body), contentType }));
    case "delete": {
      const options = body === "" ? {} : decodeBody(body);
      return jsonAnswer(200, JSON.stringify(registry.remove(target, options)));
    }
    case "list":
    case "watch":
      return jsonAnswer(200, listJson(context.store, parsed));
  }
}

function isDryRun({ query }: ParsedRequest): boolean {
  const asked = query.get("dryRun");
  if (asked === null || asked === "All") return asked === "All";
  throw badRequest(`dryRun: Unsupported value: ${JSON.stringify(asked)}`);
}

function listJson(store: ObjectStore, { access, namespace, query }: ParsedRequest): string {
  const { resource } = access;
  const matches = selectorOf(query.get("fieldSelector"), query.get("labelSelector"));
  if (!/^\d*$/.test(query.get("resourceVersion") ?? "")) {
    throw badRequest("invalid resource version: it is no number");
  }
  const inside = ({ metadata }: KubernetesObject): boolean =>
    namespace === null || metadata.namespace === namespace;
  const items = [...store.list(resource)]
    .filter((object) => inside(object) && matches(object))
    .toSorted((a, b) => compareText(pathOf(keyOf(a)), pathOf(keyOf(b))))
    .map(({ apiVersion: _version, kind: _kind, ...item }) => JSON.stringify(item));
  const head = JSON.stringify({
    kind: `${resource.kind}List`,
    apiVersion: apiVersionOf(resource),
    metadata: { resourceVersion: String(store.version()) },
  });
  return `${head.slice(0, -1)},"items":[${items.join(",")}]}`;
}

/** By bytes, as etcd sorts. */
function compareText(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

function watchRequestOf(
  parsed: ParsedRequest,
  bookmarkIntervalMs: number,
): Parameters<typeof openWatch>[0] {
  const { access, namespace, query } = parsed;
  const version = query.get("resourceVersion") ?? "";
  if (!/^\d*$/.test(version)) {
    throw new ApiError(failure(500, `resourceVersion "${version}" is not a version`));
  }
  if (query.get("sendInitialEvents")) {
    throw new ApiError(failure(422, "sendInitialEvents is not part of the fake API"));
  }
  const timeoutSeconds = Number(query.get("timeoutSeconds") ?? 0);
  if (!Number.isInteger(timeoutSeconds)) throw badRequest("timeoutSeconds is no whole number");
  return {
    resource: access.resource,
    namespace,
    matches: selectorOf(query.get("fieldSelector"), query.get("labelSelector")),
    fromVersion: version ? Number(version) : null,
    bookmarks: query.get("allowWatchBookmarks") === "true",
    timeoutMs: (timeoutSeconds > 0 ? timeoutSeconds : 1800) * 1000,
    bookmarkIntervalMs,
  };
}

function refusalOf(plan: FaultPlan): Answer | null {
  if (!plan.refusal) return null;
  const { code, retryAfterSeconds = null, text } = plan.refusal;
  if (text !== undefined) return { code, json: text, retryAfterSeconds };
  return statusAnswer(failure(code, `injected by a test: ${code}`), retryAfterSeconds);
}

function writtenAnswer({ code, object }: Written): Answer {
  return jsonAnswer(code, jsonOf(object));
}

function jsonAnswer(code: number, json: string): Answer {
  return { code, json, retryAfterSeconds: null };
}

function statusAnswer(status: StatusBody, retryAfterSeconds: number | null): Answer {
  return { code: status.code, json: JSON.stringify(status), retryAfterSeconds };
}

function send(response: ServerResponse, answer: Answer): void {
  if (response.destroyed) return;
  const { retryAfterSeconds } = answer;
  if (retryAfterSeconds !== null) response.setHeader("retry-after", retryAfterSeconds);
  response.writeHead(answer.code, { "content-type": "application/json" });
  response.end(answer.json);
}

function decodeObject(body: string, contentType: string): unknown {
  if (contentType === "" || contentType === JSON_TYPE) return decodeBody(body);
  const message =
    "the body of the request was in an unknown format - accepted media types include:";
  throw new ApiError(failure(415, `${message} ${JSON_TYPE}`));
}

function decodeBody(body: string): unknown {
  try {
    const value: unknown = JSON.parse(body);
    if (isRecord(value) || Array.isArray(value)) return value;
  } catch {
    // Said below.
  }
  throw badRequest("the object provided is unrecognized (must be JSON)");
}

/** Reads all of it, so that the client is there to be told that it was too much. */
async function readBody(request: IncomingMessage): Promise<string | null> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes <= MAX_BODY_BYTES) chunks.push(chunk);
  }
  if (bytes > MAX_BODY_BYTES) return null;
  return Buffer.concat(chunks).toString("utf8");
}
