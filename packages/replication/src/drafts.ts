/**
 * What is written: the Lease's next record, the member's record file, the slice. Each is derived
 * from the state alone.
 */
import {
  listsInForce,
  recordOf,
  type Draft,
  type Epoch,
  type Handover,
  type LeaderPosition,
  type LeaseRecord,
  type LineageEntry,
  type MemberName,
  type MemberNote,
  type Position,
  type Released,
} from "@leasehold/election";
import { isPaused } from "./control.ts";
import type { SliceWrite } from "./action.ts";
import {
  isOutdatedView,
  listedMembers,
  ordinalOf,
  promotedHolder,
  reportFrom,
  reports,
  sameAddress,
} from "./members.ts";
import type { MemberRecord, MemberReport, PersistenceMode } from "./observation.ts";
import { durablePosition, isGate, ownPosition } from "./redis-view.ts";
import { awaitsSource, followsSource, sharesCopy } from "./source-view.ts";
import type { MemberState } from "./state.ts";
import { otherPeers, type Turn } from "./turn.ts";
import { betterUnlisted } from "./unlisted.ts";

/** A hand-over takes one epoch; somebody may have used another one in between. */
const RESERVED_EPOCHS = 3;

type RecordDraft = Omit<LeaseRecord, "attempt">;

/** Above everything that anybody knows of. */
export function nextEpoch(state: MemberState): Epoch {
  const { epochSeen, epochHeard } = state.election;
  const slice = state.slice.seen?.epoch ?? 0;
  return Math.max(epochSeen, epochHeard, slice, state.promotedEpoch) + 1;
}

/** A renewal takes a new epoch before a promotion, or when it meets a higher one. */
export function wantsNewEpoch(state: MemberState): boolean {
  const { term, epochHeard } = state.election;
  const { lead, handoff, promotedEpoch } = state;
  if (term === null) return false;
  if (Math.max(epochHeard, state.slice.seen?.epoch ?? 0) > term.epoch) return true;
  if (term.epoch > promotedEpoch) return false;
  if (handoff !== null) return handoff.phase === "settling";
  return lead === null || lead.phase === "won" || lead.phase === "recording";
}

/** With `moved` it makes that the group's history, which has none. */
export function renewal(turn: Turn, moved?: LineageEntry): Draft {
  const { state } = turn;
  const epoch = wantsNewEpoch(state) ? nextEpoch(state) : (state.election.term?.epoch ?? 0);
  const record = { ...baseDraft(turn), epoch };
  if (moved === undefined) return { purpose: "renew", record };
  const position = movedPosition(state, moved) ?? record.position;
  return { purpose: "renew", record: { ...record, lineage: [moved], position } };
}

/** Without `handover` and `released`: the first write of a new holder removes both (5.5). */
export function acquisition(turn: Turn, accepted: Handover | null): Draft {
  const { state } = turn;
  const before = recordOf(state.election.view);
  const epoch = accepted === null ? nextEpoch(state) : (before?.epoch ?? nextEpoch(state));
  const transitions = (before?.transitions ?? -1) + 1;
  return { purpose: "acquire", record: { ...baseDraft(turn), epoch, transitions } };
}

export function transfer(turn: Turn, handover: Handover): Draft {
  const { state } = turn;
  const base = baseDraft(turn);
  return {
    purpose: "transfer",
    record: {
      ...base,
      holder: handover.to,
      epoch: nextEpoch(state),
      transitions: base.transitions + 1,
      handover,
    },
  };
}

export function release(turn: Turn, released: Released): Draft {
  const epoch = nextEpoch(turn.state);
  return {
    purpose: "release",
    record: { ...baseDraft(turn), holder: null, epoch, released },
  };
}

