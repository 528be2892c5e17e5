/**
 * Copies that the list alone keeps from leading: a first sync is younger than the last renewal with
 * news, and has confirmed writes all the same (docs/protocol.md, section 4.5; ADR 0027).
 */
import { isBehind, recordOf, silenceMs, type Position } from "@leasehold/election";
import type { MemberConfig } from "./config.ts";
import {
  ableMembers,
  bestFirst,
  comparisonOf,
  isStaying,
  listedMembers,
  reports,
} from "./members.ts";
import type { MemberReport } from "./observation.ts";
import { ownPosition } from "./redis-view.ts";
import { silentMembers, silentUnlisted } from "./silent.ts";
import type { MemberState } from "./state.ts";
import type { Turn } from "./turn.ts";

/** Its live copy has more than that of this member and of all who may lead; null: nobody's has. */
export function betterUnlisted(state: MemberState, config: MemberConfig): MemberReport | null {
  const compare = comparisonOf(state);
  const told = mustBeReached(state);
  const [best] = reports(state)
    .filter((one) => one.unlisted === true && mayBeOffered(state, config, one))
    .filter(({ position }) => told.every((far) => !isBehind(position, far)))
    .toSorted(bestFirst(compare));
  if (best === undefined) return null;
  const able = [ownPosition(state), ...ableMembers(state).map(({ position }) => position)];
  return able.every((one) => compare(best.position, one) > 0) ? best : null;
}

function mayBeOffered(state: MemberState, config: MemberConfig, report: MemberReport): boolean {
  const { member, position, coldStart, apiAgeMs } = report;
  const isLive = position !== null && position.restored !== true && !coldStart;
  if (!isLive || apiAgeMs > silenceMs(config.renewIntervalMs)) return false;
  const isForgotten = state.control?.forgotten.includes(member) === true;
  return !isForgotten && !state.deferred.includes(member) && isStaying(state, member);
}

/**
 * A live holder leads with less if nobody is listed. One that restarted waits for who has all that
 * is known of, and does not give that away for a copy that lacks some; an empty one that hears
 * everybody takes the best of what there is.
 */
function mustBeReached(state: MemberState): readonly (Position | null)[] {
  const { coldStart, peak, data } = state.redis;
  if (ownPosition(state) !== null && !coldStart) return [];
  const movedIn = state.lineage.some(({ moved }) => moved === true);
  if (data?.kind === "empty" && !movedIn && hearsAll(state)) {
    return reports(state).map(({ position }) => position);
  }
  const record = recordOf(state.election.view);
  const told = [record?.position ?? null, record?.released?.position ?? null];
  return [...told, peak, state.record.saved?.durablePosition ?? null];
}

function hearsAll(state: MemberState): boolean {
  if (state.pods === null) return false;
  return silentMembers(state).length === 0 && silentUnlisted(state).length === 0;
}

/**
 * Whoever has data is not on the list yet, and may not take the Lease: an empty member that is on
 * it takes it, lists that one and hands over. It leads nothing meanwhile.
 */
export function mayCallUnlisted({ state, config }: Turn): boolean {
  const better = betterUnlisted(state, config);
  if (better === null || listedMembers(state).includes(better.member)) return false;
  const answers = reports(state);
  const isLed = answers.some((one) => one.leads || one.boundUntilMs > 0);
  if (isLed || silentMembers(state).length > 0) return false;
  const compare = comparisonOf(state);
  return answers.every((one) => compare(better.position, one.position) >= 0);
}
