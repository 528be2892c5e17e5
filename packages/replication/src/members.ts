/**
 * Who is on the list, who may lead, who is in sync, and who of several should lead. Decided by
 * each member from its own facts and the others' reports; the Lease decides between them.
 */
import {
  comparePositions,
  compareRestored,
  isOutdatedRecord,
  parseIdentity,
  recordOf,
  silenceMs,
  waiterElapsedMs,
  type Instant,
  type MemberName,
  type Position,
} from "@leasehold/election";
import type { MemberConfig } from "./config.ts";
import { isStale, lagBytes } from "./lag.ts";
import type { MemberReport, RedisAddress } from "./observation.ts";
import { isGate, ownPosition, redisIsUp, withoutOldLead } from "./redis-view.ts";
import type { MemberState } from "./state.ts";
import { podOf } from "./turn.ts";

const HANG_BAN_MS = 30_000;
const RECORD_STUCK_MS = 1000;

export function ordinalOf(member: MemberName): number {
  return Number(member.slice(member.lastIndexOf("-") + 1));
}

/** All names below `spec.replicas`, as far as known. */
export function allOrdinals(state: MemberState): readonly MemberName[] {
  const { member } = state.start;
  const group = member.slice(0, member.lastIndexOf("-"));
  const replicas = state.pods?.replicas ?? 0;
  return Array.from({ length: replicas }, (_, ordinal) => `${group}-${ordinal}`);
}

/**
 * The list in force: the Lease's; without a Lease that of the newest record with a list that
 * answers; without such a record everybody (section 4.5).
 */
export function listedMembers(state: MemberState): readonly MemberName[] {
  return knownList(state) ?? allOrdinals(state);
}

function knownList(state: MemberState): readonly MemberName[] | null {
  const names = Object.keys(recordOf(state.election.view)?.members ?? {});
  if (names.length > 0 && !isOutdatedView(state)) return names;
  const newest = newestRecordedList(state);
  if (newest.length === 0 && names.length === 0) return null;
  return [...new Set([...names, ...newest])].toSorted();
}

/**
 * Whoever has data came by it under a leader that has a list, known or not, and asks only those on
 * it for promises: that nobody can be asked for the list does not put this member on it.
 */
function whyUnlisted(state: MemberState): string | null {
  const known = knownList(state);
  const { data } = state.redis;
  const mayBegin = data === null || data.kind === "empty";
  if (known === null && !mayBegin) return "no list is known: no Lease, and no record with one";
  const listed = known ?? allOrdinals(state);
  return listed.includes(state.start.member) ? null : "not on the list yet (never in sync)";
}

/** Somebody put an older copy of the Lease back: what it lists is not all that there is. */
export function isOutdatedView(state: MemberState): boolean {
  const record = recordOf(state.election.view);
  return record !== null && isOutdatedRecord(state.election, record);
}

function newestRecordedList(state: MemberState): readonly MemberName[] {
  const { saved } = state.record;
  const own = saved?.members ?? [];
  // A newcomer's record tells of the newest epoch, and of no list.
  let best = { epoch: own.length > 0 ? (saved?.epoch ?? -1) : -1, members: own };
  for (const { recordEpoch, recordMembers } of reports(state)) {
    if (recordMembers.length === 0 || recordEpoch <= best.epoch) continue;
    best = { epoch: recordEpoch, members: recordMembers };
  }
  return best.members;
}

/** Reports of the newest round that has ended. */
export function reports(state: MemberState): readonly MemberReport[] {
  return Object.values(state.peers)
    .filter((peer) => peer.answered && peer.report !== null)
    .map((peer) => peer.report as MemberReport);
}

export function reportFrom(state: MemberState, member: MemberName): MemberReport | null {
  const peer = state.peers[member];
  return peer?.answered ? peer.report : null;
}

/** Why this member may not lead, in words; null: it may. Readiness plays no part. */
export function ineligibility(
  state: MemberState,
  config: MemberConfig,
  at: Instant,
): string | null {
  if (state.broken.length > 0) return `an invariant is broken: ${state.broken[0]}`;
  if (config.priority === 0) return "priority 0: never leader";
  return whyUnlisted(state) ?? whyUnable(state, config, at);
}

