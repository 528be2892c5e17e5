/**
 * The address of the primary: EndpointSlices of the write Service, one per family.
 *
 * Guarantees: each change is one PUT that swaps the address (kube-proxy never sees none on the
 * way), with resourceVersion and uid; never over a slice of a higher epoch. With two families
 * the one of the given address goes first; if the second fails the whole is `failed`, and
 * writing again repairs it. Nothing is sent twice.
 */
import type {
  SliceObservation,
  SliceOutcome,
  SliceStore,
  SliceWrite,
} from "@leasehold/replication";
import { objectIn, wordsOfAnswer, wordsOfError } from "./api/answer.ts";
import { sliceName } from "./names.ts";
import { createObjectCache } from "./object-cache.ts";
import { collectionPath, objectPath } from "./paths.ts";
import { epochOf, familyOf, familyOfHost, observationOf, parseVersions, sliceOf } from "./slice.ts";
import { saysConflict, saysMissing } from "./status.ts";
import { createWriteServiceSource } from "./write-service.ts";
import type { ApiClient } from "./api/client.ts";
import type { ApiObject } from "./api/object.ts";
import type { Family } from "./names.ts";
import type { ObjectCache } from "./object-cache.ts";
import type { PodReference, SliceBody } from "./slice.ts";
import type { WriteService } from "./write-service.ts";

export interface SliceStoreOptions {
  readonly client: ApiClient;
  readonly group: string;
  /** The pod of this process. */
  readonly pod: PodReference;
  /** Its addresses of all families: the slice of the other family gets the other one. */
  readonly podIps: readonly string[];
}

/** What the watcher needs beside the port. */
export interface WatchableSliceStore extends SliceStore {
  /** Families of the write Service. Rejects if it cannot be read. */
  families(deadlineMs: number): Promise<readonly Family[]>;
  /** Slices as a watch saw them, so that a write may replace just these versions. */
  observe(slices: readonly ApiObject[]): SliceObservation;
}

export function createSliceStore(options: SliceStoreOptions): WatchableSliceStore {
  const { client, group } = options;
  const seen = createObjectCache();
  const service = createWriteServiceSource(client, group);

  /** By the watch. */
  let told: SliceObservation | null = null;

  function note(slices: readonly ApiObject[]): SliceObservation {
    for (const slice of slices) seen.add(slice);
    return observationOf(slices);
  }

  function observe(slices: readonly ApiObject[]): SliceObservation {
    told = note(slices);
    return told;
  }

  async function read(deadlineMs: number): Promise<SliceObservation | { readonly failed: string }> {
    const remainingMs = remaining(deadlineMs);
    try {
      for (;;) {
        const before = told;
        const { families } = await service.fresh(remainingMs());
        const names = families.map((family) => sliceName(group, family));
        const found = note(await readSlices(client, names, remainingMs()));
        // Else the watch may be ahead of this answer, and would not say the same again.
        if (told === before || told?.version === found.version) return found;
      }
    } catch (error) {
      return { failed: wordsOfError(error) };
    }
  }

  async function write(write: SliceWrite, deadlineMs: number): Promise<SliceOutcome> {
    const remainingMs = remaining(deadlineMs);
    const bases = basesOf(write, seen);
    if (!bases) return { kind: "conflict" };
    const slices = new Map(bases);
    // Slices go with their Service: without any it may be another one of the same name by now, and
    // one that names the old one as its owner would be collected at once.
    if (bases.size === 0) service.forget();
    try {
      const known = await service.known(remainingMs());
      for (const family of familiesToWrite(known, write, bases)) {
        const base = bases.get(family) ?? null;
        const address = addressFor(family, write, options.podIps);
        const body = { write, family, address, service: known, base, pod: options.pod };
        const outcome = await writeSlice(client, body, remainingMs());
        if (outcome.kind !== "written") {
          // Perhaps the Service is another one of the same name: its slices went with it.
          service.forget();
          return outcome;
        }
        slices.set(family, outcome.slice);
      }
    } catch (error) {
      return { kind: "failed", message: wordsOfError(error) };
    }
    return { kind: "committed", slice: note([...slices.values()]) };
  }

  return {
    read,
    write,
    observe,
    families: async (deadlineMs) => (await service.fresh(deadlineMs)).families,
  };
}

async function readSlices(
  client: ApiClient,
  names: readonly string[],
  deadlineMs: number,
): Promise<readonly ApiObject[]> {
  const slices = await Promise.all(names.map((name) => readSlice(client, name, deadlineMs)));
  return slices.filter((slice) => slice !== null);
}

async function readSlice(
  client: ApiClient,
  name: string,
  deadlineMs: number,
): Promise<ApiObject | null> {
  const path = objectPath("endpointslices", client.namespace, name);
  const answer = await client.request({ method: "GET", path, deadlineMs });
  if (saysMissing(answer, name)) return null;
  const slice = objectIn(answer, 200);
  if (!slice) throw new Error(`slice ${name} was not read: ${wordsOfAnswer(answer)}`);
  return slice;
}

type Written =
  | { readonly kind: "written"; readonly slice: ApiObject }
  | Exclude<SliceOutcome, { kind: "committed" }>;

async function writeSlice(
  client: ApiClient,
  body: SliceBody,
  deadlineMs: number,
): Promise<Written> {
  const { base } = body;
  const name = sliceName(body.service.name, body.family);
  const answer = await client.request({
    method: base ? "PUT" : "POST",
    path: base
      ? objectPath("endpointslices", client.namespace, name)
      : collectionPath("endpointslices", client.namespace),
    body: sliceOf(body),
    deadlineMs,
  });
  const slice = objectIn(answer, base ? 200 : 201);
  if (slice) return { kind: "written", slice };
  if (saysConflict(answer) || saysMissing(answer, name)) return { kind: "conflict" };
  return { kind: "failed", message: `slice ${name} was not written: ${wordsOfAnswer(answer)}` };
}

/** Null: a version is no longer known, or of a higher epoch than the one to be written. */
function basesOf(write: SliceWrite, seen: ObjectCache): Map<Family, ApiObject> | null {
  const bases = new Map<Family, ApiObject>();
  for (const version of Object.values(parseVersions(write.version))) {
    const slice = seen.at(version);
    const family = slice ? familyOf(slice) : null;
    if (!slice || !family || epochOf(slice) > write.epoch) return null;
    bases.set(family, slice);
  }
  return bases;
}

/** The family of the address first; none that has neither an address nor a slice to empty. */
function familiesToWrite(
  service: WriteService,
  write: SliceWrite,
  bases: ReadonlyMap<Family, ApiObject>,
): readonly Family[] {
  const first = write.address ? familyOfHost(write.address.host) : null;
  const needed = service.families.filter((family) => bases.has(family) || write.address !== null);
  return needed.toSorted((a, b) => Number(b === first) - Number(a === first));
}

function addressFor(
  family: Family,
  { address }: SliceWrite,
  podIps: readonly string[],
): SliceWrite["address"] {
  if (!address) return null;
  if (familyOfHost(address.host) === family) return address;
  if (!podIps.includes(address.host)) return null;
  const host = podIps.find((ip) => familyOfHost(ip) === family);
  return host === undefined ? null : { ...address, host };
}

/** Milliseconds left of a deadline that began with this call; never below 1. */
function remaining(deadlineMs: number): () => number {
  const endMs = performance.now() + deadlineMs;
  return () => Math.max(1, endMs - performance.now());
}
