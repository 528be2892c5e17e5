/**
 * Create, replace, patch and delete as kube-apiserver 1.36 does them: compare-and-swap by
 * resourceVersion, uid as a precondition, updates that change nothing leave the version alone.
 *
 * Each rule that surprises has its measurement in docs/protocol.md, section 2: a PUT of a Lease
 * that does not exist creates it, unless it carries a uid. Not here: finalizers, garbage
 * collection by owner references, field managers, status subresources, quota, whether a
 * namespace exists, and defaults of kinds that no client of ours writes. Of dry runs only a PUT's.
 */
import { randomBytes, randomUUID } from "node:crypto";
import {
  ApiError,
  MODIFIED,
  alreadyExists,
  badRequest,
  conflict,
  failure,
  groupOf,
  invalid,
  notFound,
} from "./api-error.ts";
import { deepEqual, isRecord, withoutNulls } from "./object.ts";
import { applyPatch } from "./patch.ts";
import { apiVersionOf } from "./resource.ts";
import { storedMeta } from "./stored-form.ts";
import { checkTypes, loopbackErrors, validateMeta } from "./validation.ts";
import type { SuccessBody } from "./api-error.ts";
import type { KubernetesObject, ObjectKey, ObjectMeta } from "./object.ts";
import type { ObjectStore } from "./object-store.ts";
import type { Resource } from "./resource.ts";

export interface Written {
  readonly code: 200 | 201;
  readonly object: KubernetesObject;
}

export interface PatchBody {
  readonly patch: unknown;
  readonly contentType: string;
}

export interface RegistryOptions {
  readonly store: ObjectStore;
  /** Take 127.x in slices; the real server refuses it. */
  readonly allowLoopbackEndpoints: boolean;
}

/** One name in one collection, as a URL names it. */
export interface Target {
  readonly resource: Resource;
  readonly key: ObjectKey;
}

/** Every method throws `ApiError` for a refusal. */
export interface Registry {
  get(target: Target): KubernetesObject;
  /** `target.key.name` does not count: the name is in the body. */
  create(target: Target, body: unknown): Written;
  replace(target: Target, body: unknown, isDryRun: boolean): Written;
  patch(target: Target, body: PatchBody): Written;
  /** Answers with a `Status`, or with the object if it only began to end. */
  remove(target: Target, options: unknown): KubernetesObject | SuccessBody;
}

export function createRegistry(options: RegistryOptions): Registry {
  const { store } = options;
  return {
    get: (target) => existing(store, target),
    create: (target, body) => create(options, target, body),
    replace: (target, body, isDryRun) =>
      replace(isDryRun ? { ...options, store: inDryRun(store) } : options, target, body),
    patch: (target, { patch, contentType }) => {
      const old = existing(store, target);
      return replace(options, target, patched(target, old, applyPatch(old, patch, contentType)));
    },
    remove: (target, deleteOptions) => remove(store, target, deleteOptions),
  };
}

/** Says what would be, and keeps what is: the version that a dry run shows is the old one's. */
function inDryRun(store: ObjectStore): ObjectStore {
  return { ...store, commit: (_resource, object) => object };
}

function existing(store: ObjectStore, { resource, key }: Target): KubernetesObject {
  const found = store.get(resource, key);
  if (!found) throw notFound(resource, key.name);
  return found;
}

/** Types and uid are the patch's fault, and no conflict. */
function patched({ resource, key }: Target, old: KubernetesObject, next: unknown): unknown {
  if (!isRecord(next) || !isRecord(next["metadata"])) return next;
  const { uid } = next["metadata"];
  if (uid !== undefined && uid !== old.metadata.uid) {
    const message = `Invalid value: ${JSON.stringify(uid)}: field is immutable`;
    throw invalid(resource, key.name, [{ field: "metadata.uid", message }]);
  }
  try {
    checkTypes({ ...old, ...withoutNulls(next) });
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    throw invalid(resource, key.name, [{ field: "patch", message: error.message }]);
  }
  return next;
}

