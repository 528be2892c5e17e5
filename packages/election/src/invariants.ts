/**
 * What must hold after every transition, in production too. A violation is a bug: the caller says
 * so and stops leading.
 */
import { nonceOfAttempt } from "./record.ts";
import type { ElectionState } from "./state.ts";

/** Sentences; empty when all is well. */
export function electionViolations(state: ElectionState): readonly string[] {
  const found: string[] = [];
  const { term } = state;
  if (term?.gaveSeq != null && (term.confirmed !== null || term.promised !== null)) {
    found.push("a term that was given away still has a right");
  }
  if (term !== null && term.epoch > state.epochSeen) {
    found.push(`the term's epoch ${term.epoch} is above the highest seen ${state.epochSeen}`);
  }
  if (new Set(state.tries.map((one) => one.attempt)).size !== state.tries.length) {
    found.push("two tries share an attempt");
  }
  if (state.tries.some((one) => nonceOfAttempt(one.attempt) !== state.nonce)) {
    found.push("a try carries another process' attempt");
  }
  if (state.epochHeard < state.epochSeen) found.push("an epoch was seen but not heard of");
  return found;
}
