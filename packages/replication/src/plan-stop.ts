/**
 * Stopping on purpose: a pod that is deleted, a preStop hook, SIGTERM to the sidecar. The Lease is
 * released only from a Redis that confirmed its demotion or is proven dead; else the process ends
 * without a word to the API (docs/protocol.md, sections 3 and 5.7; red-team U10, U15).
 */
import {
  awaitsAnswer,
  recordOf,
  tryDueInMs,
  viewIsInDoubt,
  waiterElapsedMs,
  type LeaderPosition,
  type Position,
} from "@leasehold/election";
import { release } from "./drafts.ts";
import { abandon, finishRequest } from "./handoff.ts";
import { furthest } from "./lineage.ts";
import { ensureRecord } from "./plan-record.ts";
import { waitsForProxies } from "./proxy-second.ts";
import type { Reason } from "./reason.ts";
import { mayBeWritable, ownPosition } from "./redis-view.ts";
import type { MemberState, StopState } from "./state.ts";
import {
  act,
  announce,
  nextId,
  podOf,
  right,
  set,
  writeLease,
  writePermit,
  type Turn,
} from "./turn.ts";

/** How long SIGTERM may wait for the answer to a release. */
const LAST_WORD_MS = 1500;
/** And for the record of a clean end, which says what this copy has: a disk may be slow. */
const LAST_RECORD_MS = 5000;
const GUARD_WORD_MS = 700;

export function requestStop(turn: Turn): void {
  if (turn.state.stop !== null) return;
  const seq = nextId(turn);
  const stop: StopState = {
    since: turn.at,
    terminatedAt: null,
    reported: false,
    releaseSeq: null,
    ended: false,
    position: null,
    podRead: seq,
    guard: turn.state.guard?.bootId ?? null,
  };
  set(turn, { stop });
  act(turn, { type: "readPods", reason: "stopping", seq });
}

export function planStop(turn: Turn): void {
  const { start, stop } = turn.state;
  const pod = podOf(turn.state, start.member);
  if (stop === null && pod?.uid === start.podUid && pod.terminating) requestStop(turn);
  if (turn.state.stop === null) return;
  reportStopped(turn);
  noteEnd(turn);
  releaseAtEnd(turn);
  exitAtEnd(turn);
  goOn(turn);
}

/**
 * The hook also runs where the kubelet restarts the container alone, and in a pod that is deleted
 * it starts none: a guard of a new life proves that the pod stays.
 */
function goOn(turn: Turn): void {
  const { stop, guard, handoff, start } = turn.state;
  if (stop === null || stop.terminatedAt !== null || guard === null) return;
  if (stop.guard === null) return update(turn, { guard: guard.bootId });
  if (stop.guard === guard.bootId || podOf(turn.state, start.member)?.terminating) return;
  if (handoff !== null && handoff.phase !== "choosing" && handoff.phase !== "leaving") return;
  abandon(turn, "its container was restarted, and its pod stays");
  set(turn, { stop: null });
}

function update(turn: Turn, change: Partial<StopState>): void {
  if (turn.state.stop !== null) set(turn, { stop: { ...turn.state.stop, ...change } });
}

/**
 * The hook may let Redis go once this member does not lead and cannot be written to, and where its
 * copy stands is kept.
 */
function reportStopped(turn: Turn): void {
  const { stop, lead, handoff } = turn.state;
  if (stop === null || stop.reported || lead !== null || mayBeWritable(turn.state)) return;
  const leaves = handoff?.phase === "leaving";
  if (!leaves && (handoff !== null || right(turn) > 0)) return;
  if (!leaves && isStillLedTo(turn, stop)) return;
  update(turn, { reported: true, position: ownPosition(turn.state) });
  act(turn, { type: "reportStopped", reason: "stopping" });
}

/**
 * Until every proxy has taken the address away, clients come here: a demoted Redis refuses them at
 * once, a pod that is gone lets them wait for as long as they wait for a connect.
 */
function isStillLedTo(turn: Turn, stop: StopState): boolean {
  const { cutter } = turn.state;
  return (
    waitsForProxies(turn, stop.since) || (cutter !== null && waitsForProxies(turn, cutter.since))
  );
}

/**
 * Redis ended after that, by itself: its data is complete on disk. Not where it could not write its
 * file (measured: it ends with exit code 0, and without what it had acknowledged last).
 */
function noteEnd(turn: Turn): void {
  const { stop, redis, guard } = turn.state;
  if (stop === null || !stop.reported || !redis.dead || redis.info?.diskOk === false) return;
  const exited = guard?.state === "exited" && guard.pid === redis.process?.pid;
  if (exited && !stop.ended) update(turn, { ended: true });
  if (turn.state.stop?.ended && stop.position !== null) ensureRecord(turn, { clean: true });
}

function releaseAtEnd(turn: Turn): void {
  const { stop, redis } = turn.state;
  if (stop === null || !givesBack(turn)) return;
  // Where a copy that restarted stands is not known, however cleanly it ended.
  const clean = redis.dead && isClean(stop) && stop.position?.restored !== true;
  const wish = { position: lastPosition(turn.state), clean, reason: "release" } as const;
  if (releaseLease(turn, wish)) update(turn, { releaseSeq: turn.state.election.seq });
}