function create(options: RegistryOptions, { resource, key }: Target, body: unknown): Written {
  const object = decode(resource, key.namespace, body);
  const { metadata } = object;
  if (metadata.resourceVersion) {
    throw new ApiError(failure(500, "resourceVersion should not be set on objects to be created"));
  }
  if (!metadata.name && metadata.generateName) {
    metadata.name = metadata.generateName + randomBytes(3).toString("hex").slice(0, 5);
  }
  const name = metadata.name ?? "";
  if (options.store.get(resource, { ...key, name })) throw alreadyExists(resource, name);
  return insert(options, resource, object);
}

function replace(options: RegistryOptions, { resource, key }: Target, body: unknown): Written {
  const object = decode(resource, key.namespace, body);
  const old = options.store.get(resource, key);
  const { name = "", uid } = object.metadata;
  const resourceVersion = versionOf(object.metadata);
  if (name !== key.name) {
    const names = `(${name}) does not match the name on the URL (${key.name})`;
    throw badRequest(`the name of the object ${names}`);
  }
  if (!old && !resource.createsOnUpdate) throw notFound(resource, key.name);
  if (uid && uid !== old?.metadata.uid) {
    const cause = preconditionFailed("UID", uid, old?.metadata.uid ?? "");
    throw conflict(resource, key.name, cause);
  }
  if (!old) return insert(options, resource, object);
  if (!resourceVersion && !resource.updatesUnconditionally) {
    const message = "Invalid value: 0: must be specified for an update";
    throw invalid(resource, key.name, [{ field: "metadata.resourceVersion", message }]);
  }
  if (resourceVersion && resourceVersion !== old.metadata.resourceVersion) {
    throw conflict(resource, key.name, MODIFIED);
  }
  const next = { ...object, metadata: updatedMeta(resource, object, old) };
  validate(options, { resource, old }, next);
  if (deepEqual(next, old)) return { code: 200, object: old };
  return { code: 200, object: options.store.commit(resource, next) };
}

/** Zero stands for none. */
function versionOf({ resourceVersion = "" }: ObjectMeta): string {
  if (/^\d*$/.test(resourceVersion)) return /^0*$/.test(resourceVersion) ? "" : resourceVersion;
  const parsing = `parsing ${JSON.stringify(resourceVersion)}: invalid syntax`;
  throw new ApiError(failure(500, `strconv.ParseUint: ${parsing}`));
}

function insert(options: RegistryOptions, resource: Resource, object: KubernetesObject): Written {
  const metadata: ObjectMeta = {
    ...object.metadata,
    uid: randomUUID(),
    creationTimestamp: secondsOf(new Date()),
    ...(resource.hasGeneration ? { generation: 1 } : {}),
  };
  const created = { ...object, metadata };
  validate(options, { resource, old: null }, created);
  return { code: 201, object: options.store.commit(resource, created) };
}

function remove(
  store: ObjectStore,
  target: Target,
  deleteOptions: unknown,
): KubernetesObject | SuccessBody {
  const { resource, key } = target;
  const old = existing(store, target);
  const options = isRecord(deleteOptions) ? deleteOptions : {};
  checkPreconditions(resource, old, options["preconditions"]);
  const graceSeconds = graceOf(resource, old, options["gracePeriodSeconds"]);
  if (graceSeconds === 0) {
    store.remove(resource, key);
    return resource.deletesGracefully ? old : deleted(resource, old);
  }
  if (old.metadata.deletionTimestamp) return old;
  const metadata = {
    ...old.metadata,
    deletionTimestamp: secondsOf(new Date(new Date().getTime() + graceSeconds * 1000)),
    deletionGracePeriodSeconds: graceSeconds,
  };
  return store.commit(resource, { ...old, metadata });
}

function validate(
  options: RegistryOptions,
  { resource, old }: { readonly resource: Resource; readonly old: KubernetesObject | null },
  object: KubernetesObject,
): void {
  const loopback = resource.plural === "endpointslices" && !options.allowLoopbackEndpoints;
  const errors = [
    ...validateMeta(object),
    ...resource.validate(object, old),
    ...(loopback ? loopbackErrors(object) : []),
  ];
  if (errors.length > 0) throw invalid(resource, object.metadata.name ?? "", errors);
}