/** It could lead, were it on the list: a holder that lacks what it has puts it there (4.5). */
export function lacksListOnly(state: MemberState, config: MemberConfig, at: Instant): boolean {
  if (state.broken.length > 0 || config.priority === 0) return false;
  return whyUnlisted(state) !== null && whyUnable(state, config, at) === null;
}

function whyUnable(state: MemberState, config: MemberConfig, at: Instant): string | null {
  const { start, stop, redis } = state;
  // A copy of a source is made anew if it was cut: it is not what the holder is to lead with.
  const isCopy = config.source !== null && state.lineage.length === 0;
  if (isCopy && isFollowedElsewhere(state)) return "another member follows the source";
  const pod = podOf(state, start.member);
  if (state.pods !== null && pod?.uid !== start.podUid) return "its pod is gone or another one";
  if (stop !== null || pod?.terminating) return "terminating";
  if (state.pods !== null && start.ordinal >= state.pods.replicas) return "scaled away";
  if (!redisIsUp(state)) return "Redis does not answer or is loading";
  if (clockSkewMs(state) > MAX_SKEW_MS) return "the guard's clock differs from the sidecar's";
  if (redis.data?.kind === "half" && !isCopy) return "a full sync was cut: half a data set";
  if (recordIsStuck(state, at)) return "its record cannot be made durable";
  if (isBanned(state, at)) return "killed for hanging less than 30 s ago";
  return whyTooFar(state, config);
}

/**
 * Nobody takes that place but by force: who is on the list already is to lead once the group has
 * what it moves in with, and the source is opened and closed by one member alone.
 */
function isFollowedElsewhere(state: MemberState): boolean {
  const record = recordOf(state.election.view);
  const last = record?.holder ?? record?.released?.by ?? null;
  const pod = last === null ? null : (parseIdentity(last)?.pod ?? null);
  return pod !== null && pod !== state.start.member;
}

/** The volume hangs, or the last write failed: it could not promote, nor keep a promise. */
export function recordIsStuck(state: MemberState, at: Instant): boolean {
  const { pending, failedAt } = state.record;
  if (failedAt !== null) return true;
  return pending !== null && waiterElapsedMs(pending.at, at) > RECORD_STUCK_MS;
}

export const MAX_SKEW_MS = 500;

export function clockSkewMs(state: MemberState): number {
  // A guard that never spoke would not end Redis either.
  return state.guard === null ? Infinity : Math.abs(state.guard.uptimeSkewMs);
}

function isBanned(state: MemberState, at: Instant): boolean {
  const last = state.hangKills.at(-1);
  if (last === undefined || waiterElapsedMs(last, at) >= HANG_BAN_MS) return false;
  return reports(state).some((report) => report.ineligible === null);
}

function whyTooFar(state: MemberState, config: MemberConfig): string | null {
  const behind = lagBytes(state) ?? 0;
  return behind > config.maxLagBytes ? `${behind} bytes behind, more than maxLagBytes` : null;
}

/**
 * Upstream is the holder's pod, link up, its replid is the holder's, little behind (section 4.3);
 * not with an empty copy, which only lacks its first byte then (4.1).
 * Who is not may lead all the same: a copy that hears nothing may be the only other one.
 */
export function isInSync(state: MemberState, config: MemberConfig): boolean {
  const { info } = state.redis;
  const newest = state.lineage.at(-1);
  if (!redisIsUp(state) || info === null || newest === undefined) return false;
  if (state.lead?.phase === "open") return true;
  if (state.redis.data?.kind === "empty") return false;
  if (!info.linkUp || info.syncing || info.upstream === null || isGate(info.upstream)) return false;
  const holder = promotedHolder(state);
  if (holder === null || !sameAddress(holder.address, info.upstream)) return false;
  if (info.replid !== newest.replid || isStale(state, config)) return false;
  return whyTooFar(state, config) === null;
}

export function sameAddress(a: RedisAddress | null, b: RedisAddress | null): boolean {
  return a !== null && b !== null && a.host === b.host && a.port === b.port;
}

