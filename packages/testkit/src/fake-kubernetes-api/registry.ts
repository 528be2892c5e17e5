/**
 * Create, replace, patch and delete as kube-apiserver 1.36 does them: compare-and-swap by
 * resourceVersion, uid as a precondition, updates that change nothing leave the version alone.
 *
 * Each rule that surprises has its measurement in docs/protocol.md, section 2: a PUT of a Lease
 * that does not exist creates it, unless it carries a uid. Not here: finalizers, garbage
 * collection by owner references, field managers, dry runs, status subresources, quota.
 */
import { randomBytes, randomUUID } from "node:crypto";
import {
  ApiError,
  MODIFIED,
  alreadyExists,
  badRequest,
  conflict,
  failure,
  invalid,
  notFound,
} from "./api-error.ts";
import { deepEqual, isRecord, withoutNulls } from "./object.ts";
import { applyPatch } from "./patch.ts";
import { apiVersionOf } from "./resources.ts";
import { checkTypes, loopbackErrors, validateMeta } from "./validation.ts";
import type { StatusBody } from "./api-error.ts";
import type { KubernetesObject, ObjectKey, ObjectMeta } from "./object.ts";
import type { ObjectStore } from "./object-store.ts";
import type { Resource } from "./resources.ts";

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

/** Every method throws `ApiError` for a refusal. */
export interface Registry {
  get(resource: Resource, key: ObjectKey): KubernetesObject;
  create(resource: Resource, namespace: string, body: unknown): Written;
  replace(resource: Resource, key: ObjectKey, body: unknown): Written;
  patch(resource: Resource, key: ObjectKey, body: PatchBody): Written;
  /** Answers with a `Status`, or with the object if it only began to end. */
  remove(resource: Resource, key: ObjectKey, options: unknown): KubernetesObject | StatusBody;
}

export function createRegistry(options: RegistryOptions): Registry {
  const { store } = options;

  function get(resource: Resource, key: ObjectKey): KubernetesObject {
    const found = store.get(resource, key);
    if (!found) throw notFound(resource, key.name);
    return found;
  }

  function validate(
    resource: Resource,
    object: KubernetesObject,
    old: KubernetesObject | null,
  ): void {
    const errors = [
      ...validateMeta(object),
      ...resource.validate(object, old),
      ...(resource.plural === "endpointslices" && !options.allowLoopbackEndpoints
        ? loopbackErrors(object)
        : []),
    ];
    if (errors.length > 0) throw invalid(resource, object.metadata.name ?? "", errors);
  }

  function insert(resource: Resource, object: KubernetesObject): Written {
    const metadata: ObjectMeta = {
      ...object.metadata,
      uid: randomUUID(),
      creationTimestamp: secondsOf(new Date()),
      ...(resource.hasGeneration ? { generation: 1 } : {}),
    };
    const created = { ...object, metadata };
    validate(resource, created, null);
    return { code: 201, object: store.commit(resource, created) };
  }

  function create(resource: Resource, namespace: string, body: unknown): Written {
    const object = decode(resource, namespace, body);
    if (object.metadata.resourceVersion) {
      throw new ApiError(
        failure(500, "resourceVersion should not be set on objects to be created"),
      );
    }
    if (!object.metadata.name && object.metadata.generateName) {
      object.metadata.name =
        object.metadata.generateName + randomBytes(3).toString("hex").slice(0, 5);
    }
    const name = object.metadata.name ?? "";
    if (store.get(resource, { namespace, name })) throw alreadyExists(resource, name);
    return insert(resource, object);
  }

  function replace(resource: Resource, key: ObjectKey, body: unknown): Written {
    const object = decode(resource, key.namespace, body);
    const old = store.get(resource, key);
    const { uid, resourceVersion } = object.metadata;
    if (object.metadata.name !== key.name) {
      throw badRequest(
        `the name of the object (${object.metadata.name ?? ""}) does not match the name on the URL (${key.name})`,
      );
    }
    if (uid && uid !== old?.metadata.uid) {
      const cause = preconditionFailed("UID", uid, old?.metadata.uid ?? "");
      throw conflict(resource, key.name, cause);
    }
    if (!old) {
      if (!resource.createsOnUpdate) throw notFound(resource, key.name);
      return insert(resource, object);
    }
    if (!resourceVersion && !resource.updatesUnconditionally) {
      const message = "Invalid value: 0: must be specified for an update";
      throw invalid(resource, key.name, [{ field: "metadata.resourceVersion", message }]);
    }
    if (resourceVersion && resourceVersion !== old.metadata.resourceVersion) {
      throw conflict(resource, key.name, MODIFIED);
    }
    return update(resource, object, old);
  }

  function update(resource: Resource, object: KubernetesObject, old: KubernetesObject): Written {
    const next = { ...object, metadata: updatedMeta(object, old, resource.hasGeneration) };
    validate(resource, next, old);
    if (deepEqual(next, old)) return { code: 200, object: old };
    return { code: 200, object: store.commit(resource, next) };
  }

  return {
    get,
    create,
    replace,
    patch(resource, key, body) {
      const old = get(resource, key);
      return replace(resource, key, applyPatch(old, body.patch, body.contentType));
    },
    remove(resource, key, deleteOptions) {
      const old = get(resource, key);
      const options = isRecord(deleteOptions) ? deleteOptions : {};
      checkPreconditions(resource, old, options["preconditions"]);
      const graceSeconds = graceOf(resource, old, options["gracePeriodSeconds"]);
      if (graceSeconds > 0) {
        if (old.metadata.deletionTimestamp) return old;
        const deletionTimestamp = secondsOf(new Date(new Date().getTime() + graceSeconds * 1000));
        const metadata = {
          ...old.metadata,
          deletionTimestamp,
          deletionGracePeriodSeconds: graceSeconds,
        };
        return store.commit(resource, { ...old, metadata });
      }
      store.remove(resource, key);
      return deleted(resource, old);
    },
  };
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
  return object;
}

/** The server's own fields come from the stored object, whatever the client sent. */
function updatedMeta(
  object: KubernetesObject,
  old: KubernetesObject,
  hasGeneration: boolean,
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
  if (hasGeneration && !deepEqual(contentOf(object), contentOf(old))) {
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

function deleted(resource: Resource, old: KubernetesObject): StatusBody {
  const { name, uid } = old.metadata;
  return {
    kind: "Status",
    apiVersion: "v1",
    metadata: {},
    status: "Success",
    details: { name, group: resource.group, kind: resource.plural, uid },
    code: 200,
  };
}

function secondsOf(time: Date): string {
  return time.toISOString().replace(/\.\d+Z$/, "Z");
}
