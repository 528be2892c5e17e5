/** What must hold between the parts of a member's state after every decision. */
import { mayBeWritable } from "./redis-view.ts";
import type { MemberState } from "./state.ts";

/** Sentences; empty when all is well. */
export function memberViolations(state: MemberState): readonly string[] {
  const found: string[] = [];
  const { lead, election, permit, redis, lineage, handoff } = state;
  if (
    lead !== null &&
    lead.phase !== "won" &&
    lead.phase !== "recording" &&
    permit?.kind !== "lead"
  ) {
    found.push("a promotion without a permit");
  }
  if (lead?.phase === "open" && (election.term?.gaveSeq ?? null) !== null) {
    found.push("open for writes although the Lease was given away");
  }
  if (lead !== null && lead.epoch > state.promotedEpoch && lead.phase === "open") {
    found.push("open under an epoch that no promotion used");
  }
  if (handoff?.phase === "transferring" && mayBeWritable(state)) {
    found.push("a transfer under way from a Redis that may be writable");
  }
  if (permit?.kind === "follow" && redis.role.known === "primary" && !redis.dead) {
    found.push("a primary without a deadline");
  }
  if (new Set(lineage.map((entry) => entry.epoch)).size !== lineage.length) {
    found.push("two histories under one epoch");
  }
  return found;
}
