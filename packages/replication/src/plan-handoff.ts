/**
 * Leaving the lead on purpose, or because the own Redis died: choose, pause, drain, demote to
 * nothing, compare again, transfer in one PUT, cut the late clients (docs/protocol.md, sections 5
 * and 6). A Lease is transferred only from a Redis that confirmed its demotion or is proven dead
 * (U4, U10); whatever fails on the way is undone by *winning* a renewal first (5.7).
 */
import type { RequestResult } from "./action.ts";
import { waiterElapsedMs, type Handover, type MemberName } from "@leasehold/election";
import { transfer } from "./drafts.ts";
import { bestRival, plannedSuccessors, reportFrom } from "./members.ts";
import { askPeers, isFreshSince } from "./plan-poll.ts";
import type { Reason } from "./reason.ts";
import { mayBeWritable } from "./redis-view.ts";
import type { Handoff, MemberState } from "./state.ts";
import {
  act,
  announce,
  nextId,
  otherPeers,
  peerOf,
  podOf,
  right,
  role,
  set,
  writeLease,
  writePermit,
  type Turn,
} from "./turn.ts";

const ASK_TIMEOUT_MS = 150;
const ASK_AGAIN_MS = 200;
const COMPARE_MS = 300;
/** A transfer without a definite answer for this long is undone. */
const TRANSFER_MS = 1000;
const STEP_MS = 2000;
const HINT_MS = 500;

export interface HandoffWish {
  readonly cause: Handoff["cause"];
  readonly to: MemberName | null;
  readonly request: Handoff["request"];
}

export function beginHandoff(turn: Turn, wish: HandoffWish): void {
  const handoff: Handoff = {
    ...wish,
    phase: "choosing",
    since: turn.at,
    offset: null,
    replid: null,
    awaiting: null,
    askAgainAt: null,
    tried: [],
    trySeq: null,
  };
  set(turn, { handoff });
}

export function planHandoff(turn: Turn): void {
  begin(turn);
  switch (turn.state.handoff?.phase) {
    case "choosing":
      return planChoosing(turn);
    case "pausing":
    case "demoting":
    case "draining":
    case "comparing":
      return planStep(turn);
    case "transferring":
      return planTransferring(turn);
    case "leaving":
    case undefined:
      return;
  }
}

/** What makes a leader leave, most urgent first. */
function begin(turn: Turn): void {
  const { lead, handoff, redis, stop, control, handledRequest } = turn.state;
  if (redis.dead && diesNow(turn.state)) {
    announce(turn, "redisDied", { words: `its Redis (pid ${redis.process?.pid ?? "?"}) is dead` });
    finish(turn, { done: false, words: "its Redis died meanwhile" });
    set(turn, { lead: null, offeredAfterDeath: redis.process?.runId ?? null });
    return beginHandoff(turn, { cause: "redisDied", to: null, request: null });
  }
  if (lead === null) return;
  if (handoff !== null || lead.phase !== "open") return;
  if (stop !== null) return beginHandoff(turn, { cause: "stop", to: null, request: null });
  const request = control?.request ?? null;
  if (request === null || request.id === handledRequest) return;
  set(turn, { handledRequest: request.id });
  announce(turn, "switchoverRequested", {
    words: `switchover to ${request.to ?? "any member"} was requested`,
  });
  if (request.to === turn.state.start.member) return refuse(turn, request.id, "it leads already");
  beginHandoff(turn, { cause: "request", to: request.to, request });
}

/** Once for each process that dies: afterwards the holder is a candidate like every other (4.2). */
function diesNow(state: MemberState): boolean {
  const { lead, handoff, redis, offeredAfterDeath } = state;
  if (redis.process?.runId === offeredAfterDeath) return false;
  if (handoff?.phase === "transferring" || handoff?.phase === "leaving") return false;
  return lead !== null || handoff !== null;
}

function update(turn: Turn, change: Partial<Handoff>): void {
  const { handoff } = turn.state;
  if (handoff !== null) set(turn, { handoff: { ...handoff, ...change } });
}

function planChoosing(turn: Turn): void {
  const { handoff } = turn.state;
  if (handoff === null || right(turn) <= 0) return dropWithoutRight(turn);
  if (handoff.cause === "stop" && waitsForProxy(turn)) return;
  const since = handoff.askAgainAt ?? handoff.since;
  if (since.monotonicMs > turn.at.monotonicMs) return;
  if (!isFreshSince(turn, since)) return askPeers(turn, ASK_TIMEOUT_MS);
  const to = chooseSuccessor(turn, handoff);
  if (to === null) return planNoSuccessor(turn, handoff);
  if (handoff.cause === "redisDied" || handoff.cause === "betterCopy") {
    if (mayBeWritable(turn.state)) return;
    return sendTransfer(turn, to, false);
  }
  update(turn, { phase: "pausing", to, since: turn.at, awaiting: null });
  role(turn, { kind: "pause", pauseMs: turn.config.maxPauseMs }, "transferSwitchover");
}

