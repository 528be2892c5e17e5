/** One kind of object in the namespace under test, with what one can do to it. */
import { randomBytes } from "node:crypto";
import type { Answer, RawClient } from "./raw-client.ts";

/** Every object that the tests make carries it, so that all of them can be removed. */
export const CONTRACT_LABEL = "leasehold-contract";

export const MERGE_PATCH = "application/merge-patch+json";
export const JSON_PATCH = "application/json-patch+json";

/** Something to be sent under its own name. */
export interface Named {
  readonly metadata: { readonly name: string };
}

export interface Collection {
  readonly client: RawClient;
  /** Of all objects of this kind. */
  readonly path: string;
  /** A name that no other test uses. */
  readonly name: () => string;
  readonly get: (name: string) => Promise<Answer>;
  readonly post: (body: object) => Promise<Answer>;
  readonly put: (body: Named) => Promise<Answer>;
  readonly dryRun: (body: Named) => Promise<Answer>;
  readonly patch: (name: string, body: object, contentType?: string) => Promise<Answer>;
  readonly remove: (name: string, options?: object) => Promise<Answer>;
}

export function createCollection(client: RawClient, path: string): Collection {
  const at = (name: string): string => `${path}/${name}`;
  return {
    client,
    path,
    name: () => `contract-${randomBytes(5).toString("hex")}`,
    get: (name) => client.call(at(name)),
    post: (body) => client.call(path, { method: "POST", body }),
    put: (body) => client.call(at(body.metadata.name), { method: "PUT", body }),
    dryRun: (body) => client.call(`${at(body.metadata.name)}?dryRun=All`, { method: "PUT", body }),
    patch: (name, body, contentType = MERGE_PATCH) =>
      client.call(at(name), { method: "PATCH", body, contentType }),
    remove: (name, body) => client.call(at(name), { method: "DELETE", body }),
  };
}

/** Without one of its fields, as a careless client would send it. */
export function without<T extends object, K extends keyof T>(object: T, field: K): Omit<T, K> {
  const { [field]: _field, ...rest } = object;
  return rest;
}