/** What the endpoint would decode: kind and namespace filled in, nulls dropped, types checked. */
function decode(resource: Resource, namespace: string, body: unknown): KubernetesObject {
  if (!isRecord(body)) throw badRequest("the request body is not a JSON object");
  const fields = withoutNulls(body);
  const apiVersion = fields["apiVersion"] ?? apiVersionOf(resource);
  const kind = fields["kind"] ?? resource.kind;
  if (apiVersion !== apiVersionOf(resource) || kind !== resource.kind) {
    throw badRequest(
      `the API version in the data (${JSON.stringify(apiVersion)}, ${JSON.stringify(kind)}) does not match the ` +
        `expected API version (${apiVersionOf(resource)}, ${resource.kind})`,
    );
  }
  const metadata = { namespace, ...(isRecord(fields["metadata"]) ? fields["metadata"] : {}) };
  if (metadata.namespace !== namespace) {
    throw badRequest(
      "the namespace of the provided object does not match the namespace sent on the request",
    );
  }
  const object = { ...fields, apiVersion: apiVersionOf(resource), kind: resource.kind, metadata };
  checkTypes(object);
  return resource.stored(storedMeta(object));
}

/** The server's own fields come from the stored object, whatever the client sent. */
function updatedMeta(
  { hasGeneration, generationCountsLabels }: Resource,
  object: KubernetesObject,
  old: KubernetesObject,
): ObjectMeta {
  const { metadata } = old;
  const owned = [
    "uid",
    "resourceVersion",
    "creationTimestamp",
    "generation",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
  ] as const;
  const sent = Object.entries(object.metadata).filter(([key]) => !owned.some((own) => own === key));
  const kept = owned
    .filter((key) => metadata[key] !== undefined)
    .map((key) => [key, metadata[key]] as const);
  const next: ObjectMeta = Object.fromEntries<unknown>([...sent, ...kept]);
  const labelled = !deepEqual(object.metadata.labels ?? {}, metadata.labels ?? {});
  const changed =
    (generationCountsLabels && labelled) || !deepEqual(contentOf(object), contentOf(old));
  if (hasGeneration && changed) {
    next.generation = (metadata.generation ?? 1) + 1;
  }
  return next;
}

function contentOf(object: KubernetesObject): Record<string, unknown> {
  const { metadata: _metadata, status: _status, ...content } = object;
  return content;
}

function checkPreconditions(resource: Resource, old: KubernetesObject, wanted: unknown): void {
  if (!isRecord(wanted)) return;
  const { uid = "", resourceVersion = "", name = "" } = old.metadata;
  const checks = [
    { label: "UID", wanted: wanted["uid"], found: uid },
    { label: "ResourceVersion", wanted: wanted["resourceVersion"], found: resourceVersion },
  ];
  for (const check of checks) {
    if (check.wanted === undefined || check.wanted === check.found) continue;
    throw conflict(resource, name, preconditionFailed(check.label, check.wanted, check.found));
  }
}

function preconditionFailed(label: string, wanted: unknown, found: string): string {
  const asked = typeof wanted === "string" ? wanted : JSON.stringify(wanted);
  return (
    `Precondition failed: ${label} in precondition: ${asked}, ` +
    `${label} in object meta: ${found}`
  );
}

/** A pod that no node runs ends at once, as in the real server. */
function graceOf(resource: Resource, old: KubernetesObject, asked: unknown): number {
  const spec = isRecord(old["spec"]) ? old["spec"] : {};
  if (!resource.deletesGracefully || !spec["nodeName"]) return 0;
  if (typeof asked === "number") return asked;
  const own = spec["terminationGracePeriodSeconds"];
  return typeof own === "number" ? own : 30;
}

function deleted(resource: Resource, old: KubernetesObject): SuccessBody {
  const { name, uid } = old.metadata;
  return {
    kind: "Status",
    apiVersion: "v1",
    metadata: {},
    status: "Success",
    details: { name, ...groupOf(resource), kind: resource.plural, uid },
  };
}

function secondsOf(time: Date): string {
  return time.toISOString().replace(/\.\d+Z$/, "Z");
}
