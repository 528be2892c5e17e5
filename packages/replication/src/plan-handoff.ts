/**
 * Leaving the lead on purpose, or because the own Redis died: why, and to whom (docs/protocol.md,
 * sections 5.1 and 6). The steps from there on are in handoff-steps.ts.
 */
import { isPaused } from "./control.ts";
import { abandon, beginHandoff, finishRequest, refuse, updateHandoff } from "./handoff.ts";
import {
  backOut,
  planSettling,
  planStep,
  planTransferring,
  sendTransfer,
} from "./handoff-steps.ts";
import { waiterElapsedMs } from "@leasehold/election";
import { TURN_MS } from "./judge.ts";
import { bestRival, comparisonOf, plannedSuccessors, reportFrom } from "./members.ts";
import type { MemberReport, RedisProcess } from "./observation.ts";
import { demoteSurely } from "./plan-fence.ts";
import { askPeers, isFreshSince } from "./plan-poll.ts";

import { GRACE_RESERVE_MS, waitsForProxies } from "./proxy-second.ts";
import { isBelowDisk, mayBeWritable } from "./redis-view.ts";
import type { Handoff, MemberState } from "./state.ts";
import { act, announce, podOf, right, role, set, type Turn } from "./turn.ts";

const ASK_TIMEOUT_MS = 150;
const ASK_AGAIN_MS = 200;
/** Clients were told of the pause, and hold their writes back for as long as it was to last. */
const PAUSE_AGAIN_MS = 1000;
/** Files are not waited for so near the end: a pause may be refused, and tried again. */
const HAND_OVER_MS = 3000;

export function planHandoff(turn: Turn): void {
  begin(turn);
  switch (turn.state.handoff?.phase) {
    case "choosing":
      return planChoosing(turn);
    case "pausing":
    case "draining":
    case "demoting":
    case "comparing":
      return planStep(turn);
    case "transferring":
      return planTransferring(turn);
    case "settling":
      return planSettling(turn);
    case "leaving":
    case undefined:
      return;
  }
}

/** What makes a leader leave, most urgent first. */
function begin(turn: Turn): void {
  const { lead, handoff, redis, stop } = turn.state;
  if (redis.process !== null && redis.dead && diesNow(turn.state)) {
    return leaveDead(turn, redis.process);
  }
  if (handoff !== null && stop !== null) dropWaiting(turn, handoff);
  if (turn.state.handoff !== null) return;
  const stops = stop !== null && right(turn) > 0;
  if (stops && (lead === null || lead.phase === "open")) {
    return beginHandoff(turn, { cause: "stop", to: null, request: null });
  }
  if (lead?.phase === "open") beginRequested(turn);
}

/** Who stops has less time, and hands over to whoever is ready. */
function dropWaiting(turn: Turn, { phase, request, waitsFor }: Handoff): void {
  if (phase !== "choosing" || request === null || waitsFor === null) return;
  refuse(turn, request.id, `its pod stops, and ${waitsFor} was waited for`);
}

/** The Redis that led is gone: whoever has the best copy takes over at once. */
export function leaveDead(turn: Turn, process: RedisProcess): void {
  const { stop } = turn.state;
  announce(turn, "redisDied", { words: `its Redis (pid ${process.pid}) is dead` });
  finishRequest(turn, { done: false, refused: false, words: "its Redis died meanwhile" });
  set(turn, { lead: null, handoff: null, offeredAfterDeath: process.runId });
  if (isPaused(turn) && stop === null) return;
  beginHandoff(turn, { cause: "redisDied", to: null, request: null });
}

/** Once for each process that dies: afterwards the holder is a candidate like every other (4.2). */
function diesNow(state: MemberState): boolean {
  const { lead, handoff, redis, offeredAfterDeath } = state;
  if (redis.process?.runId === offeredAfterDeath) return false;
  const given = ["transferring", "settling", "leaving"];
  if (handoff !== null && given.includes(handoff.phase)) return false;
  return lead !== null || handoff !== null;
}

