/**
 * The decision of one member, whole: an event comes in, the state changes, actions go out. Reading
 * this page down is reading a failover.
 *
 * Guarantees: synchronous, total, no I/O, clock or randomness. Every prefix of the actions,
 * performed and then interrupted, is safe. The order of the plan is the order of importance:
 * safety, then the Lease, then the lead, then following.
 */
import { electionViolations, versionOf } from "@leasehold/election";
import type { Action } from "./action.ts";
import type { MemberConfig } from "./config.ts";
import { planPause } from "./control.ts";
import type { MemberEvent } from "./event.ts";
import { fold } from "./fold.ts";
import { abandon } from "./handoff.ts";
import { memberViolations } from "./invariants.ts";
import { noteMissed } from "./lag.ts";
import { ownsMoved } from "./plan-cutover.ts";
import { planFailsafe } from "./plan-failsafe.ts";
import { planFence } from "./plan-fence.ts";
import { planFollow } from "./plan-follow.ts";
import { planHandoff } from "./plan-handoff.ts";
import { planHang } from "./plan-hang.ts";
import { planLead } from "./plan-lead.ts";
import { planClaim, planReads, planRenewal } from "./plan-lease.ts";
import { planPoll } from "./plan-poll.ts";
import { planRecord } from "./plan-record.ts";
import { planSlice } from "./plan-slice.ts";
import { planStop } from "./plan-stop.ts";
import { planStrays } from "./plan-strays.ts";
import { noteSynced } from "./readiness.ts";
import type { MemberState } from "./state.ts";
import { announce, set, type Turn } from "./turn.ts";

export interface Decision {
  readonly state: MemberState;
  readonly actions: readonly Action[];
}

export function decide(state: MemberState, event: MemberEvent, config: MemberConfig): Decision {
  const turn: Turn = { state, actions: [], at: event.at, config };
  fold(turn, event);
  noteMissed(turn);
  ownsMoved(turn);
  drawJitter(turn, state, event.jitter);
  // A Redis without a right stops before anything else is thought about (section 3).
  planFence(turn);
  // A hung Redis is killed; a dead one is left behind (section 6).
  planHang(turn);
  // Read what is doubtful, keep what is ours, take what is free (sections 2, 4.4 and 6).
  planReads(turn);
  planRenewal(turn);
  planFailsafe(turn);
  planClaim(turn);
  // Leave the lead: switchover, stop, death of the own Redis (sections 5 and 6).
  planHandoff(turn);
  // From a right to an open primary, and the address that leads to it (section 3).
  planLead(turn);
  planSlice(turn);
  planPause(turn);
  planStop(turn);
  // Everybody else follows (section 4.3).
  planFollow(turn);
  planStrays(turn);
  noteSynced(turn);
  planPoll(turn);
  planRecord(turn);
  sayTrouble(turn);
  checkInvariants(turn);
  return { state: turn.state, actions: turn.actions };
}

/** Drawn anew with each version of the Lease, so that nobody always waits longest. */
function drawJitter(turn: Turn, before: MemberState, jitter: number): void {
  const same = versionOf(before.election.view) === versionOf(turn.state.election.view);
  if (!same) set(turn, { jitter });
}

/** A standing trouble is said once, and its end too. */
function sayTrouble(turn: Turn): void {
  const trouble = turn.state.holdBack?.why ?? null;
  if (trouble === turn.state.trouble) return;
  set(turn, { trouble });
  if (trouble === null) return;
  const undecided = trouble.startsWith("undecided");
  announce(turn, undecided ? "coldStartUndecided" : "noCandidate", {
    words: `does not lead: ${trouble}`,
  });
}

/** On in production too: a process whose state contradicts itself stops leading for good. */
function checkInvariants(turn: Turn): void {
  if (turn.state.broken.length > 0) return;
  const broken = [...electionViolations(turn.state.election), ...memberViolations(turn.state)];
  if (broken.length === 0) return;
  announce(turn, "invariant", { words: `stops leading, please report: ${broken.join("; ")}` });
  const election = { ...turn.state.election, term: null, round: null };
  abandon(turn, "an invariant is broken");
  set(turn, { broken, election, lead: null, handoff: null });
  planFence(turn);
}
