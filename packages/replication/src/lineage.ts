/**
 * Where a copy of the data stands in the group's history. The lineage lists every promotion; a
 * position is the epoch of a copy's *last byte* and its offset, so a replica that merely linked to
 * a newer leader gains nothing by it (docs/protocol.md, section 1; red-team U20).
 */
import {
  isBehind,
  type Epoch,
  type LineageEntry,
  type Offset,
  type Position,
} from "@leasehold/election";

/** Entries kept anywhere. */
export const LINEAGE_LENGTH = 16;

/** The union by epoch, oldest first. Later arguments win where two name one epoch. */
export function uniteLineages(
  ...lineages: readonly (readonly LineageEntry[])[]
): readonly LineageEntry[] {
  const byEpoch = new Map<Epoch, LineageEntry>();
  for (const lineage of lineages) for (const entry of lineage) byEpoch.set(entry.epoch, entry);
  return [...byEpoch.values()].toSorted((a, b) => a.epoch - b.epoch).slice(-LINEAGE_LENGTH);
}

/** What Redis says of its own history. */
export interface History {
  readonly replid: string;
  readonly replid2: string | null;
  readonly secondOffset: Offset;
  readonly offset: Offset;
}

/** Null: the history is unknown to the group. */
export function positionOf(history: History, lineage: readonly LineageEntry[]): Position | null {
  const { replid, offset } = history;
  const own = newestOf(lineage, replid);
  if (own !== null && isBeyondMove(own, offset, lineage)) return null;
  if (own !== null) return positionAt(own, offset, lineage);
  // Promoted, but nobody learned of it: only what it shares with the known history counts.
  if (history.replid2 === null) return null;
  const parent = newestOf(lineage, history.replid2);
  if (parent === null) return null;
  return positionAt(parent, Math.min(offset, history.secondOffset - 1), lineage);
}

/**
 * The history of the source that a group moved in from is the group's up to the promotion that
 * continued it; what the source wrote after that is not.
 */
function isBeyondMove(
  { moved, replid }: LineageEntry,
  offset: Offset,
  lineage: readonly LineageEntry[],
): boolean {
  const next = lineage.find((entry) => !entry.moved && entry.parent === replid);
  return moved === true && next !== undefined && offset > next.startOffset;
}

function newestOf(lineage: readonly LineageEntry[], replid: string): LineageEntry | null {
  return lineage.findLast((entry) => entry.replid === replid) ?? null;
}

/** An entry counts from its first byte: a promotion that never wrote one outranks nobody. */
function positionAt(
  newest: LineageEntry,
  offset: Offset,
  lineage: readonly LineageEntry[],
): Position {
  const { replid } = newest;
  let entry: LineageEntry = newest;
  for (let steps = 0; steps < LINEAGE_LENGTH && entry.startOffset >= offset; steps++) {
    const older = olderOf(entry, lineage);
    if (older === null) break;
    entry = older;
  }
  // Older than all that is remembered; or at the very start of a stream, which is its first epoch.
  const epoch = entry.startOffset > offset ? entry.epoch - 1 : entry.epoch;
  return { epoch, offset, replid };
}

/** The promotion before `entry` on the same history: same replid, or the one it continued. */
function olderOf(entry: LineageEntry, lineage: readonly LineageEntry[]): LineageEntry | null {
  const before = lineage.filter((one) => one.epoch < entry.epoch);
  return newestOf(before, entry.replid) ?? (entry.parent ? newestOf(before, entry.parent) : null);
}

export function currentReplid(lineage: readonly LineageEntry[], epoch: Epoch): string | null {
  return lineage.find((entry) => entry.epoch === epoch)?.replid ?? null;
}

/** The one that the other is behind. */
export function furthest(a: Position | null, b: Position | null): Position | null {
  return isBehind(a, b) ? b : a;
}
