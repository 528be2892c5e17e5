/**
 * The record file: written each second where something changed, and made durable at once where
 * a step must not outrun it. At most one write is open (docs/protocol.md, section 4.1).
 */
import { waiterElapsedMs, type LineageEntry, type MemberName } from "@leasehold/election";
import { isSyncUnsaved, recordDraft } from "./drafts.ts";
import type { MemberRecord } from "./observation.ts";
import { ownPosition } from "./redis-view.ts";
import { act, set, type Turn } from "./turn.ts";

const EVERY_MS = 1000;
const RETRY_MS = 500;

export interface RecordNeed {
  readonly epoch?: number;
  /** A promotion under this epoch: recorded, or reserved before. */
  readonly promotes?: number;
  readonly membersSent?: readonly MemberName[];
  readonly lineage?: readonly LineageEntry[];
  readonly clean?: boolean;
  /** It says that this copy has data. */
  readonly filled?: boolean;
  /** It says that what is on disk may be outlived. */
  readonly outlived?: boolean;
}

/** True if the saved record has it; else a write is on its way (or follows the open one). */
export function ensureRecord(turn: Turn, need: RecordNeed): boolean {
  const { saved } = turn.state.record;
  if (saved !== null && satisfies(saved, need)) return true;
  save(turn, need);
  return false;
}

/** True if nothing has to be written for this need. */
export function isRecorded(turn: Turn, need: RecordNeed): boolean {
  const { saved } = turn.state.record;
  return saved !== null && satisfies(saved, need);
}

function satisfies(record: MemberRecord, need: RecordNeed): boolean {
  if (need.epoch !== undefined && record.epoch < need.epoch) return false;
  const usable = Math.max(record.epoch, record.reservedEpoch);
  // Of one that is promoted the last end tells nothing any more.
  if (need.promotes !== undefined && (usable < need.promotes || record.clean)) return false;
  if (need.clean && !record.clean) return false;
  if (need.filled && (record.position === null || record.syncing)) return false;
  if (need.outlived && !record.outlived) return false;
  const newest = need.lineage?.at(-1);
  if (newest && !record.lineage.some((one) => sameEntry(one, newest))) return false;
  const known = [...record.members, ...record.membersSent];
  return (need.membersSent ?? []).every((name) => known.includes(name));
}

function sameEntry(a: LineageEntry, b: LineageEntry): boolean {
  return a.epoch === b.epoch && a.replid === b.replid;
}

function save(turn: Turn, need: RecordNeed): void {
  const { record, nextId } = turn.state;
  if (record.pending !== null) return;
  if (record.failedAt !== null && waiterElapsedMs(record.failedAt, turn.at) < RETRY_MS) return;
  const draft = recordDraft(turn);
  const membersSent = [...new Set([...draft.membersSent, ...(need.membersSent ?? [])])].toSorted();
  const epoch = Math.max(draft.epoch, need.epoch ?? 0, need.promotes ?? 0);
  const next = { ...draft, membersSent, epoch };
  set(turn, {
    nextId: nextId + 1,
    record: { ...record, pending: { seq: nextId, record: next, at: turn.at } },
  });
  act(turn, { type: "writeRecord", reason: "record", seq: nextId, record: next });
}

/** The periodic sample; also the first record of a member that has data. */
export function planRecord(turn: Turn): void {
  const { record, redis, lineage } = turn.state;
  if (record.pending !== null || redis.data === null) return;
  // A promotion is known to the disk at once: a crash a moment later finds its own epoch.
  if (turn.state.lead?.phase === "publishing" || turn.state.lead?.phase === "open") {
    const newest = lineage.at(-1);
    const known = record.saved?.lineage.some((one) => newest && sameEntry(one, newest));
    if (!known) return save(turn, {});
  }
  const isYoung = record.savedAt !== null && waiterElapsedMs(record.savedAt, turn.at) < EVERY_MS;
  if (isYoung && !isUrgent(turn)) return;
  // A process whose data says nothing yet must not make an empty member look like a known one.
  if (record.saved === null && turn.state.lineage.length === 0) return;
  const draft = recordDraft(turn);
  if (record.saved !== null && JSON.stringify(draft) === JSON.stringify(record.saved)) return;
  save(turn, {});
}

/**
 * What a sync has filled does not stay empty, half or outlived on record: the next process would be
 * it. Nor does the disk stay whole on record once its files are those of the time before a sync.
 */
function isUrgent({ state, config }: Turn): boolean {
  const { saved } = state.record;
  if (saved === null || ownPosition(state) === null) return false;
  if (saved.position === null) return true;
  if (isSyncUnsaved(state, config.mode)) return !saved.syncing && !saved.outlived;
  return saved.syncing || (saved.outlived && state.redis.data?.kind === "live");
}

export function observeRecord(
  turn: Turn,
  written: { readonly seq: number; readonly ok: boolean },
): void {
  const { record } = turn.state;
  if (record.pending?.seq !== written.seq) return;
  const saved = written.ok ? record.pending.record : record.saved;
  const failedAt = written.ok ? null : turn.at;
  set(turn, { record: { saved, savedAt: turn.at, pending: null, failedAt } });
}
