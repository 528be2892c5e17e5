/** What people want of the group, through `<group>-control` and the Lease. */
import { recordOf, waiterElapsedMs } from "@leasehold/election";
import type { ControlObservation, ControlRequest } from "./observation.ts";
import type { MemberState } from "./state.ts";
import { act, announce, set, type Turn } from "./turn.ts";

/** The API may not have been there. */
const END_AGAIN_MS = 10_000;

/** A pause that was seen before goes on, whatever else changed beside it. */
export function controlObserved(turn: Turn, control: ControlObservation): void {
  const id = control.paused ? (control.pauseSpan?.id ?? null) : null;
  const { pauseSeen } = turn.state;
  const known = pauseSeen?.id === id ? pauseSeen : null;
  set(turn, { control, pauseSeen: id === null ? null : (known ?? { id, at: turn.at }) });
}

/** What people said last; the Lease's flag where that cannot be read. A leader copies it there. */
export function isPaused({ state, at }: Pick<Turn, "state" | "at">): boolean {
  if (state.control === null) return recordOf(state.election.view)?.paused ?? false;
  return state.control.paused && !isOver({ state, at });
}

/** People gave the pause a span, and this member has known it for so long. */
function isOver({ state, at }: Pick<Turn, "state" | "at">): boolean {
  const { pauseSeen, control } = state;
  if (pauseSeen === null || !control?.pauseSpan) return false;
  return waiterElapsedMs(pauseSeen.at, at) >= control.pauseSpan.forMs;
}

/** The leader takes the wish away, so that a member that restarts does not count anew. */
export function planPause(turn: Turn): void {
  const { lead, pauseSeen, endedPause } = turn.state;
  if (lead?.phase !== "open" || pauseSeen === null || !isOver(turn)) return;
  const isSaid = pauseSeen.id === endedPause?.id;
  if (isSaid && waiterElapsedMs(endedPause.at, turn.at) < END_AGAIN_MS) return;
  set(turn, { endedPause: { id: pauseSeen.id, at: turn.at } });
  if (!isSaid) announce(turn, "pauseEnded", { words: "the pause is over: the lead may change" });
  act(turn, { type: "endPause", reason: "pauseEnded", pauseId: pauseSeen.id });
}

/** A forced failover to this member that nobody has answered yet. */
export function forcedHere(state: MemberState): ControlRequest | null {
  const request = state.control?.request ?? null;
  if (request === null || request.kind !== "failover" || !request.force) return null;
  const mine = request.to === state.start.member && request.id !== state.handledRequest;
  return mine ? request : null;
}
