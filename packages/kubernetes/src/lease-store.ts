/**
 * The Lease of a group: read, compare-and-swap, watch.
 *
 * Guarantees (docs/protocol.md, section 2): every PUT carries resourceVersion *and* uid, so it
 * can neither overwrite a version that it did not see nor create a Lease anew; only a POST
 * creates. Nothing is sent twice. Only what the API server itself refused with 409 or 422 is
 * called refused, and only its own 404 to a GET is called missing; whatever else happens is
 * `unknown`. Deciding what an unknown outcome means is the core's.
 */
import type {
  LeaseReadOutcome,
  LeaseStore,
  LeaseWrite,
  LeaseWriteOutcome,
  VersionedLease,
} from "@leasehold/election";
import { messageOf, objectIn, wordsOfAnswer } from "./api/answer.ts";
import { asApiObject } from "./api/object.ts";
import { keepWatching } from "./api/watch-loop.ts";
import { leaseOf, recordOf } from "./lease-record.ts";
import { MAIN_LANE } from "./api/client.ts";
import { createObjectCache } from "./object-cache.ts";
import { collectionPath, objectPath } from "./paths.ts";
import { saysConflict, saysInvalid, saysMissing } from "./status.ts";
import type { ApiAnswer } from "./api/answer.ts";
import type { ApiClient } from "./api/client.ts";
import type { ApiObject } from "./api/object.ts";

export interface LeaseStoreOptions {
  readonly client: ApiClient;
  /** The Lease carries the group's name. */
  readonly group: string;
  /** A watch that says nothing for that long is opened anew: 2.5 R. */
  readonly watchSilenceMs: number;
  /** For the times in the Lease, which only people and other clients read. */
  readonly wallClock?: () => Date;
}

/** Reads have connections of their own; writes this many, taken in turn. */
const WRITE_LANES = 3;
const WATCH_PAUSES = { minPauseMs: 50, maxPauseMs: 2000 };
/** The server ends a watch after that long; it is then opened anew. */
const WATCH_TIMEOUT_SECONDS = 600;

export function createLeaseStore(options: LeaseStoreOptions): LeaseStore {
  const { client, group } = options;
  const wallClock = options.wallClock ?? (() => new Date());
  const seen = createObjectCache();
  const collection = collectionPath("leases", client.namespace);
  const path = objectPath("leases", client.namespace, group);

  function remember(object: ApiObject): VersionedLease {
    seen.add(object);
    const { uid, resourceVersion } = object.metadata;
    return { uid, resourceVersion, record: recordOf(object) };
  }

  async function read(deadlineMs: number): Promise<LeaseReadOutcome> {
    const answer = await client.request({ method: "GET", path, deadlineMs });
    if (saysMissing(answer, group)) return { kind: "missing" };
    const object = objectIn(answer, 200);
    if (object) return { kind: "present", lease: remember(object) };
    return { kind: "failed", ...statusAndWords(answer) };
  }

  async function write(
    { record, base, acquires }: LeaseWrite,
    deadlineMs: number,
    connection: number,
  ): Promise<LeaseWriteOutcome> {
    if (base && !(base.uid && base.resourceVersion)) {
      throw new Error(
        "A Lease is replaced only at a version: the base needs uid and resourceVersion.",
      );
    }
    const old = base ? seen.at(base) : null;
    // Not sent: a version that is no longer here was replaced long ago.
    if (base && !old) return { kind: "conflict" };
    const answer = await client.request({
      method: base ? "PUT" : "POST",
      path: base ? path : collection,
      body: leaseOf({ record, base: old, acquires, now: wallClock(), group }),
      deadlineMs,
      lane: writeLane(connection % WRITE_LANES),
    });
    const object = objectIn(answer, base ? 200 : 201);
    if (object) return { kind: "committed", lease: remember(object) };
    return refusalOf(answer);
  }

  const watch: LeaseStore["watch"] = (changed) =>
    watchLease(options, (object) => changed(object && remember(object)));
  return { read, write, watch };
}

/** The first try goes over a warm connection, hedges over lanes of their own. */
function writeLane(connection: number): string {
  return connection === 0 ? MAIN_LANE : `lease-write-${connection}`;
}

/** Whatever is not definitely refused may have been carried out, or may yet be. */
function refusalOf(answer: ApiAnswer): LeaseWriteOutcome {
  if (saysConflict(answer)) return { kind: "conflict" };
  if (saysInvalid(answer)) return { kind: "invalid", message: wordsOfAnswer(answer) };
  return { kind: "unknown", ...statusAndWords(answer) };
}

function watchLease(
  options: LeaseStoreOptions,
  changed: (object: ApiObject | null) => void,
): () => void {
  const { client, group, watchSilenceMs: silenceMs } = options;
  // Without a version the watch begins at the newest one: a trigger needs no more.
  const query = {
    watch: "true",
    fieldSelector: `metadata.name=${group}`,
    timeoutSeconds: String(WATCH_TIMEOUT_SECONDS),
  };
  const call = { path: collectionPath("leases", client.namespace), query, silenceMs };
  return keepWatching(
    client,
    {
      call: () => Promise.resolve(call),
      opened: () => changed(null),
      event({ type, object }) {
        if (type === "ERROR") return false;
        changed(type === "DELETED" ? null : asApiObject(object));
        return true;
      },
      ended: () => {},
    },
    WATCH_PAUSES,
  );
}

function statusAndWords(answer: ApiAnswer): { status: number | null; message: string } {
  if (answer.kind === "failed") return { status: null, message: answer.message };
  return { status: answer.status, message: messageOf(answer.body) };
}