function beginRequested(turn: Turn): void {
  const { control, handledRequest, start } = turn.state;
  const request = control?.request ?? null;
  if (request === null || request.id === handledRequest) return;
  set(turn, { handledRequest: request.id });
  if (request.kind === "cutover") {
    return answerLateCutover(turn, request.id);
  }
  const words = `switchover to ${request.to ?? "any member"} was requested`;
  announce(turn, "switchoverRequested", { words });
  beginHandoff(turn, { cause: "request", to: request.to, request });
  if (request.to !== start.member) return;
  finishRequest(turn, { done: true, refused: false, words: "it leads already" });
  set(turn, { handoff: null });
}

/** Nothing was refused: who asks again after a crash must not open the source beside a leader. */
function answerLateCutover(turn: Turn, requestId: string): void {
  const words = "the group leads already: leave the source closed";
  announce(turn, "cutoverRefused", { words });
  const result = { done: false, refused: false, words };
  act(turn, { type: "finishRequest", reason: "cutoverRefused", requestId, result });
}

function planChoosing(turn: Turn): void {
  const { handoff, lead } = turn.state;
  if (handoff === null) return;
  if (right(turn) <= 0) return abandon(turn, "the right to lead ended meanwhile");
  if (handoff.cause === "stop" && lead !== null && waitsWithOpenWrites(turn)) return;
  const since = handoff.askAgainAt ?? handoff.since;
  if (since.monotonicMs > turn.at.monotonicMs) return;
  if (!isFreshSince(turn, since)) return askPeers(turn, ASK_TIMEOUT_MS, since);
  if (isWithdrawn(turn.state, handoff)) {
    return refuse(turn, handoff.request?.id ?? "", "it was withdrawn");
  }
  const chosen = chooseSuccessor(turn, handoff);
  if (chosen === null) return planNoSuccessor(turn, handoff);
  if (chosen.unsaved === true && mayWaitForFiles(turn, handoff)) {
    return waitForFiles(turn, handoff, chosen);
  }
  choose(turn, handoff, chosen);
}

/** A late watch brings a wish and its withdrawal together: the second word comes first. */
function isWithdrawn({ control }: MemberState, { request }: Handoff): boolean {
  return request !== null && control?.request?.id !== request.id;
}

function choose(turn: Turn, handoff: Handoff, chosen: MemberReport): void {
  const { member, identity, replid, position } = chosen;
  const successor = { member, identity, replid: replid ?? "", offset: position?.offset ?? 0 };
  const { lead, redis } = turn.state;
  if (handoff.cause === "redisDied" || handoff.cause === "betterCopy" || redis.dead) {
    if (mayBeWritable(turn.state)) return;
    updateHandoff(turn, { successor });
    return sendTransfer(turn);
  }
  if (lead === null) return demoteFirst(turn, successor);
  const pausedAt = turn.at;
  updateHandoff(turn, { phase: "pausing", successor, since: turn.at, awaiting: null, pausedAt });
  role(turn, { kind: "pause", pauseMs: turn.config.maxPauseMs }, "transferSwitchover");
}

/** A holder that stops and does not lead: nobody writes here, so there is nothing to pause. */
function demoteFirst(turn: Turn, successor: NonNullable<Handoff["successor"]>): void {
  if (turn.state.redis.process === null) return;
  if (mayBeWritable(turn.state)) return demoteSurely(turn, "stopping");
  updateHandoff(turn, { phase: "demoting", successor, since: turn.at, awaiting: null });
  role(turn, { kind: "demote", cutClients: false }, "transferSwitchover");
}

/** A leader whose pod is deleted keeps writes open for kube-proxy's second (R1). */
function waitsWithOpenWrites(turn: Turn): boolean {
  const { stop } = turn.state;
  return stop !== null && waitsForProxies(turn, stop.since);
}

function chooseSuccessor(turn: Turn, handoff: Handoff): MemberReport | null {
  const { state, config } = turn;
  if (handoff.cause === "betterCopy") {
    return handoff.to === null ? null : reportFrom(state, handoff.to);
  }
  if (handoff.cause === "redisDied" || state.redis.dead) {
    const best = bestRival(state, config);
    // All died: what its own restart finds goes before it, if that comes (4.2).
    return best !== null && isBelowDisk(state, best.position, comparisonOf(state)) ? null : best;
  }
  const able = plannedSuccessors(state, config).filter(
    (report) => !handoff.tried.includes(report.member),
  );
  if (handoff.to !== null) return able.find(({ member }) => member === handoff.to) ?? null;
  const best = able[0] ?? null;
  if (best?.unsaved !== true || mayWaitForFiles(turn, handoff)) return best;
  return able.find(({ unsaved }) => unsaved !== true) ?? best;
}

