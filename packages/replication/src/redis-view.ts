/**
 * What the answers of the own Redis and its guard mean: which process it is, whether it may be
 * writable, whether it is proven dead, and what its data is worth (docs/protocol.md, sections 3,
 * 4.1 and 6). A closed socket proves nothing; a refused one, the guard's report of this very
 * process, a newer guard or a newer run_id do (red-team U4, second review 3).
 */
import {
  isBehind,
  recordOf,
  waiterElapsedMs,
  type Instant,
  type Position,
} from "@leasehold/election";
import { positionOf } from "./lineage.ts";
import type { GuardObservation, MemberRecord, RedisInfo, RedisObservation } from "./observation.ts";
import type { DataTrust, MemberState, RedisState, RoleState } from "./state.ts";
import { set, type Turn } from "./turn.ts";

/** A probe that was under way when a role command was answered may tell of the time before. */
const STALE_PROBE_MS = 1500;
/** AOF with `everysec`: what was there this long ago has surely reached the disk. */
const FSYNC_MS = 2000;
/** From one question to the next, and until it counts as unanswered. */
const QUESTION_MS = 400;
const SAMPLES = 6;
const SAMPLE_EVERY_MS = 500;
export const GATE = { host: "127.0.0.1", port: 1 } as const;

export function observeRedis(turn: Turn, observation: RedisObservation): void {
  const { redis } = turn.state;
  switch (observation.kind) {
    case "answered":
      return observeInfo(turn, observation.info);
    case "busy":
      return setRedis(turn, { busySince: redis.busySince ?? turn.at, silentSince: null });
    case "silent":
      return setRedis(turn, { silentSince: redis.silentSince ?? silentFrom(turn) });
    case "refused":
      setRedis(turn, { seen: true });
      return redis.process === null ? undefined : proveDead(turn);
  }
}

/**
 * It has said nothing since its last answer; but no longer than a question takes to be given up,
 * since nobody may have asked before.
 */
function silentFrom(turn: Turn): Instant {
  const { infoAt } = turn.state.redis;
  const { monotonicMs, bootMs } = turn.at;
  const sinceMs = infoAt === null ? 0 : waiterElapsedMs(infoAt, turn.at);
  const agoMs = Math.min(QUESTION_MS, Math.max(0, sinceMs));
  return { monotonicMs: monotonicMs - agoMs, bootMs: bootMs - agoMs };
}

export function setRedis(turn: Turn, change: Partial<RedisState>): void {
  set(turn, { redis: { ...turn.state.redis, ...change } });
}

function proveDead(turn: Turn): void {
  if (turn.state.redis.dead) return;
  const role: RoleState = { ...turn.state.redis.role, known: "demoted", pending: [] };
  setRedis(turn, { dead: true, role, silentSince: null, busySince: null, killed: null });
}

function observeInfo(turn: Turn, info: RedisInfo): void {
  const before = turn.state.redis;
  if (before.process?.runId !== info.runId) meetProcess(turn, info);
  else if (before.dead) return;
  setRedis(turn, { info, infoAt: turn.at, silentSince: null, busySince: null, seen: true });
  doubtRole(turn, info);
  if (info.loading) return;
  judgeData(turn, info);
  noteDropped(turn, before.info);
  noteSync(turn, before.info);
  notePeak(turn);
  sample(turn);
}

/** Another process answers: the older one is dead, and this one booted behind the gate. */
function meetProcess(turn: Turn, info: RedisInfo): void {
  const { redis, permit, record } = turn.state;
  const { saved } = record;
  const first = redis.process === null;
  const gated = info.role === "replica" && (!first || permit?.kind !== "lead");
  const known = gated ? "demoted" : "unknown";
  const isSame = first && saved?.runId === info.runId;
  // A process of the sidecar before may have let it follow.
  const mayFollow = isSame && saved.outlived;
  setRedis(turn, {
    process: { runId: info.runId, pid: info.pid },
    // Bound by the guard's next word: its last one may be of a life before (pids repeat).
    guardBootId: null,
    dead: false,
    killed: null,
    data: null,
    coldStart: !(isSame && !saved.cold),
    unsavedSync: isSame && redis.unsavedSync,
    outlivedSince: mayFollow ? turn.at : null,
    role: { known, unsettledSince: null, pending: [], demoteAt: null, doneAt: null },
    samples: [],
  });
}

