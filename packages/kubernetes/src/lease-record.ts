/**
 * A Lease object ↔ what the protocol reads in it (docs/protocol.md, section 1).
 *
 * Holder, duration and transitions live in `spec`, as client-go's leader election writes them,
 * so that both can compete for one Lease; the rest lives in annotations, as JSON.
 *
 * Guarantees: `recordOf` never throws, whatever somebody wrote. Defaults for what is missing or
 * wrong: holder nobody, duration 0, transitions 0, epoch 0, attempt null, lineage and members
 * empty (nobody may lead on them), position, hand-over and release null, not paused.
 * Not guaranteed: that annotations belong to the holder. client-go keeps those it finds, so a
 * stranger's record may carry our last ones; the core compares `attempt` and epoch.
 */
import type {
  Handover,
  LeaderPosition,
  LeaseRecord,
  MemberNote,
  Position,
  Released,
} from "@leasehold/election";
import { isRecord, recordAt, textAt } from "./api/object.ts";
import { count, mapOf, parseText, text } from "./json.ts";
import { formatLineage, parseLineage } from "./lineage.ts";
import { formatMicroTime } from "./micro-time.ts";
import { ANNOTATION, LABEL } from "./names.ts";
import type { ApiObject } from "./api/object.ts";
import type { Shape } from "./json.ts";

/** Durations are whole seconds on the wire, rounded up: others wait rather too long. */
export function recordOf(lease: ApiObject): LeaseRecord {
  const spec = recordAt(lease, "spec");
  const annotations = lease.metadata.annotations ?? {};
  return {
    holder: textAt(spec, "holderIdentity") || null,
    durationMs: (int32(spec["leaseDurationSeconds"]) ?? 0) * 1000,
    transitions: int32(spec["leaseTransitions"]) ?? 0,
    epoch: parseText(annotations[ANNOTATION.epoch], count) ?? 0,
    attempt: annotations[ANNOTATION.attempt] || null,
    lineage: parseLineage(annotations[ANNOTATION.lineage]),
    members: parseText(annotations[ANNOTATION.members], mapOf(memberNote)) ?? {},
    position: parseText(annotations[ANNOTATION.position], leaderPosition),
    handover: parseText(annotations[ANNOTATION.handover], handover),
    released: parseText(annotations[ANNOTATION.released], released),
    paused: annotations[ANNOTATION.paused] === "true",
  };
}

export interface LeaseBody {
  readonly record: LeaseRecord;
  /** The object that this one replaces; null for a new one. */
  readonly base: ApiObject | null;
  readonly acquires: boolean;
  /** For `renewTime` and `acquireTime`, which nobody of ours reads. */
  readonly now: Date;
  readonly group: string;
}

/**
 * The whole object to send. Labels, annotations and spec fields of others stay as in `base`;
 * version and uid come from `base`.
 */
export function leaseOf({ record, base, acquires, now, group }: LeaseBody): unknown {
  const time = formatMicroTime(now);
  const old = recordAt(base, "spec");
  const annotations = new Map(Object.entries(base?.metadata.annotations ?? {}));
  for (const [key, value] of annotationsOf(record)) {
    if (value === null) annotations.delete(key);
    else annotations.set(key, value);
  }
  const metadata = {
    ...(base ? base.metadata : { name: group }),
    labels: { ...base?.metadata.labels, [LABEL.group]: group },
    annotations: Object.fromEntries(annotations),
    // The server keeps its own book of who wrote which field.
    managedFields: undefined,
  };
  const spec = {
    ...old,
    holderIdentity: record.holder ?? "",
    leaseDurationSeconds: Math.max(1, Math.ceil(record.durationMs / 1000)),
    leaseTransitions: record.transitions,
    acquireTime: acquires || typeof old["acquireTime"] !== "string" ? time : old["acquireTime"],
    renewTime: time,
  };
  return { apiVersion: "coordination.k8s.io/v1", kind: "Lease", metadata, spec };
}

/** Null: the annotation is taken away. */
function annotationsOf(record: LeaseRecord): readonly (readonly [string, string | null])[] {
  const json = (value: unknown): string | null => (value === null ? null : JSON.stringify(value));
  return [
    [ANNOTATION.epoch, String(record.epoch)],
    [ANNOTATION.attempt, record.attempt],
    [ANNOTATION.lineage, formatLineage(record.lineage)],
    [ANNOTATION.members, json(record.members)],
    [ANNOTATION.position, json(record.position)],
    [ANNOTATION.handover, json(record.handover)],
    [ANNOTATION.released, json(record.released)],
    [ANNOTATION.paused, record.paused ? "true" : null],
  ];
}

/** A count as the API's own type has it. */
const int32: Shape<number> = (value) => {
  const whole = count(value);
  return whole !== null && whole < 2 ** 31 ? whole : null;
};

const position: Shape<Position> = (value) => {
  if (!isRecord(value)) return null;
  const epoch = count(value["epoch"]);
  const offset = count(value["offset"]);
  const replid = text(value["replid"]);
  if (epoch === null || offset === null || replid === null) return null;
  const { restored, outlived } = value;
  const led = ledOf(value["led"]);
  return {
    epoch,
    offset,
    replid,
    ...(typeof restored === "boolean" ? { restored } : {}),
    ...(typeof outlived === "boolean" ? { outlived } : {}),
    ...(led === null ? {} : { led }),
  };
};

const ledOf: Shape<NonNullable<Position["led"]>> = (value) => {
  if (!isRecord(value)) return null;
  const epoch = count(value["epoch"]);
  const offset = count(value["offset"]);
  return epoch === null || offset === null ? null : { epoch, offset };
};

const leaderPosition: Shape<LeaderPosition> = (value) => {
  const read = position(value);
  const runId = isRecord(value) ? text(value["runId"]) : null;
  return read && runId !== null ? { ...read, runId } : null;
};

const memberNote: Shape<MemberNote> = (value) => {
  if (!isRecord(value) || typeof value["attached"] !== "boolean") return null;
  const note = value["position"] === null ? null : position(value["position"]);
  if (note === null && value["position"] !== null) return null;
  return { attached: value["attached"], position: note };
};

const handover: Shape<Handover> = (value) => {
  if (!isRecord(value)) return null;
  const from = text(value["from"]);
  const to = text(value["to"]);
  const offset = count(value["offset"]);
  const replid = text(value["replid"]);
  const { equal } = value;
  if (from === null || to === null || offset === null || replid === null) return null;
  if (typeof equal !== "boolean") return null;
  const request = text(value["request"]);
  const pausedMs = count(value["pausedMs"]);
  const accepted = text(value["accepted"]);
  return {
    ...{ from, to, offset, replid, equal, request },
    ...(pausedMs === null ? {} : { pausedMs }),
    ...(accepted === null ? {} : { accepted }),
  };
};

const released: Shape<Released> = (value) => {
  if (!isRecord(value)) return null;
  const by = text(value["by"]);
  const { clean } = value;
  const at = value["position"] === null ? null : position(value["position"]);
  if (by === null || typeof clean !== "boolean") return null;
  if (at === null && value["position"] !== null) return null;
  return { by, position: at, clean };
};
