/**
 * Stopping on purpose: a pod that is deleted, a preStop hook, SIGTERM to the sidecar. The Lease is
 * released only from a Redis that confirmed its demotion or is proven dead; else the process ends
 * without a word to the API (docs/protocol.md, sections 3 and 5.7; red-team U10, U15).
 */
import { waiterElapsedMs, type LeaderPosition, type Position } from "@leasehold/election";
import { release } from "./drafts.ts";
import { ensureRecord } from "./plan-record.ts";
import type { Reason } from "./reason.ts";
import { mayBeWritable, ownPosition } from "./redis-view.ts";
import type { MemberState, StopState } from "./state.ts";
import { act, announce, podOf, right, set, writeLease, type Turn } from "./turn.ts";

/** How long SIGTERM may wait for the answer to a release. */
const LAST_WORD_MS = 1500;

export function requestStop(turn: Turn): void {
  if (turn.state.stop !== null) return;
  const stop: StopState = { since: turn.at, terminated: false, reported: false, ended: false };
  set(turn, { stop });
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
}

function update(turn: Turn, change: Partial<StopState>): void {
  if (turn.state.stop !== null) set(turn, { stop: { ...turn.state.stop, ...change } });
}

/** The hook may let Redis go once this member does not lead and cannot be written to. */
function reportStopped(turn: Turn): void {
  const { stop, lead, handoff } = turn.state;
  if (stop === null || stop.reported || lead !== null || mayBeWritable(turn.state)) return;
  if (handoff !== null && handoff.phase !== "leaving") return;
  update(turn, { reported: true });
  act(turn, { type: "reportStopped", reason: "stopping" });
}

/** Redis ended after that, by itself: its data is complete on disk. */
function noteEnd(turn: Turn): void {
  const { stop, redis, guard } = turn.state;
  if (stop === null || !stop.reported || !redis.dead) return;
  const exited = guard?.state === "exited" && guard.pid === redis.process?.pid;
  if (exited && !stop.ended) update(turn, { ended: true });
  if (turn.state.stop?.ended) ensureRecord(turn, { clean: true });
}

function releaseAtEnd(turn: Turn): void {
  const { stop, redis, handoff } = turn.state;
  if (stop === null || handoff?.phase !== "leaving") return;
  const over = stop.ended || (stop.terminated && !mayBeWritable(turn.state));
  if (!over || !redis.dead) return;
  releaseLease(turn, { position: lastPosition(turn.state), clean: stop.ended, reason: "release" });
}

/** What the demoted Redis held at its end. */
function lastPosition(state: MemberState): Position | null {
  return ownPosition(state) ?? state.record.saved?.position ?? null;
}

export interface ReleaseWish {
  readonly position: Position | LeaderPosition | null;
  readonly clean: boolean;
  readonly reason: Reason;
}

export function releaseLease(turn: Turn, wish: ReleaseWish): void {
  const { election, slice, start } = turn.state;
  if (right(turn) <= 0 || election.term === null || mayBeWritable(turn.state)) return;
  const released = { by: election.me, position: wish.position, clean: wish.clean };
  const { seen } = slice;
  if (seen !== null && seen.holder === election.me && seen.address !== null) {
    const emptied = {
      epoch: seen.epoch,
      holder: election.me,
      lineage: turn.state.lineage,
      address: null,
      member: start.member,
      version: seen.version,
    };
    const seq = turn.state.nextId;
    set(turn, {
      nextId: seq + 1,
      slice: { ...slice, pending: { seq, epoch: seen.epoch, at: turn.at } },
    });
    act(turn, { type: "writeSlice", reason: "emptySlice", seq, slice: emptied });
  }
  writeLease(turn, release(turn, released), wish.reason);
  announce(turn, wish.reason, { words: "released the Lease" });
  set(turn, { lead: null, handoff: null });
}

function exitAtEnd(turn: Turn): void {
  const { stop, election } = turn.state;
  if (stop === null || !stop.terminated) return;
  const waiting = election.tries.some((one) => one.purpose === "release" && one.open);
  const late = waiterElapsedMs(stop.since, turn.at) > LAST_WORD_MS;
  const unsaved = stop.ended && turn.state.record.saved?.clean !== true;
  if ((waiting || unsaved) && !late) return;
  if (turn.actions.some((action) => action.type === "exit")) return;
  act(turn, { type: "exit", reason: "terminate" });
}

/** SIGTERM to the sidecar: released if that is proven safe, else not a word (U10). */
export function terminate(turn: Turn): void {
  requestStop(turn);
  update(turn, { terminated: true });
  const { election, redis } = turn.state;
  if (election.term === null || mayBeWritable(turn.state)) return;
  const position = lastPosition(turn.state);
  const clean = redis.dead && (turn.state.stop?.ended ?? false);
  releaseLease(turn, { position, clean, reason: "release" });
}
