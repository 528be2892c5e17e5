/**
 * How far a replica may be behind, in time. Pure.
 *
 * The leader's offsets are kept with the times at which they were seen; a replica at offset `o`
 * holds everything that was there at the last time at which the leader was at most at `o`. The
 * estimate never lies below the truth, as long as `ageMs` of a node is not below its own.
 *
 * Nothing is added for the time between two looks: the leader was *seen* at that offset, so what
 * the replica lacks was written after that. A term for it would only hide fresh replicas.
 */
import type { NodeDescription } from "../types.ts";

export interface Sample {
  readonly atMs: number;
  readonly offset: bigint;
  readonly replicationId: string;
}

/** Oldest first. */
export type Samples = readonly Sample[];

const KEPT = 128;

/** Adds what the leader was seen at, if it was seen anew. */
export function sampled(
  samples: Samples,
  seen: { readonly before: NodeDescription | null; readonly now: NodeDescription | null },
  nowMs: number,
): Samples {
  const { before, now: leader } = seen;
  if (!leader || leader === before || leader.offset === null || !leader.replicationId) {
    return samples;
  }
  const { offset, replicationId } = leader;
  const kept = samples.filter((sample) => sample.replicationId === replicationId);
  const last = kept.at(-1);
  // Offsets of one history do not shrink: an older look that comes late tells nothing.
  if (last && last.offset > offset) return kept;
  return [...kept, { atMs: nowMs - leader.ageMs, offset, replicationId }].slice(-KEPT);
}

/** Null: unknown, which meets no bound. */
export function stalenessOf(
  node: NodeDescription,
  leader: NodeDescription | null,
  { samples, nowMs }: { readonly samples: Samples; readonly nowMs: number },
): number | null {
  if (node.id === leader?.id) return 0;
  if (node.offset === null || node.replicationId === null || node.state === "down") return null;
  const { offset, replicationId } = node;
  const reached = samples.findLast(
    (sample) => sample.replicationId === replicationId && sample.offset <= offset,
  );
  return reached ? Math.max(0, nowMs - reached.atMs) : null;
}