function dropWithoutRight(turn: Turn): void {
  finish(turn, { done: false, words: "the right to lead ended meanwhile" });
  set(turn, { handoff: null });
}

/** kube-proxy sits out its second after the read Service changed: writes stay open so long (R1). */
function waitsForProxy(turn: Turn): boolean {
  const { stop, start } = turn.state;
  if (stop === null || !podOf(turn.state, start.member)?.terminating) return false;
  return waiterElapsedMs(stop.since, turn.at) < turn.config.deletionGraceForProxyMs;
}

function chooseSuccessor(turn: Turn, handoff: Handoff): MemberName | null {
  const { state, config } = turn;
  if (handoff.cause === "redisDied") return bestRival(state, config)?.member ?? null;
  if (handoff.cause === "betterCopy") {
    return handoff.to !== null && reportFrom(state, handoff.to) !== null ? handoff.to : null;
  }
  const able = plannedSuccessors(state, config).filter(
    (report) => !handoff.tried.includes(report.member),
  );
  if (handoff.to === null) return able[0]?.member ?? null;
  return able.find((report) => report.member === handoff.to)?.member ?? null;
}

function planNoSuccessor(turn: Turn, handoff: Handoff): void {
  if (handoff.cause === "redisDied" || handoff.cause === "betterCopy") {
    // The guard restarts Redis; then this holder is a candidate like every other (4.2).
    if (handoff.cause === "redisDied") {
      announce(turn, "noCandidate", {
        words: "nobody may take over from the dead Redis: waits for its restart",
      });
    }
    return set(turn, { handoff: null });
  }
  if (handoff.request !== null) {
    const who = handoff.to ?? "any other member";
    return refuse(turn, handoff.request.id, `${who} is not in sync, or may not lead`);
  }
  const waited = waiterElapsedMs(handoff.since, turn.at);
  if (waited < turn.config.switchoverTimeoutMs) {
    const { monotonicMs, bootMs } = turn.at;
    const askAgainAt = { monotonicMs: monotonicMs + ASK_AGAIN_MS, bootMs };
    return update(turn, { askAgainAt });
  }
  announce(turn, "noCandidate", { words: "nobody can take over: stops cleanly and releases" });
  set(turn, { lead: null });
  update(turn, { phase: "leaving", to: null });
  role(turn, { kind: "demote", cutClients: true }, "stopping");
}

/** Whoever asked for the hand-over gets exactly one answer. */
function finish(turn: Turn, result: RequestResult): void {
  const request = turn.state.handoff?.request ?? null;
  if (request === null) return;
  const reason = result.done ? "switchoverCompleted" : "switchoverAborted";
  act(turn, { type: "finishRequest", reason, requestId: request.id, result });
}

function refuse(turn: Turn, requestId: string, why: string): void {
  announce(turn, "switchoverRefused", { words: `switchover refused: ${why}` });
  act(turn, {
    type: "finishRequest",
    reason: "switchoverRefused",
    requestId,
    result: { done: false, words: why },
  });
  set(turn, { handoff: null });
}

/** A step that was never answered ends the hand-over; the fence does the rest. */
function planStep(turn: Turn): void {
  const { handoff } = turn.state;
  if (handoff === null) return;
  if (right(turn) <= 0) return dropWithoutRight(turn);
  if (waiterElapsedMs(handoff.since, turn.at) > STEP_MS) abort(turn, "a step took too long");
}

/** Writes are paused: wait until the successor has every byte. */
export function paused(turn: Turn): void {
  const { handoff } = turn.state;
  if (handoff?.phase !== "pausing" || handoff.to === null) return;
  const peer = peerOf(turn.state, handoff.to);
  if (peer === null) return backOut(turn, "the successor has no address");
  const id = nextId(turn);
  update(turn, { phase: "draining", awaiting: id });
  const timeoutMs = Math.max(50, turn.config.maxPauseMs - 100);
  act(turn, {
    type: "awaitOffset",
    reason: "transferSwitchover",
    id,
    peer,
    offset: "current",
    timeoutMs,
  });
}

