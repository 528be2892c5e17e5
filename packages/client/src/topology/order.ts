/**
 * Which of two leaders is the newer one: by epoch, and without epochs by replication history. Pure.
 */
import type { Epoch, NodeDescription } from "../types.ts";

export type EpochOrder = "newer" | "older" | "same" | "unordered";

/** `claimed` as seen from what is known. The first epoch at all is newer than none. */
export function compareEpochs(claimed: Epoch | null, known: Epoch | null): EpochOrder {
  if (claimed === null) return "unordered";
  if (known === null || claimed > known) return "newer";
  return claimed < known ? "older" : "same";
}

export type Lineage = "same" | "successor" | "predecessor" | "unrelated";

type History = Pick<NodeDescription, "replicationId" | "previousReplicationId">;

/**
 * What a node that proved to be a primary is to the known one. A promotion keeps the id that was
 * followed as the previous one, so one step is covered, and no more.
 */
export function lineageOf(found: History, known: History): Lineage {
  if (found.replicationId === null || known.replicationId === null) return "unrelated";
  if (found.replicationId === known.replicationId) return "same";
  if (found.previousReplicationId === known.replicationId) return "successor";
  if (known.previousReplicationId === found.replicationId) return "predecessor";
  return "unrelated";
}