function baseDraft(turn: Turn): RecordDraft {
  const { state, config } = turn;
  const before = recordOf(state.election.view);
  return {
    holder: state.election.me,
    durationMs: config.leaseDurationMs,
    transitions: before?.transitions ?? 0,
    epoch: 0,
    lineage: state.lineage,
    members: memberNotes(turn),
    position: leaderPosition(state) ?? before?.position ?? null,
    handover: null,
    released: null,
    paused: state.lead === null ? (before?.paused ?? false) : isPaused(turn),
  };
}

/** So far the source had been written when it was closed: nobody leads with less. */
function movedPosition(state: MemberState, moved: LineageEntry): LeaderPosition | null {
  const { cutover, redis } = state;
  if (!cutover?.stood) return null;
  const { replid, offset } = cutover.stood;
  return { epoch: moved.epoch, offset, replid, runId: redis.process?.runId ?? "" };
}

/** Only a primary that is open (or about to be) moves the position that others are measured by. */
function leaderPosition(state: MemberState): LeaderPosition | null {
  const { lead, redis } = state;
  if (lead === null || redis.info === null || redis.role.known !== "primary") return null;
  if (lead.phase !== "open" && lead.phase !== "publishing") return null;
  const position = ownPosition(state);
  return position === null ? null : { ...position, runId: redis.info.runId };
}

/** No Redis of this process has answered: what the one before left, cleanly, is still that. */
function isAsFound({ redis, record }: MemberState): boolean {
  return redis.data === null && record.saved?.clean === true;
}

/**
 * An open primary whose bytes are on its disk. One that died is still what it was, until somebody
 * else leads.
 */
function isOpen(state: MemberState): boolean {
  const { redis, record } = state;
  const { saved } = record;
  const { info } = redis;
  if (leaderPosition(state) !== null) return info?.diskOk !== false;
  const isLast = state.lineage.at(-1)?.replid === saved?.lineage.at(-1)?.replid;
  if (saved?.leads !== true || !isLast || promotedHolder(state) !== null) return false;
  if (redis.data === null || redis.dead) return true;
  // Fenced, or its sidecar restarted: this very process led, and follows nobody.
  const follows = info?.upstream != null && !isGate(info.upstream);
  return (
    info?.runId === saved.runId &&
    info.replid === state.lineage.at(-1)?.replid &&
    !follows &&
    info.diskOk
  );
}

/** The list of the next record. One name changes per PUT, the next after its confirmation (U8). */
export function memberNotes(turn: Turn): Readonly<Record<MemberName, MemberNote>> {
  const { state } = turn;
  const listed = listInForce(state);
  const isMeasure = state.lead?.phase === "open" || gathers(turn);
  if (!isMeasure && !callsUnlisted(turn)) return listed;
  const names = nextNames(turn, Object.keys(listed));
  // Only where this member has all that there is can it say what others have at most.
  const note = (name: MemberName): MemberNote =>
    (isMeasure ? undefined : listed[name]) ?? noteOf(state, name, listed[name]);
  return Object.fromEntries(names.map((name) => [name, note(name)]));
}

/**
 * The Lease's list; where it has none (deleted, edited, new) the list that was last in force, so
 * that nobody who may lead is forgotten when promises are asked; at least this member.
 */
function listInForce(state: MemberState): Readonly<Record<MemberName, MemberNote>> {
  const listed = recordOf(state.election.view)?.members ?? {};
  if (Object.keys(listed).length > 0 && !isOutdatedView(state)) return listed;
  const known = state.lineage.length > 0 ? listedMembers(state) : [];
  const names = new Set([...known, state.start.member]);
  const unknown: MemberNote = { attached: false, position: null };
  return Object.fromEntries([...names].map((name) => [name, listed[name] ?? unknown]));
}

function nextNames(turn: Turn, listed: readonly MemberName[]): readonly MemberName[] {
  const { state } = turn;
  if (state.election.tries.length > 0) return listed;
  const leaving = callsUnlisted(turn) ? undefined : listed.find((name) => isLeaving(state, name));
  if (leaving !== undefined) return listed.filter((name) => name !== leaving);
  const joining = joiningMember(turn, listed);
  return joining !== null && isDurable(state, joining) ? [...listed, joining] : listed;
}

