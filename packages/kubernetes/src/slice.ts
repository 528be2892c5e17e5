/**
 * EndpointSlices of the write Service ↔ what the protocol reads in them.
 *
 * One slice per address family, since `addressType` is immutable. Guarantees: reading never
 * throws; the observation's version names uid and resourceVersion of every slice that was seen.
 */
import { isIP } from "node:net";
import type { Epoch, LineageEntry, MemberName } from "@leasehold/election";
import type { RedisAddress, SliceObservation, SliceWrite } from "@leasehold/replication";
import { isRecord, listAt, numberAt, textAt } from "./api/object.ts";
import { count, parseText, text } from "./json.ts";
import { formatLineage, parseLineage } from "./lineage.ts";
import { ANNOTATION, LABEL, MANAGED_BY, sliceName } from "./names.ts";
import type { ApiObject } from "./api/object.ts";
import type { Family } from "./names.ts";
import type { FurtherPort, WriteService } from "./write-service.ts";

export interface SliceVersion {
  readonly uid: string;
  readonly resourceVersion: string;
}

export type SliceVersions = Partial<Readonly<Record<Family, SliceVersion>>>;

/** Null for an object whose `addressType` is none of ours. */
export function familyOf(slice: ApiObject): Family | null {
  const type = textAt(slice, "addressType");
  return type === "IPv4" || type === "IPv6" ? type : null;
}

export function familyOfHost(host: string): Family | null {
  const version = isIP(host);
  return version === 4 ? "IPv4" : version === 6 ? "IPv6" : null;
}

export function epochOf(slice: ApiObject): Epoch {
  return parseText(slice.metadata.annotations?.[ANNOTATION.epoch], count) ?? 0;
}

/** Slices of one group as one: of two, the one of the higher epoch speaks for both. */
export function observationOf(slices: readonly ApiObject[]): SliceObservation {
  const ours = slices.filter((slice) => familyOf(slice) !== null);
  const newestFirst = ours.toSorted((a, b) => epochOf(b) - epochOf(a));
  const newest = newestFirst[0];
  if (!newest) return { version: null, epoch: 0, holder: null, lineage: [], address: null };
  return {
    version: formatVersions(ours),
    epoch: epochOf(newest),
    holder: newest.metadata.annotations?.[ANNOTATION.holder] || null,
    lineage: unionOf(newestFirst.map((slice) => lineageOf(slice))),
    address: addressOf(newest),
  };
}

function formatVersions(slices: readonly ApiObject[]): string {
  const entries = slices.map((slice) => {
    const { uid, resourceVersion } = slice.metadata;
    return [familyOf(slice), { uid, resourceVersion }];
  });
  return JSON.stringify(Object.fromEntries(entries));
}

/** Throws for a version that this module did not make: a bug. */
export function parseVersions(version: string | null): SliceVersions {
  if (version === null) return {};
  const parsed = parseText(version, (value) => (isRecord(value) ? value : null));
  if (!parsed) {
    throw new Error(`"${version}" is no version of a slice: hand back the one that was read.`);
  }
  const versionAt = (family: Family): SliceVersions => {
    const one = parsed[family];
    const uid = isRecord(one) ? text(one["uid"]) : null;
    const resourceVersion = isRecord(one) ? text(one["resourceVersion"]) : null;
    return uid && resourceVersion ? { [family]: { uid, resourceVersion } } : {};
  };
  return { ...versionAt("IPv4"), ...versionAt("IPv6") };
}

export interface SliceBody {
  readonly write: SliceWrite;
  readonly family: Family;
  /** Null: no endpoint of this family. */
  readonly address: RedisAddress | null;
  readonly service: WriteService;
  /** The object that this one replaces; null for a new one. */
  readonly base: ApiObject | null;
  readonly pod: PodReference;
}

/** The pod behind the address. */
export interface PodReference {
  readonly name: MemberName;
  readonly uid: string;
  /** Null: unknown; then topology-aware balancers cannot use it. */
  readonly nodeName: string | null;
}

/** The whole object; labels and annotations of others stay as in `base`. */
export function sliceOf(body: SliceBody): unknown {
  const { write, family, address, service, base } = body;
  const metadata = {
    ...(base ? base.metadata : { name: sliceName(service.name, family) }),
    labels: {
      ...base?.metadata.labels,
      [LABEL.group]: service.name,
      [LABEL.serviceName]: service.name,
      [LABEL.sliceManagedBy]: MANAGED_BY,
    },
    annotations: {
      ...base?.metadata.annotations,
      [ANNOTATION.epoch]: String(write.epoch),
      [ANNOTATION.holder]: write.holder,
      [ANNOTATION.lineage]: formatLineage(write.lineage),
    },
    ownerReferences: [{ apiVersion: "v1", kind: "Service", name: service.name, uid: service.uid }],
    managedFields: undefined,
  };
  return {
    apiVersion: "discovery.k8s.io/v1",
    kind: "EndpointSlice",
    metadata,
    addressType: family,
    endpoints: address ? [endpointOf(address, body)] : [],
    // The first is the one that is read again.
    ports: address
      ? [{ ...service.redisPort, port: address.port }, ...service.furtherPorts].map(portOf)
      : listAt(base, "ports"),
  };
}

function endpointOf({ host }: RedisAddress, { write, pod }: SliceBody): unknown {
  const own = pod.name === write.member;
  return {
    addresses: [host],
    conditions: { ready: true, serving: true, terminating: false },
    targetRef: { kind: "Pod", name: write.member, ...(own ? { uid: pod.uid } : {}) },
    ...(own && pod.nodeName !== null ? { nodeName: pod.nodeName } : {}),
  };
}

function portOf({ name, port, appProtocol }: FurtherPort): unknown {
  return { name, port, protocol: "TCP", ...(appProtocol === null ? {} : { appProtocol }) };
}

function addressOf(slice: ApiObject): RedisAddress | null {
  const host = listAt(listAt(slice, "endpoints")[0], "addresses")[0];
  const port = numberAt(listAt(slice, "ports")[0], "port");
  return typeof host === "string" && port !== null ? { host, port } : null;
}

function lineageOf(slice: ApiObject): readonly LineageEntry[] {
  return parseLineage(slice.metadata.annotations?.[ANNOTATION.lineage]);
}

/** Entries of the first list win; in order of epochs. */
function unionOf(lists: readonly (readonly LineageEntry[])[]): readonly LineageEntry[] {
  const byEpoch = new Map<Epoch, LineageEntry>();
  for (const entry of lists.flat()) {
    if (!byEpoch.has(entry.epoch)) byEpoch.set(entry.epoch, entry);
  }
  return [...byEpoch.values()].toSorted((a, b) => a.epoch - b.epoch);
}
