/**
 * The successor's side of a hand-over that is accepted in advance: what it says when it is asked,
 * and what its term begins with (docs/protocol.md, section 5.5).
 */
import { acceptInAdvance, recordOf, type HandoverQuestion } from "@leasehold/election";
import { ineligibility } from "./members.ts";
import { beforeOf, nameOf } from "./plan-lease.ts";
import { mayBeWritable } from "./redis-view.ts";
import { act, announce, set, type Turn } from "./turn.ts";

/** Who would not take the offer of a Lease does not accept it before it is there, either. */
export function handoverAsked(turn: Turn, requestId: number, question: HandoverQuestion): void {
  const { state } = turn;
  const isFree = state.lead === null && !mayBeWritable(state);
  const mayLead = state.pods !== null && ineligibility(state, turn.config, turn.at) === null;
  const accepted = isFree && mayLead ? acceptInAdvance(state.election, question, turn.at) : null;
  if (accepted !== null) set(turn, { election: accepted.state });
  const attempt = accepted?.attempt ?? null;
  act(turn, { type: "answerHandover", reason: "acquireHandover", requestId, attempt });
}

/** The renewal that removes the hand-over from the Lease leaves in the same turn. */
export function beganByAcceptance(turn: Turn): void {
  const record = recordOf(turn.state.election.view);
  const handover = record?.handover ?? null;
  const before = { ...beforeOf(turn.state, record), takenAt: turn.at };
  set(turn, { acquiring: { way: "handover", handover, before, judged: false, forced: null } });
  const words = `accepts the hand-over from ${nameOf(handover?.from ?? null)}, as it said before`;
  announce(turn, "acquireHandover", { words });
}