/** The holder that has shown itself promoted, by the slice or by its own report (S9). */
export function promotedHolder(
  state: MemberState,
): { readonly member: MemberName; readonly address: RedisAddress } | null {
  const holder = recordOf(state.election.view)?.holder ?? state.election.holderSeen;
  const parts = holder === null ? null : parseIdentity(holder);
  if (holder === null || parts === null || parts.pod === state.start.member) return null;
  const report = reportFrom(state, parts.pod);
  if (report?.promoted && report.identity === holder) {
    return { member: parts.pod, address: report.address };
  }
  const { seen } = state.slice;
  if (seen?.address == null || seen.holder !== holder) return null;
  if (seen.epoch < state.election.epochSeen) return null;
  return { member: parts.pod, address: seen.address };
}

/** Reports of members that may lead as soon as they reach the API. */
export function ableMembers(state: MemberState): readonly MemberReport[] {
  const listed = listedMembers(state);
  return reports(state).filter(
    (report) => report.ineligible === null && listed.includes(report.member),
  );
}

/** Reports of members that may lead now. */
export function rivals(state: MemberState, config: MemberConfig): readonly MemberReport[] {
  const silentMs = silenceMs(config.renewIntervalMs);
  return ableMembers(state).filter((report) => report.apiAgeMs <= silentMs);
}

export interface Copy {
  readonly member: MemberName;
  readonly position: Position | null;
  readonly priority: number;
}

export type Comparison = (a: Position | null, b: Position | null) => number;

/** How those that answer are compared: by what they claim, unless all were restored. */
export function comparisonOf(state: MemberState): Comparison {
  const all = [ownPosition(state), ...reports(state).map(({ position }) => position)];
  const areRestored = all.every((one) => one === null || one.restored === true);
  const compare = areRestored ? compareRestored : comparePositions;
  return (a, b) => compare(withoutOldLead(state, a), withoutOldLead(state, b));
}

/** Best first: position, then priority, then name (so all members agree). */
export function bestFirst(compare: Comparison): (a: Copy, b: Copy) => number {
  return (a, b) =>
    compare(b.position, a.position) ||
    b.priority - a.priority ||
    ordinalOf(a.member) - ordinalOf(b.member);
}

export function ownCopy(state: MemberState, config: MemberConfig): Copy {
  const { member } = state.start;
  return { member, position: ownPosition(state), priority: config.priority };
}

/**
 * Successor of a planned switchover: in sync is enough, the drain makes all equal (5.1). Of one
 * revision, one whose files are still those of before its full sync comes last: should all
 * processes end now, it would be half a copy, and whoever led before it has handed over.
 */
export function plannedSuccessors(
  state: MemberState,
  config: MemberConfig,
): readonly MemberReport[] {
  const newest = state.pods?.updateRevision ?? null;
  const isNewest = (report: MemberReport): number => Number(report.revision === newest);
  const isSaved = (report: MemberReport): number => Number(report.unsaved !== true);
  return rivals(state, config)
    .filter(
      (report) => report.inSync && !isEnding(state, report) && isStaying(state, report.member),
    )
    .toSorted(
      (a, b) =>
        isNewest(b) - isNewest(a) ||
        isSaved(b) - isSaved(a) ||
        b.priority - a.priority ||
        ordinalOf(a.member) - ordinalOf(b.member),
    );
}

/** By its own word, or by what is known here of its pod: that one's watch may be the later one. */
function isEnding(state: MemberState, { member, terminating }: MemberReport): boolean {
  return terminating || podOf(state, member)?.terminating === true;
}

export function isStaying(state: MemberState, member: MemberName): boolean {
  return state.pods === null || ordinalOf(member) < state.pods.replicas;
}

/** Who should take over from a dead Redis: the best position of those that may lead. */
export function bestRival(
  state: MemberState,
  config: MemberConfig,
  but: readonly MemberName[] = [],
): MemberReport | null {
  const able = rivals(state, config).filter(
    (report) => report.position !== null && !but.includes(report.member),
  );
  return able.toSorted(bestFirst(comparisonOf(state)))[0] ?? null;
}