/** Follows a source, and those who follow with it. */
function gathers({ state, config }: Turn): boolean {
  return state.lead !== null && awaitsSource(state, config);
}

/** A holder that lacks what somebody has who is not on the list: that one joins, and may lead. */
export function callsUnlisted(turn: Turn): boolean {
  const { state, config } = turn;
  if (state.lead?.phase !== "won" || gathers(turn)) return false;
  return betterUnlisted(state, config) !== null;
}

/**
 * The next one in sync that is not listed. It joins once the record has its name. Where a source is
 * followed nobody is in sync yet: whoever has the holder's copy joins, and the holder himself, who
 * may have come by force.
 */
export function joiningMember(turn: Turn, listed: readonly MemberName[]): MemberName | null {
  const { state, config } = turn;
  const me = state.start.member;
  if (gathers(turn) && mayJoin(state, listed, me)) return me;
  if (callsUnlisted(turn)) {
    const better = betterUnlisted(state, config)?.member ?? null;
    return better !== null && mayJoin(state, listed, better) ? better : null;
  }
  const isWhole = followsSource(state, config);
  const joins = (report: MemberReport): boolean =>
    report.inSync || (isWhole && sharesCopy(state, report));
  const joining = reports(state).find(
    (report) => joins(report) && mayJoin(state, listed, report.member),
  );
  return joining?.member ?? null;
}

export function isDurable(state: MemberState, name: MemberName): boolean {
  const { saved } = state.record;
  return [...(saved?.members ?? []), ...(saved?.membersSent ?? [])].includes(name);
}

function isLeaving(state: MemberState, name: MemberName): boolean {
  if (name === state.start.member) return false;
  if (state.control?.forgotten.includes(name)) return true;
  return state.pods !== null && ordinalOf(name) >= state.pods.replicas;
}

function mayJoin(state: MemberState, listed: readonly MemberName[], name: MemberName): boolean {
  return !listed.includes(name) && !isLeaving(state, name);
}

function noteOf(state: MemberState, name: MemberName, before: MemberNote | undefined): MemberNote {
  if (name === state.start.member) return { attached: true, position: ownPosition(state) };
  const report = reportFrom(state, name);
  // What it said may be R old, or it is silent: its Redis may be attached and confirm writes.
  const mayFollow = hasUnknownReplica(state);
  if (report === null) {
    // It may have got all that was written until its link was seen down.
    const mayHaveAll = mayFollow || before?.attached === true;
    const reached = mayHaveAll ? ownPosition(state) : (before?.position ?? null);
    return { attached: mayFollow, position: reached };
  }
  const follows = report.inSync || sameAddress(report.follows, state.start.address);
  return { attached: follows || mayFollow, position: report.position ?? before?.position ?? null };
}

/** The primary feeds more replicas than there are members that say they follow it. */
function hasUnknownReplica(state: MemberState): boolean {
  const answering = Object.values(state.peers).filter(
    (peer) => peer.answered && peer.report?.follows != null,
  );
  return (state.redis.info?.connectedReplicas ?? 0) > answering.length;
}

/** True if the list would change: a renewal should not wait for its turn. */
export function listWillChange(turn: Turn): boolean {
  const listed = Object.keys(recordOf(turn.state.election.view)?.members ?? {});
  const next = Object.keys(memberNotes(turn));
  return next.length !== listed.length || next.some((name) => !listed.includes(name));
}

