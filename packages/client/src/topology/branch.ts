/**
 * Where the history of a leader branched off, as the group's lineage has it: the list of promotions
 * that the sidecars and the slices tell (docs/protocol.md of the project, section 1). Pure.
 *
 * Guarantees: nothing is told of a history that is not the leader's own. What cannot be read is as
 * good as missing: it orders nothing, and only makes a divergence unknown.
 */
import type { NodeDescription } from "../types.ts";

export type Branch = Pick<
  NodeDescription,
  "replicationId" | "previousReplicationId" | "branchOffset"
>;

interface Promotion {
  readonly epoch: number;
  readonly replid: string;
  readonly startOffset: number;
  readonly parent: string | null;
}

/**
 * `replicationId` is what the leader said of itself, null if nothing. It counts only where the
 * lineage has nothing for this epoch: it may be older than the promotion.
 */
export function branchOf(
  lineage: unknown,
  { epoch, replicationId }: { readonly epoch: number; readonly replicationId: string | null },
): Branch {
  const promotions = Array.isArray(lineage) ? lineage.filter(isPromotion) : [];
  const own = promotions.find((one) => one.epoch === epoch)?.replid ?? replicationId;
  // One that goes on under a newer epoch has its own history as the parent: where it began, counts.
  const first = promotions.find(({ replid, parent }) => replid === own && parent !== own);
  if (!first || first.parent === null) {
    return { replicationId: own, previousReplicationId: null, branchOffset: null };
  }
  // The first byte that is not shared, as Redis has it in second_repl_offset.
  const branchOffset = BigInt(first.startOffset) + 1n;
  return { replicationId: own, previousReplicationId: first.parent, branchOffset };
}

function isPromotion(value: unknown): value is Promotion {
  if (typeof value !== "object" || value === null) return false;
  const { epoch, replid, startOffset, parent } = value as Partial<Record<string, unknown>>;
  const isParent = parent === null || typeof parent === "string";
  const isPlace = Number.isSafeInteger(startOffset) && Number(startOffset) >= 0;
  return Number.isSafeInteger(epoch) && typeof replid === "string" && isPlace && isParent;
}
