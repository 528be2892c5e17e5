/**
 * What the real API server (1.36) makes of an object before it stores it: unknown fields and empty
 * maps are gone, defaults are there, times are in its own form. An update that differs from the
 * stored object only in these changes nothing. Only for the kinds that clients of ours write.
 */
import { isRecord } from "./object.ts";
import type { KubernetesObject } from "./object.ts";

/** Fields of a Lease's spec without the ones behind feature gates. */
const LEASE_FIELDS = [
  "holderIdentity",
  "leaseDurationSeconds",
  "acquireTime",
  "renewTime",
  "leaseTransitions",
];

export function storedLease(object: KubernetesObject): KubernetesObject {
  const sent = isRecord(object["spec"]) ? object["spec"] : {};
  const known = LEASE_FIELDS.filter((field) => Object.hasOwn(sent, field));
  const spec = Object.fromEntries(known.map((field) => [field, inUtc(field, sent[field])]));
  return { ...object, spec };
}

export function storedEndpointSlice(object: KubernetesObject): KubernetesObject {
  const endpoints = recordsIn(object["endpoints"]).map((one) => ({ conditions: {}, ...one }));
  const ports = recordsIn(object["ports"]).map((one) => ({ name: "", protocol: "TCP", ...one }));
  return { ...object, endpoints: orNull(endpoints), ports: orNull(ports) };
}

export function storedConfigMap(object: KubernetesObject): KubernetesObject {
  return withoutEmpty(object, ["data", "binaryData"]);
}

export function storedEvent(object: KubernetesObject): KubernetesObject {
  const unset = { eventTime: null, reportingComponent: "", reportingInstance: "" };
  const stored: KubernetesObject = { ...unset, ...object };
  for (const field of ["firstTimestamp", "lastTimestamp"]) {
    const time = object[field];
    if (typeof time === "string") stored[field] = inSeconds(time);
  }
  return stored;
}

/** Of every kind. */
export function storedMeta(object: KubernetesObject): KubernetesObject {
  const metadata = withoutEmpty(object.metadata, ["labels", "annotations", "ownerReferences"]);
  return { ...object, metadata };
}

function withoutEmpty<T extends object>(object: T, fields: readonly string[]): T {
  const isEmpty = (value: unknown): boolean =>
    typeof value === "object" && value !== null && Object.keys(value).length === 0;
  const kept = Object.entries(object).filter(
    ([field, value]) => !(fields.includes(field) && isEmpty(value)),
  );
  return Object.fromEntries(kept) as T;
}

function recordsIn(value: unknown): readonly Readonly<Record<string, unknown>>[] {
  return Array.isArray(value) ? value.filter((item: unknown) => isRecord(item)) : [];
}

function orNull<T>(items: readonly T[]): readonly T[] | null {
  return items.length > 0 ? items : null;
}

/** `value` unless it is a time, which keeps its six digits. */
function inUtc(field: string, value: unknown): unknown {
  if (!field.endsWith("Time") || typeof value !== "string") return value;
  const digits = /\.\d+/.exec(value)?.[0] ?? "";
  return inSeconds(value).replace("Z", `${digits}Z`);
}

function inSeconds(time: string): string {
  return new Date(time).toISOString().replace(/\.\d+Z$/, "Z");
}
