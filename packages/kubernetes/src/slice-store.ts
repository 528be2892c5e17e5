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
import { readWriteService } from "./write-service.ts";
import type { ApiClient } from "./api/client.ts";
import type { ApiObject } from "./api/object.ts";
import type { Family } from "./names.ts";
import type { PodReference, SliceVersions } from "./slice.ts";
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

/** The Service is read again after that long, for changed families. */
const SERVICE_MAX_AGE_MS = 60_000;
const LANE = "slice";

type Written =
  | { readonly kind: "written"; readonly slice: ApiObject }
  | Exclude<SliceOutcome, { kind: "committed" }>;

export function createSliceStore(options: SliceStoreOptions): WatchableSliceStore {
  const { client, group } = options;
  const seen = createObjectCache();
  const known: { service: WriteService | null; readAtMs: number } = { service: null, readAtMs: 0 };

  async function freshService(deadlineMs: number): Promise<WriteService> {
    const age = performance.now() - known.readAtMs;
    if (known.service && age < SERVICE_MAX_AGE_MS) return known.service;
    known.service = await readWriteService(client, group, deadlineMs);
    known.readAtMs = performance.now();
    return known.service;
  }

  function observe(slices: readonly ApiObject[]): SliceObservation {
    for (const slice of slices) seen.add(slice);
    return observationOf(slices);
  }

  async function readFamily(family: Family, deadlineMs: number): Promise<ApiObject | null> {
    const name = sliceName(group, family);
    const path = objectPath("endpointslices", client.namespace, name);
    const answer = await client.request({ method: "GET", path, deadlineMs, lane: LANE });
    if (saysMissing(answer, name)) return null;
    const slice = objectIn(answer, 200);
    if (!slice) throw new Error(`slice ${name}: ${wordsOfAnswer(answer)}`);
    return slice;
  }

  async function read(deadlineMs: number): Promise<SliceObservation | { readonly failed: string }> {
    const remainingMs = remaining(deadlineMs);
    try {
      const { families } = await freshService(remainingMs());
      const reads = families.map((family) => readFamily(family, remainingMs()));
      return observe((await Promise.all(reads)).filter((slice) => slice !== null));
    } catch (error) {
      return { failed: wordsOfError(error) };
    }
  }

  async function writeFamily(
    family: Family,
    write: SliceWrite,
    context: {
      readonly service: WriteService;
      readonly base: ApiObject | null;
      readonly deadlineMs: number;
    },
  ): Promise<Written> {
    const { service, base, deadlineMs } = context;
    const address = addressFor(family, write, options.podIps);
    const name = sliceName(group, family);
    const answer = await client.request({
      method: base ? "PUT" : "POST",
      path: base
        ? objectPath("endpointslices", client.namespace, name)
        : collectionPath("endpointslices", client.namespace),
      body: sliceOf({ write, family, address, service, base, pod: options.pod }),
      deadlineMs,
      lane: LANE,
    });
    const slice = objectIn(answer, base ? 200 : 201);
    if (slice) return { kind: "written", slice };
    // A slice that is gone, or belongs to another Service of this name: both are read anew.
    known.service = null;
    if (saysConflict(answer) || saysMissing(answer, name)) return { kind: "conflict" };
    return { kind: "failed", message: `slice ${name}: ${wordsOfAnswer(answer)}` };
  }

  async function write(write: SliceWrite, deadlineMs: number): Promise<SliceOutcome> {
    const versions = parseVersions(write.version);
    const bases = basesOf(versions, write);
    if (!bases) return { kind: "conflict" };
    const remainingMs = remaining(deadlineMs);
    const written = new Map(bases);
    try {
      const service = known.service ?? (await freshService(remainingMs()));
      for (const family of familiesToWrite(service, write, bases)) {
        const base = bases.get(family) ?? null;
        const outcome = await writeFamily(family, write, {
          service,
          base,
          deadlineMs: remainingMs(),
        });
        if (outcome.kind !== "written") return outcome;
        written.set(family, outcome.slice);
      }
    } catch (error) {
      return { kind: "failed", message: wordsOfError(error) };
    }
    return { kind: "committed", slice: observe([...written.values()]) };
  }

  /** Null: a version is no longer known, or of a higher epoch than the one to be written. */
  function basesOf(versions: SliceVersions, { epoch }: SliceWrite): Map<Family, ApiObject> | null {
    const bases = new Map<Family, ApiObject>();
    for (const version of Object.values(versions)) {
      const slice = seen.at(version);
      const family = slice ? familyOf(slice) : null;
      if (!slice || !family || epochOf(slice) > epoch) return null;
      bases.set(family, slice);
    }
    return bases;
  }

  return {
    read,
    write,
    observe,
    families: async (deadlineMs) => (await freshService(deadlineMs)).families,
  };
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