/** Redis is over, or this process is: the Lease is to go back, and no renewal comes before that. */
export function givesBack(turn: Turn): boolean {
  const { stop, redis, handoff, election } = turn.state;
  if (stop === null || election.term === null || mayBeWritable(turn.state)) return false;
  if (election.view.kind !== "present") return false;
  const owes = owesRelease(turn);
  if (right(turn) <= 0 && !owes) return false;
  const isOver = redis.dead && (stop.ended || !mayStillEndCleanly(turn, stop));
  const leaves = (handoff?.phase === "leaving" || owes) && isOver;
  // Once the hook has let Redis go its end is near: the guard's word on it is worth the wait.
  const waits = stop.reported && mayStillEndCleanly(turn, stop);
  return leaves || (stop.terminatedAt !== null && (isOver || (!redis.dead && !waits)));
}

/** Redis ended by itself after a demotion that told where it stood. */
function isClean(stop: StopState): boolean {
  return stop.ended && stop.position !== null;
}

/** The guard's word that Redis ended by itself may be a moment behind its death. */
function mayStillEndCleanly(turn: Turn, stop: StopState): boolean {
  if (!stop.reported) return false;
  const since = stop.terminatedAt;
  return since === null || waiterElapsedMs(since, turn.at) < GUARD_WORD_MS;
}

/**
 * What the demoted Redis held at its end. One that ended before its demotion was confirmed (the
 * grace period was too short) held at least what it had said; one that restarted is measured by
 * the furthest that it was ever seen at, since what it claims itself is a lower bound.
 */
function lastPosition(state: MemberState): Position | null {
  const { position } = state.stop ?? { position: null };
  if (position !== null && !position.restored) return position;
  const known = ownPosition(state) ?? state.record.saved?.position ?? null;
  const told = recordOf(state.election.view)?.position ?? null;
  return furthest(furthest(known, told), state.redis.peak);
}

export interface ReleaseWish {
  readonly position: Position | LeaderPosition | null;
  readonly clean: boolean;
  readonly reason: Reason;
}

/** False: not now. An own try is under way, or nothing proves that Redis is not writable. */
export function releaseLease(turn: Turn, wish: ReleaseWish): boolean {
  const { election } = turn.state;
  const again = owesRelease(turn);
  if (election.term === null || mayBeWritable(turn.state)) return false;
  // One that is gone is created anew by a renewal: a release would compare with nothing.
  if (election.view.kind !== "present") return false;
  if (again ? !isDueAgain(turn) : right(turn) <= 0) return false;
  if (awaitsAnswer(election, turn.at)) return false;
  emptySlice(turn);
  writePermit(turn, { kind: "follow", nonce: turn.state.start.nonce }, wish.reason);
  finishRequest(turn, { done: false, refused: false, words: "the Lease was given back meanwhile" });
  const released = { by: election.me, position: wish.position, clean: wish.clean };
  writeLease(turn, release(turn, released), wish.reason);
  if (!again) announce(turn, wish.reason, { words: "released the Lease" });
  set(turn, { lead: null, handoff: null });
  return true;
}

/**
 * Its release was refused, or got no answer, and the Lease still names this member. The right ended
 * with the first send; but nobody wants the Lease here any more, and who has taken it meanwhile has
 * made another version of it.
 */
function owesRelease({ state }: Turn): boolean {
  const { stop, election } = state;
  const gaveSeq = election.term?.gaveSeq ?? null;
  if (gaveSeq === null || gaveSeq !== stop?.releaseSeq) return false;
  return recordOf(election.view)?.holder === election.me;
}

function isDueAgain({ state, config, at }: Turn): boolean {
  if (viewIsInDoubt(state.election)) return false;
  return tryDueInMs(state.election, config.renewIntervalMs, at) === 0;
}

/** The last holder may empty the address while the Lease still names it. */
function emptySlice(turn: Turn): void {
  const { election, slice, start, lineage, nextId: seq } = turn.state;
  const { seen } = slice;
  if (seen === null || seen.holder !== election.me || seen.address === null) return;
  const { epoch, version } = seen;
  set(turn, { nextId: seq + 1, slice: { ...slice, pending: { seq, epoch, at: turn.at } } });
  const { member } = start;
  const emptied = { epoch, holder: election.me, lineage, address: null, member, version };
  act(turn, { type: "writeSlice", reason: "emptySlice", seq, slice: emptied });
}

function exitAtEnd(turn: Turn): void {
  const { stop, election } = turn.state;
  if (stop === null || stop.terminatedAt === null) return;
  const isSaid = election.tries.some((one) => one.purpose === "release" && one.open);
  // Also without a right: the renewal that wins it back may be under way.
  const holds = election.term !== null && election.term.gaveSeq === null;
  const isOwed = !mayBeWritable(turn.state) && (holds || owesRelease(turn));
  const waiting = isSaid || isOwed;
  const unsaved = isClean(stop) && turn.state.record.saved?.clean !== true;
  const unsaid = !stop.ended && mayStillEndCleanly(turn, stop);
  const longestMs = unsaved ? LAST_RECORD_MS : LAST_WORD_MS;
  const late = waiterElapsedMs(stop.terminatedAt, turn.at) > longestMs;
  if ((waiting || unsaved || unsaid) && !late) return;
  if (turn.actions.some((action) => action.type === "exit")) return;
  act(turn, { type: "exit", reason: "terminate" });
}

/** SIGTERM to the sidecar: released if that is proven safe, else not a word (U10). */
export function terminate(turn: Turn): void {
  requestStop(turn);
  if (turn.state.stop?.terminatedAt === null) update(turn, { terminatedAt: turn.at });
}
