/**
 * What all steps of leaving the lead share: how a hand-over begins, changes and ends. Whoever asked
 * for it gets exactly one answer; a Redis that was demoted without cutting its clients has them cut
 * afterwards, however the hand-over ends.
 */
import type { RequestResult } from "./action.ts";
import type { Handoff } from "./state.ts";
import { act, announce, set, type Turn } from "./turn.ts";

export interface HandoffWish {
  readonly cause: Handoff["cause"];
  readonly to: string | null;
  readonly request: Handoff["request"];
}

export function beginHandoff(turn: Turn, wish: HandoffWish): void {
  const handoff: Handoff = {
    ...wish,
    phase: "choosing",
    since: turn.at,
    successor: null,
    offset: null,
    replid: null,
    isEqual: false,
    accepted: null,
    awaiting: null,
    askAgainAt: null,
    waitsFor: null,
    tried: [],
    trySeq: null,
    pausedAt: null,
  };
  set(turn, { handoff });
}

export function updateHandoff(turn: Turn, change: Partial<Handoff>): void {
  const { handoff } = turn.state;
  if (handoff !== null) set(turn, { handoff: { ...handoff, ...change } });
}

export function finishRequest(turn: Turn, result: RequestResult): void {
  const request = turn.state.handoff?.request ?? null;
  if (request === null) return;
  const reason = result.done ? "switchoverCompleted" : "switchoverAborted";
  act(turn, { type: "finishRequest", reason, requestId: request.id, result });
}

/** Nothing was changed, or nothing is left to undo. */
export function abandon(turn: Turn, why: string): void {
  const { handoff, lead, cutter, deferred } = turn.state;
  if (handoff === null) return;
  // An offer that never left was none.
  if (handoff.cause === "betterCopy" && handoff.trySeq === null) {
    set(turn, { deferred: deferred.filter((one) => one !== handoff.to) });
  }
  finishRequest(turn, { done: false, refused: false, words: why });
  const demoted = lead === null && handoff.offset !== null;
  const next = demoted ? { since: turn.at, unpaused: false, cuts: 0 } : cutter;
  set(turn, { handoff: null, cutter: next });
}

export function refuse(turn: Turn, requestId: string, why: string): void {
  announce(turn, "switchoverRefused", { words: `switchover refused: ${why}` });
  const result = { done: false, refused: true, words: why };
  act(turn, { type: "finishRequest", reason: "switchoverRefused", requestId, result });
  set(turn, { handoff: null });
}