/** Somebody else changed the role by hand: believed once no answer of ours can be the cause. */
function doubtRole(turn: Turn, info: RedisInfo): void {
  const { role } = turn.state.redis;
  const quiet = role.pending.length === 0 && isOlder(role.doneAt, STALE_PROBE_MS, turn.at);
  if (!quiet) return;
  if (isReplicaForCertain(role) && info.role === "primary") {
    setRedis(turn, { role: { ...role, known: "unknown" } });
  }
  if (role.known === "primary" && info.role === "replica") {
    setRedis(turn, { role: { ...role, known: "demoted" } });
  }
}

function isOlder(then: Instant | null, ageMs: number, at: Instant): boolean {
  return then === null || waiterElapsedMs(then, at) > ageMs;
}

function judgeData(turn: Turn, info: RedisInfo): void {
  const { redis, record, lineage } = turn.state;
  const { data } = redis;
  if (data?.runId !== info.runId) {
    const trust = trustOf(turn, info, record.saved);
    const synced = trust.kind === "live" && info.linkUp;
    // It came while no sidecar looked: what is written anew is not on disk yet.
    const unsavedSync = redis.unsavedSync || (synced && redis.coldStart && info.rewriting);
    setRedis(turn, { data: trust, unsavedSync, coldStart: redis.coldStart && !synced });
    return;
  }
  if (data.kind === "live" || info.syncing || positionOf(info, lineage) === null) return;
  if (followsSource(turn, info) || lacksFirstByte(turn, info)) return;
  // A full sync that ended leaves its upstream's history, whether or not the link is still up.
  const synced = info.linkUp && info.upstream !== null;
  // Mode none loads no file: whatever is in it came by a sync.
  const came = turn.config.mode === "none" && info.keys > 0;
  // A load that failed changes neither; one that ended may find the history that the file had.
  const moved = info.replid !== data.replid || info.offset !== data.offset;
  if (!synced && !came && !moved) return;
  const { runId, replid, offset } = info;
  const unsavedSync = turn.state.redis.unsavedSync || info.rewriting;
  setRedis(turn, { unsavedSync, data: { runId, replid, offset, kind: "live", position: null } });
}

/**
 * What still comes from there is no data of the group, whatever the group began with; but for what
 * the Lease calls the group's, while nobody was promoted on it yet.
 */
function followsSource({ config, state }: Turn, { upstream, replid }: RedisInfo): boolean {
  const { source } = config;
  const newest = state.lineage.at(-1);
  if (source === null || upstream === null) return false;
  if (newest?.moved && newest.replid === replid) return false;
  return source.host === upstream.host && source.port === upstream.port;
}

/**
 * An empty snapshot from the group's first moment goes on from there by a partial sync. Until the
 * first byte comes it has none of a group that had one, whatever its link says.
 */
function lacksFirstByte({ state }: Turn, { keys, offset }: RedisInfo): boolean {
  const { record, election, lineage } = state;
  const told = recordOf(election.view)?.position ?? record.saved?.leaderPosition ?? null;
  const begins = lineage[0]?.startOffset ?? 0;
  return keys === 0 && offset <= begins && told !== null && told.offset > begins;
}

/**
 * A full sync whose load failed. Measured: Redis has dropped its data by then, and goes on with its
 * old replid and offset. At an offset where a replica had keys, it has them, or has lost them.
 */
function noteDropped(turn: Turn, before: RedisInfo | null): void {
  const { data, info } = turn.state.redis;
  if (before === null || info === null || data?.kind !== "live" || info.linkUp) return;
  if (before.runId !== info.runId || info.upstream === null) return;
  const stands = before.replid === info.replid && before.offset === info.offset;
  if (!stands || before.keys === 0 || info.keys > 0) return;
  const { replid, offset } = info;
  setRedis(turn, { data: { ...data, replid, offset, kind: "half", position: null } });
}

/** Until the AOF is written anew, a crash would bring back what the full sync replaced (F2). */
function noteSync(turn: Turn, before: RedisInfo | null): void {
  const { unsavedSync, data, info, outlivedSince } = turn.state.redis;
  if (info === null) return;
  const began = info.syncing || data?.kind === "half" || hasSyncedUnseen(turn, before);
  const over = !info.syncing && !info.rewriting && data?.kind !== "half";
  if (began && !unsavedSync) setRedis(turn, { unsavedSync: true });
  if (!over) return;
  if (unsavedSync) setRedis(turn, { unsavedSync: false });
  if (outlivedSince !== null && data?.kind === "live") setRedis(turn, { outlivedSince: null });
}