export function recordDraft(turn: Turn): MemberRecord {
  const { state, config, at } = turn;
  const { saved } = state.record;
  const { info, data } = state.redis;
  const view = recordOf(state.election.view);
  // A Redis that is down or loading has not lost what its record says.
  const lost = data?.kind === "empty" || data?.kind === "half";
  const last = state.stop?.position ?? saved?.position ?? null;
  const position = ownPosition(state) ?? cutoverPosition(state) ?? (lost ? null : last);
  const durable = durablePosition(state, at) ?? data?.position ?? saved?.durablePosition ?? null;
  const epoch = Math.max(state.election.epochSeen, state.election.term?.epoch ?? 0);
  const inForce = listsInForce(state.election);
  const listed = isOutdatedView(state) ? [] : Object.keys(view?.members ?? {});
  return {
    runId: data === null ? (saved?.runId ?? null) : (info?.runId ?? null),
    cold: data === null ? (saved?.cold ?? true) : state.redis.coldStart,
    mode: config.mode,
    keys: knowsKeys(state) ? (info?.keys ?? 0) : (saved?.keys ?? 0),
    epoch,
    // Who stops promotes nothing any more, so nothing stays reserved.
    reservedEpoch: state.stop === null ? epoch + RESERVED_EPOCHS : epoch,
    lineage: state.lineage,
    position,
    durablePosition: lost ? null : durable,
    clean: isAsFound(state) || (state.stop?.ended === true && state.stop.position !== null),
    syncing: isSyncing(turn),
    outlived: data === null ? (saved?.outlived ?? false) : isOutlived(state),
    leads: isOpen(state),
    members: listed.length > 0 ? listed : (saved?.members ?? []),
    membersSent: inForce.length > 0 ? inForce : (saved?.membersSent ?? []),
    holder: state.election.holderSeen,
    leaderPosition: view?.position ?? saved?.leaderPosition ?? null,
    addresses: knownAddresses(state),
  };
}

/**
 * What was lost stays on record until a sync: an empty member must not forget that it is one. A
 * replica that loads what a full sync brought has dropped its keys, and none of the new ones yet.
 */
function knowsKeys({ redis }: MemberState): boolean {
  const { info, data } = redis;
  if (data === null || data.kind === "empty" || data.kind === "half") return false;
  return info !== null && !info.loading;
}

/**
 * A copy of a source that is about to be the group's is in no lineage yet. A process that dies from
 * here on must not leave a record by which the group's only copy counts as empty.
 */
function cutoverPosition({ cutover, redis }: MemberState): Position | null {
  const { info } = redis;
  const entry = cutover?.entry ?? null;
  if (entry === null || info === null || redis.dead || info.replid !== entry.replid) return null;
  return { epoch: entry.epoch, offset: info.offset, replid: info.replid };
}

/** What is on disk stays what it is while no Redis says what it brought. */
function isSyncing({ state, config }: Turn): boolean {
  if (cutoverPosition(state) !== null) return false;
  const found = state.redis.data === null && state.record.saved?.syncing === true;
  return found || isSyncUnsaved(state, config.mode);
}

/** Half a data set, or a whole one whose files are still those of the time before the sync. */
export function isSyncUnsaved({ redis }: MemberState, mode: PersistenceMode): boolean {
  return redis.data?.kind === "half" || (redis.unsavedSync && mode === "aof");
}

/** It brought such a copy itself, or follows, and its files are not known to be written anew. */
function isOutlived({ redis }: MemberState): boolean {
  return redis.outlivedSince !== null || redis.data?.position?.outlived === true;
}

/** Where the others were last seen: without the API nothing else tells a restarted sidecar. */
function knownAddresses(state: MemberState): MemberRecord["addresses"] {
  const { saved } = state.record;
  if (state.pods === null) return saved?.addresses ?? {};
  const seen = otherPeers(state).map(({ member, host, peerPort }) => [member, { host, peerPort }]);
  return Object.fromEntries(seen) as MemberRecord["addresses"];
}

/** Null: not this member's to write. */
export function sliceDraft(state: MemberState): Omit<SliceWrite, "version"> | null {
  const { lead, start, election } = state;
  if (lead === null || (lead.phase !== "publishing" && lead.phase !== "open")) return null;
  return {
    epoch: lead.epoch,
    holder: election.me,
    lineage: state.lineage,
    address: start.address,
    member: start.member,
  };
}
