/**
 * JSON merge patch (RFC 7386) and the JSON patch operations that people use by hand (RFC 6902:
 * add, remove, replace, test), which in the real server replaces what is missing and finds null
 * there. Strategic merge and server-side apply are answered with 415: no
 * client of ours sends them.
 */
import { ApiError, badRequest, failure } from "./api-error.ts";
import { deepEqual, isRecord } from "./object.ts";

export const MERGE_PATCH = "application/merge-patch+json";
export const JSON_PATCH = "application/json-patch+json";

/** Returns a new value; throws 400, 415 or 422 as the API server does. */
export function applyPatch(target: unknown, patch: unknown, contentType: string): unknown {
  if (contentType === MERGE_PATCH) return mergePatch(target, patch);
  if (contentType === JSON_PATCH) return jsonPatch(target, patch);
  const message =
    `the body of the request was in an unknown format - accepted media types include: ` +
    `${JSON_PATCH}, ${MERGE_PATCH}`;
  throw new ApiError(failure(415, message));
}

function mergePatch(target: unknown, patch: unknown): unknown {
  if (!isRecord(patch)) return patch;
  const merged = new Map(Object.entries(isRecord(target) ? target : {}));
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) merged.delete(key);
    else merged.set(key, mergePatch(merged.get(key), value));
  }
  return Object.fromEntries(merged);
}

function jsonPatch(target: unknown, patch: unknown): unknown {
  if (!Array.isArray(patch)) throw badRequest("a JSON patch is a list of operations");
  const document = structuredClone(target);
  for (const operation of patch as unknown[]) {
    if (!isRecord(operation) || typeof operation["path"] !== "string") {
      throw unprocessable("an operation needs `op` and `path`");
    }
    applyOperation(document, operation, operation["path"]);
  }
  return document;
}

function applyOperation(document: unknown, operation: Record<string, unknown>, path: string): void {
  const keys = path
    .split("/")
    .slice(1)
    .map((key) => key.replaceAll("~1", "/").replaceAll("~0", "~"));
  const last = keys.pop();
  const parent = keys.reduce<unknown>(childOf, document);
  if (last === undefined || typeof parent !== "object" || parent === null) {
    throw unprocessable(`the path ${path} does not exist`);
  }
  const exists = childOf(parent, last) !== undefined;
  if (operation["op"] === "remove" && !exists) {
    throw unprocessable(`the path ${path} does not exist`);
  }
  switch (operation["op"]) {
    case "test":
      if (deepEqual(childOf(parent, last) ?? null, operation["value"] ?? null)) return;
      throw unprocessable(`testing value ${path} failed`);
    case "replace":
      Reflect.set(parent, last, operation["value"]);
      return;
    case "remove":
      if (Array.isArray(parent)) parent.splice(Number(last), 1);
      else Reflect.deleteProperty(parent, last);
      return;
    case "add":
      if (!Array.isArray(parent)) Reflect.set(parent, last, operation["value"]);
      else parent.splice(last === "-" ? parent.length : Number(last), 0, operation["value"]);
      return;
    default:
      throw unprocessable(`unknown operation ${JSON.stringify(operation["op"])}`);
  }
}

function childOf(parent: unknown, key: string): unknown {
  if (Array.isArray(parent)) return parent[Number(key)] as unknown;
  return isRecord(parent) && Object.hasOwn(parent, key) ? parent[key] : undefined;
}

function unprocessable(why: string): ApiError {
  return new ApiError(
    failure(422, `the server rejected our request due to an error in our request: ${why}`),
  );
}
