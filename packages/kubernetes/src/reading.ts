/**
 * One read on behalf of a person, whose rights may end anywhere: what was there, or why that cannot
 * be said. A right is named as a Role would grant it.
 */
import { objectIn, wordsOfAnswer } from "./api/answer.ts";
import { asApiObject, listAt } from "./api/object.ts";
import { collectionPath, objectPath } from "./paths.ts";
import { saysMissing } from "./status.ts";
import type { ApiAnswer } from "./api/answer.ts";
import type { ApiClient } from "./api/client.ts";
import type { ApiObject } from "./api/object.ts";
import type { ResourceKind } from "./paths.ts";

export type Reading<T> =
  | { readonly kind: "read"; readonly value: T }
  | { readonly kind: "missing" }
  /** `right` is a verb and a resource: `get pods/proxy`. */
  | { readonly kind: "forbidden"; readonly right: string }
  | { readonly kind: "failed"; readonly words: string };

const API_GROUP: Partial<Readonly<Record<ResourceKind, string>>> = {
  leases: "coordination.k8s.io",
  endpointslices: "discovery.k8s.io",
  statefulsets: "apps",
};

/** As kubectl auth can-i takes it: `get leases.coordination.k8s.io`. */
export function rightTo(verb: string, kind: ResourceKind | "pods/proxy"): string {
  const group = kind === "pods/proxy" ? undefined : API_GROUP[kind];
  return `${verb} ${kind}${group === undefined ? "" : `.${group}`}`;
}

export async function readOne(
  client: ApiClient,
  place: { readonly kind: ResourceKind; readonly name: string },
  deadlineMs: number,
): Promise<Reading<ApiObject>> {
  const path = objectPath(place.kind, client.namespace, place.name);
  const answer = await client.request({ method: "GET", path, deadlineMs });
  if (saysMissing(answer, place.name)) return { kind: "missing" };
  const found = objectIn(answer, 200);
  return found ? { kind: "read", value: found } : notRead(answer, rightTo("get", place.kind));
}

export async function readList(
  client: ApiClient,
  place: { readonly kind: ResourceKind; readonly labelSelector: string },
  deadlineMs: number,
): Promise<Reading<readonly ApiObject[]>> {
  const path = collectionPath(place.kind, client.namespace);
  const query = { labelSelector: place.labelSelector };
  const answer = await client.request({ method: "GET", path, query, deadlineMs });
  if (answer.kind === "failed" || answer.status !== 200) {
    return notRead(answer, rightTo("list", place.kind));
  }
  const objects = listAt(answer.body, "items").map(asApiObject);
  return { kind: "read", value: objects.filter((object) => object !== null) };
}

export function notRead(answer: ApiAnswer, right: string): Reading<never> {
  if (answer.kind === "answered" && answer.status === 403) return { kind: "forbidden", right };
  return { kind: "failed", words: `${right}: ${wordsOfAnswer(answer)}` };
}

export function mapReading<T, U>(reading: Reading<T>, map: (value: T) => U): Reading<U> {
  return reading.kind === "read" ? { kind: "read", value: map(reading.value) } : reading;
}
