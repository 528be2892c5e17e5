/** Who may have data and has not said so: of the list, and of the pods that are on none. */
import type { MemberName } from "@leasehold/election";
import { isStaying, listedMembers, reportFrom } from "./members.ts";
import type { MemberState } from "./state.ts";

/** Listed members that have not said where their copy stands. */
export function silentMembers(state: MemberState): readonly MemberName[] {
  return listedMembers(state).filter((name) => isSilent(state, name));
}

/**
 * The same of pods that run and are on no list: their first sync may have ended a moment ago. Those
 * that are scaled away or forgotten could never lead with it.
 */
export function silentUnlisted(state: MemberState): readonly MemberName[] {
  const but = [...listedMembers(state), ...(state.control?.forgotten ?? [])];
  const pods = state.pods?.pods ?? [];
  return pods
    .filter(({ address, dead }) => address !== null && !dead)
    .map(({ member }) => member)
    .filter((name) => !but.includes(name) && isStaying(state, name) && isSilent(state, name));
}

function isSilent(state: MemberState, name: MemberName): boolean {
  if (name === state.start.member) return false;
  const report = reportFrom(state, name);
  return report === null || report.redis === "loading" || report.redis === "down";
}