/**
 * A full sync may fit between two looks; only that its files are written anew is seen then. It ends
 * a rewrite that was under way, so that one at both looks says nothing else.
 */
function hasSyncedUnseen({ state }: Turn, before: RedisInfo | null): boolean {
  const { data, info } = state.redis;
  if (before === null || info === null || before.runId !== info.runId) return false;
  const wasAway = !before.linkUp || before.loading;
  return data?.kind === "live" && info.rewriting && wasAway && info.linkUp;
}

/** What a process that this sidecar has not judged yet brings (section 4.1; red-team U12). */
function trustOf(turn: Turn, info: RedisInfo, record: MemberRecord | null): DataTrust {
  const { runId, replid, offset } = info;
  const trust = (kind: DataTrust["kind"], position: Position | null): DataTrust => {
    return { runId, replid, offset, kind, position };
  };
  const known = positionOf(info, turn.state.lineage) !== null && !followsSource(turn, info);
  // A predecessor of this sidecar has judged this very process: no position means nothing in it.
  const judged = record?.runId === runId && record.position !== null;
  if (known && info.linkUp && !lacksFirstByte(turn, info)) return trust("live", null);
  if (known && judged) return trust(record.cold ? "saved" : "live", null);
  // Promoted by a predecessor that died before anybody knew of it: no write was ever let in.
  if (judged && isOwnBranch(info)) return trust("exact", record.position);
  if (turn.config.mode === "none" && info.keys > 0) return trust(known ? "live" : "half", null);
  if (record === null || turn.config.mode === "none") return trust("empty", null);
  if (record.syncing) return trust("half", null);
  if (info.keys === 0 && record.keys > 0) return trust("empty", null);
  const stillEmpty = info.keys === 0 && record.keys === 0 && !known;
  const isSnapshot = turn.config.mode === "rdb" && !stillEmpty;
  if (isSnapshot) return trust(record.clean ? "live" : "saved", null);
  const { clean, outlived } = record;
  if (clean && record.position !== null && !outlived) return trust("exact", record.position);
  const restored = restoredPosition(record, runId);
  return restored === null ? trust("empty", null) : trust("restored", restored);
}

/**
 * What a process that finds this AOF may claim: a lower bound of what is on this disk, which has
 * been as it is for longer if it was outlived. Null: the record knows of none.
 */
function restoredPosition(record: MemberRecord, runId: string | null): Position | null {
  const { durablePosition: durable, position } = record;
  // No fsync can be proven: below every other copy of that epoch.
  const bound = durable ?? (position === null ? null : { ...position, offset: 0 });
  if (bound === null) return null;
  const { epoch, offset, replid } = bound;
  const restored = { epoch, offset, replid, restored: true };
  // Of this very process the record tells what it brought, and what may have come since.
  const isSame = runId !== null && record.runId === runId;
  if (isSame ? position?.outlived : record.outlived) return { ...restored, outlived: true };
  const led = record.leads && position !== null ? ledWith(record, position) : position?.led;
  return led ? { ...restored, led } : restored;
}

/** The epoch that it led under may have no byte yet. */
function ledWith({ lineage }: MemberRecord, { epoch, offset }: Position): Position["led"] {
  return { epoch: Math.max(epoch, lineage.at(-1)?.epoch ?? 0), offset };
}

/** What a Redis that is not there yet will be believed, at least. */
export function foundOnDisk(state: MemberState): Position | null {
  const { saved } = state.record;
  if (saved === null) return null;
  if (saved.clean && !saved.outlived && saved.position !== null) return saved.position;
  return withoutOldLead(state, restoredPosition(saved, null));
}

/**
 * Who led counts for more while nobody led after it: a leader that was succeeded may have an
 * abandoned tail, and its record says nothing of that.
 */
export function withoutOldLead(
  { lineage }: MemberState,
  position: Position | null,
): Position | null {
  if (position?.led === undefined) return position;
  const { led, ...claimed } = position;
  // A leader that took a newer epoch goes on under its replid.
  const replid = lineage.find(({ epoch }) => epoch === led.epoch)?.replid;
  const isOld = lineage.some((one) => one.epoch > led.epoch && one.replid !== replid);
  return isOld ? claimed : position;
}

