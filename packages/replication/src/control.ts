/** What people want of the group, through `<group>-control` and the Lease. */
import { recordOf } from "@leasehold/election";
import type { ControlRequest } from "./observation.ts";
import type { MemberState } from "./state.ts";

/** What people said last; the Lease's flag where that cannot be read. A leader copies it there. */
export function isPaused(state: MemberState): boolean {
  return state.control?.paused ?? recordOf(state.election.view)?.paused ?? false;
}

/** A forced failover to this member that nobody has answered yet. */
export function forcedHere(state: MemberState): ControlRequest | null {
  const request = state.control?.request ?? null;
  if (request === null || request.kind !== "failover" || !request.force) return null;
  const mine = request.to === state.start.member && request.id !== state.handledRequest;
  return mine ? request : null;
}
