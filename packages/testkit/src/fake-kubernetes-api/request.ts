/** Reads what a request asks for out of its method and URL. Decides nothing. */
import { resourceByPath } from "./resources.ts";
import type { Access, Verb } from "./authorization.ts";
import { selectedName } from "./selectors.ts";

export interface ParsedRequest {
  readonly access: Access;
  /** Null: all namespaces. */
  readonly namespace: string | null;
  readonly query: URLSearchParams;
  /** Where a GET of `pods/<name>:<port>/proxy/<path>` is to go; null for everything else. */
  readonly proxy: { readonly pod: string; readonly port: number; readonly path: string } | null;
}

const VERBS: Readonly<Record<string, Verb>> = {
  PUT: "update",
  PATCH: "patch",
  DELETE: "delete",
};

/** Null: no such resource, or a method or subresource that the fake does not have. */
export function parseRequest(method: string, url: URL): ParsedRequest | null {
  const segments = url.pathname.split("/").filter(Boolean).map(decodeURIComponent);
  const group = segments[0] === "apis" ? segments[1] : segments[0] === "api" ? "" : null;
  if (group === null || group === undefined) return null;
  const [version, ...rest] = segments.slice(group === "" ? 1 : 2);
  const namespace = rest[0] === "namespaces" ? (rest[1] ?? null) : null;
  const [plural, name = null, subresource, ...path] = namespace === null ? rest : rest.slice(2);
  const resource = resourceByPath(group, version ?? "", plural ?? "");
  const query = url.searchParams;
  const verb = verbOf(method, name, query);
  if (!resource || !verb) return null;
  const shared = { namespace, query };
  if (subresource === "proxy" && plural === "pods" && verb === "get" && name !== null) {
    const access = { verb, resource, namespace: namespace ?? "", name, subresource };
    const [pod = "", port] = name.split(":");
    return { ...shared, access, proxy: { pod, port: Number(port ?? 80), path: path.join("/") } };
  }
  if (subresource !== undefined) return null;
  const selected =
    verb === "list" || verb === "watch" ? selectedName(query.get("fieldSelector")) : null;
  const access = { verb, resource, namespace: namespace ?? "", name: name ?? selected };
  return { ...shared, access, proxy: null };
}

function verbOf(method: string, name: string | null, query: URLSearchParams): Verb | null {
  if (method === "POST") return name === null ? "create" : null;
  if (method !== "GET") return name === null ? null : (VERBS[method] ?? null);
  if (name !== null) return "get";
  return ["1", "true"].includes(query.get("watch") ?? "") ? "watch" : "list";
}