/** This disk is that of who led, and the other copy ranks below what it will be found to be. */
export function isBelowDisk(
  state: MemberState,
  other: Position | null,
  compare: (a: Position | null, b: Position | null) => number,
): boolean {
  const { saved } = state.record;
  if (saved === null || saved.mode !== "aof" || saved.syncing || !other?.restored) return false;
  if (saved.clean && !saved.outlived) return !isBehind(saved.position, other);
  const found = foundOnDisk(state);
  return found?.led !== undefined && compare(other, found) < 0;
}

/** What a restored copy claims is a lower bound; what others may not be behind is this one. */
function notePeak(turn: Turn): void {
  const { peak } = turn.state.redis;
  const position = ownPosition(turn.state);
  if (position === null || position.restored || !isBehind(peak, position)) return;
  setRedis(turn, { peak: position });
}

function sample(turn: Turn): void {
  const { samples, info } = turn.state.redis;
  const isForeign = info?.linkUp === true && positionOf(info, turn.state.lineage) === null;
  if (isForeign) return setRedis(turn, { samples: [] });
  const last = samples.at(-1);
  if (last !== undefined && waiterElapsedMs(last.at, turn.at) < SAMPLE_EVERY_MS) return;
  const position = ownPosition(turn.state);
  if (position === null) return;
  setRedis(turn, { samples: [...samples, { at: turn.at, position }].slice(-SAMPLES) });
}

export function observeGuard(turn: Turn, guard: GuardObservation): void {
  const { redis } = turn.state;
  set(turn, { guard });
  if (redis.process === null || redis.dead) return;
  if (redis.guardBootId === null) {
    const runs = guard.state === "running" && guard.pid === redis.process.pid;
    return runs ? setRedis(turn, { guardBootId: guard.bootId }) : undefined;
  }
  if (guard.bootId !== redis.guardBootId) return proveDead(turn);
  const ended = guard.state === "exited" || guard.state === "killed";
  if (ended && guard.pid === redis.process.pid) proveDead(turn);
}

/**
 * How far the own copy reaches; null: empty, half, unknown, or no answer. While a full sync is on
 * its way it is what it was before: Redis drops its data only to load what has come.
 */
export function ownPosition(state: MemberState): Position | null {
  const { redis, lineage } = state;
  const { data, info } = redis;
  if (redis.dead || info === null || data === null || data.runId !== info.runId) return null;
  if (info.loading) return null;
  if (data.kind !== "live" && data.kind !== "saved") return data.position;
  const position = positionOf(info, lineage);
  if (position !== null || !isOwnBranch(info)) return position;
  return redis.samples.at(-1)?.position ?? null;
}

/** It restarted after no clean end: its last bytes may be missing, whatever it is compared with. */
export function mayLackTail(state: MemberState): boolean {
  return state.redis.data?.kind === "saved" || ownPosition(state)?.restored === true;
}

/**
 * An unknown replid that continues another: promoted by this member, but never published, so no
 * write was let in since. (A full sync from a stranger leaves no second history.)
 */
function isOwnBranch(info: RedisInfo): boolean {
  return !info.linkUp && info.replid2 !== null;
}

/** What a restart after a power loss surely still has. Null: no more than was known before. */
export function durablePosition(state: MemberState, at: Instant): Position | null {
  const { info, infoAt, samples } = state.redis;
  if (info?.diskOk === false) return null;
  // A process that has ended, or stands still, calls fsync no more.
  const until = infoAt ?? at;
  const old = samples.filter((one) => waiterElapsedMs(one.at, until) >= FSYNC_MS);
  return old.at(-1)?.position ?? null;
}

/** True unless Redis is proven dead or confirmed its demotion. */
export function mayBeWritable(state: MemberState): boolean {
  const { redis } = state;
  if (redis.process === null) return !redis.seen && state.permit?.kind === "lead";
  return !redis.dead && redis.role.known !== "demoted";
}

/** Also while nothing may be built on it, since an unanswered `follow` may still run. */
export function isReplicaForCertain({ known }: RoleState): boolean {
  return known === "demoted" || known === "unsettled";
}

export function redisIsUp(state: MemberState): boolean {
  const { redis } = state;
  if (redis.process === null || redis.dead || redis.silentSince !== null) return false;
  return redis.info !== null && !redis.info.loading && redis.data !== null;
}

export function isGate(upstream: { readonly host: string; readonly port: number } | null): boolean {
  return upstream !== null && upstream.host === GATE.host && upstream.port === GATE.port;
}