export function offsetAwaited(
  turn: Turn,
  answer: { readonly id: number; readonly equal: boolean; readonly theirs: number | null },
): void {
  const { handoff } = turn.state;
  if (handoff === null || handoff.awaiting !== answer.id) return;
  if (handoff.phase === "draining") {
    if (!answer.equal) {
      return backOut(turn, `${handoff.to ?? "?"} did not catch up within the pause`);
    }
    if (right(turn) <= 0) return dropWithoutRight(turn);
    // From here no client can write here; replicas stay attached and drain (U1).
    set(turn, { lead: null });
    update(turn, { phase: "demoting", awaiting: null });
    return role(turn, { kind: "demote", cutClients: false }, "transferSwitchover");
  }
  if (handoff.phase !== "comparing" || handoff.to === null) return;
  if (!answer.equal) return abort(turn, `${handoff.to} lacks bytes after the demotion`);
  sendTransfer(turn, handoff.to, true);
}

/** The demotion was confirmed: compare again, as the deciding check. */
export function demoted(
  turn: Turn,
  answer: { readonly offset: number; readonly replid: string },
): void {
  const { handoff } = turn.state;
  if (handoff?.phase !== "demoting" || handoff.to === null) return;
  const peer = peerOf(turn.state, handoff.to);
  if (peer === null) return abort(turn, "the successor has no address");
  const id = nextId(turn);
  const { offset, replid } = answer;
  update(turn, { phase: "comparing", offset, replid, awaiting: id });
  act(turn, {
    type: "awaitOffset",
    reason: "transferSwitchover",
    id,
    peer,
    offset,
    timeoutMs: COMPARE_MS,
  });
}

const REASON_OF: Readonly<Record<Handoff["cause"], Reason>> = {
  request: "transferSwitchover",
  stop: "transferSwitchover",
  disk: "transferSwitchover",
  redisDied: "transferRedisDied",
  betterCopy: "transferBetterCopy",
};

function sendTransfer(turn: Turn, to: MemberName, equal: boolean): void {
  const { handoff, election, start } = turn.state;
  const report = reportFrom(turn.state, to);
  if (handoff === null || report === null || right(turn) <= 0 || mayBeWritable(turn.state)) return;
  const reason = REASON_OF[handoff.cause];
  const handover: Handover = {
    from: election.me,
    to: report.identity,
    offset: equal ? (handoff.offset ?? 0) : (report.position?.offset ?? 0),
    replid: equal ? (handoff.replid ?? "") : (report.replid ?? ""),
    equal,
  };
  if (handoff.cause !== "betterCopy") set(turn, { lead: null });
  writePermit(turn, { kind: "follow", nonce: start.nonce }, reason);
  writeLease(turn, transfer(turn, handover), reason);
  update(turn, { phase: "transferring", to, since: turn.at, trySeq: turn.state.election.seq });
}

function planTransferring(turn: Turn): void {
  const { handoff, election } = turn.state;
  if (handoff === null) return;
  if (election.term === null) return transferred(turn, handoff);
  const own = election.tries.find((one) => one.seq === handoff.trySeq);
  const refused = own === undefined;
  const late = waiterElapsedMs(handoff.since, turn.at) > TRANSFER_MS;
  if (refused || !own.open || late) {
    abort(turn, refused ? "the transfer was refused" : "the transfer's outcome is unknown");
  }
}

function transferred(turn: Turn, handoff: Handoff): void {
  const reason = REASON_OF[handoff.cause];
  announce(turn, reason, { words: `handed over to ${handoff.to ?? "?"}` });
  act(turn, { type: "hint", reason, peers: otherPeers(turn.state), timeoutMs: HINT_MS });
  finish(turn, { done: true, words: `${handoff.to ?? "?"} took over` });
  set(turn, {
    lead: null,
    handoff: null,
    cutter: { since: turn.at, unpaused: false, cuts: 0 },
  });
}

/** Still the primary: lift the pause and say why. */
function backOut(turn: Turn, why: string): void {
  const { handoff } = turn.state;
  if (handoff === null) return;
  role(turn, { kind: "unpause" }, "switchoverAborted");
  if (handoff.request !== null) return refuse(turn, handoff.request.id, why);
  announce(turn, "switchoverAborted", { words: `hand-over put off: ${why}` });
  const tried = handoff.to === null ? handoff.tried : [...handoff.tried, handoff.to];
  update(turn, { phase: "choosing", to: null, tried, since: turn.at, awaiting: null });
}

/** Demoted, and it may not go on: win a renewal under a new epoch, then the promotion path (5.7). */
function abort(turn: Turn, why: string): void {
  const { handoff } = turn.state;
  if (handoff === null) return;
  announce(turn, "switchoverAborted", { words: `hand-over undone: ${why}` });
  finish(turn, { done: false, words: why });
  const before = turn.state.lead;
  if (handoff.cause === "betterCopy" && before !== null) {
    // It was not that member that failed: it may be asked again.
    set(turn, {
      lead: { ...before, deferred: before.deferred.filter((one) => one !== handoff.to) },
    });
  }
  if (before?.phase === "open") role(turn, { kind: "unpause" }, "switchoverAborted");
  set(turn, { handoff: null });
}
