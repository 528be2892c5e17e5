/**
 * What is seen of a move from outside: whether the group still waits for its data, who follows the
 * source, and whose copies are the holder's (docs/protocol.md, section 4.6). Decides nothing.
 */
import { recordOf, type Offset } from "@leasehold/election";
import type { MemberConfig } from "./config.ts";
import { reports, sameAddress } from "./members.ts";
import type { MemberReport, RedisAddress } from "./observation.ts";
import { redisIsUp } from "./redis-view.ts";
import type { MemberState } from "./state.ts";
import { podOf } from "./turn.ts";

/** There is a source, and the group has no history of its own. */
export function awaitsSource(state: MemberState, config: MemberConfig): boolean {
  return config.source !== null && state.lineage.length === 0;
}

/** The holder, whose copy of the source is whole. */
export function followsSource(state: MemberState, config: MemberConfig): boolean {
  const { lead, redis } = state;
  if (lead === null || !awaitsSource(state, config)) return false;
  return sameAddress(redis.info?.upstream ?? null, config.source) && whyNotWhole(state) === null;
}

/** The data set of the source, all of it, and in the files as well. */
export function whyNotWhole(state: MemberState, linked = true): string | null {
  const { info } = state.redis;
  if (info === null || !redisIsUp(state)) return "its Redis does not answer or is loading";
  if (info.syncing) return "its first copy of the source is under way";
  if (linked && !info.linkUp) return "its link to the source is down";
  return info.rewriting ? "its first copy of the source is not on its disk yet" : null;
}

/** Whom the others follow meanwhile, so that the cutover finds them with the same bytes. */
export function relayingHolder(state: MemberState, config: MemberConfig): RedisAddress | null {
  return relaying(state, config)?.address ?? null;
}

/** This member's copy is that of the one that follows the source. */
export function hasRelayedCopy(state: MemberState, config: MemberConfig): boolean {
  const { info } = state.redis;
  const holder = relaying(state, config);
  if (holder === null || info === null || !info.linkUp || info.syncing) return false;
  return sameAddress(info.upstream, holder.address) && info.replid === holder.replid;
}

function relaying(state: MemberState, config: MemberConfig): MemberReport | null {
  if (!awaitsSource(state, config)) return null;
  const holder = recordOf(state.election.view)?.holder ?? null;
  return reports(state).find((one) => one.relays && one.identity === holder) ?? null;
}

/** Another member has this one's copy as far as that, is on the list, and may lead. */
export function hasHeir(state: MemberState, offset: Offset, linked = true): boolean {
  const listed = recordOf(state.election.view)?.members ?? {};
  // By its own word and by its pod: where its API is away it hears of its deletion late.
  const stops = (one: MemberReport): boolean =>
    one.terminating || podOf(state, one.member)?.terminating === true;
  const mayLead = (one: MemberReport): boolean =>
    one.member in listed && one.priority > 0 && !stops(one) && !one.coldStart;
  return reports(state).some(
    (one) => mayLead(one) && sharesCopy(state, one, linked) && one.offset >= offset,
  );
}

/** It follows this member, and has the history of this member's copy. */
export function sharesCopy(
  { start, redis }: MemberState,
  report: MemberReport,
  linked = true,
): boolean {
  if (report.redis !== "up") return false;
  if (linked && !sameAddress(report.follows, start.address)) return false;
  return report.replid !== null && report.replid === redis.info?.replid;
}