function planNoSuccessor(turn: Turn, handoff: Handoff): void {
  if (handoff.cause === "betterCopy") {
    // It said a moment ago that it has more: a lost answer must not lose what it has.
    if (waiterElapsedMs(handoff.since, turn.at) < TURN_MS) return chooseLater(turn);
    return set(turn, { handoff: null });
  }
  if (handoff.cause === "redisDied") {
    // The guard restarts Redis; then this holder is a candidate like every other (4.2).
    const words = "nobody may take over from the dead Redis: waits for its restart";
    announce(turn, "noCandidate", { words });
    return set(turn, { handoff: null });
  }
  if (handoff.request !== null) {
    const who = handoff.to ?? "any other member";
    return refuse(turn, handoff.request.id, `${who} is not in sync, or may not lead`);
  }
  if (mayStillCome(turn, handoff)) return chooseLater(turn);
  announce(turn, "noCandidate", { words: "nobody can take over: stops cleanly and releases" });
  set(turn, { lead: null });
  updateHandoff(turn, { phase: "leaving", to: null });
  role(turn, { kind: "demote", cutClients: true }, "stopping");
}

/**
 * Until its files have what its full sync brought, an end of all processes would leave half a copy
 * of the new leader. Writes are open meanwhile; a rewrite that takes longer is not waited for.
 */
function waitForFiles(turn: Turn, handoff: Handoff, { member }: MemberReport): void {
  const reason = handoff.cause === "stop" ? "stopping" : "switchoverRequested";
  const words = `waits for ${member}: what its full sync brought is not in its files yet`;
  if (handoff.waitsFor !== member) announce(turn, reason, { words });
  updateHandoff(turn, { waitsFor: member });
  chooseLater(turn);
}

function mayWaitForFiles(turn: Turn, handoff: Handoff): boolean {
  if (turn.state.lead?.phase !== "open" || turn.state.redis.dead) return false;
  if (handoff.cause === "stop") return mayStillCome(turn, handoff, HAND_OVER_MS);
  const isAsked = handoff.cause === "request";
  return isAsked && waiterElapsedMs(handoff.since, turn.at) < turn.config.switchoverTimeoutMs;
}

function chooseLater(turn: Turn, inMs = ASK_AGAIN_MS): void {
  const { monotonicMs, bootMs } = turn.at;
  updateHandoff(turn, { askAgainAt: { monotonicMs: monotonicMs + inMs, bootMs } });
}

/** A script runs, or the connection was closed: nothing is said against the successor. */
export function pauseFailed(turn: Turn, message: string): void {
  const { handoff } = turn.state;
  if (handoff?.phase !== "pausing") return;
  const mayRepeat = handoff.cause === "stop" && mayStillCome(turn, handoff);
  if (!mayRepeat) return backOut(turn, `writes could not be paused: ${message}`);
  role(turn, { kind: "unpause" }, "switchoverAborted");
  updateHandoff(turn, { phase: "choosing", successor: null, pausedAt: null });
  chooseLater(turn, PAUSE_AGAIN_MS);
}

/** A candidate is waited for as long as the grace period allows, and while there is anybody. */
function mayStillCome(turn: Turn, handoff: Handoff, reserveMs = 0): boolean {
  const { pods, start, lead, stop } = turn.state;
  // Writes are stopped and everybody was tried: the sooner the Lease is free, the better.
  if (lead === null && handoff.tried.length > 0) return false;
  const others = pods?.pods.filter((pod) => pod.member !== start.member && !pod.terminating) ?? [];
  if (pods !== null && others.length === 0) return false;
  const graceMs = podOf(turn.state, start.member)?.graceMs ?? Infinity;
  const limitMs = Math.min(turn.config.switchoverTimeoutMs, graceMs - GRACE_RESERVE_MS);
  return waiterElapsedMs(stop?.since ?? handoff.since, turn.at) < limitMs - reserveMs;
}
