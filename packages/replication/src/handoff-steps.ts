/**
 * The steps of a hand-over: pause, drain, demote to nothing, compare again, transfer in one PUT,
 * cut the late clients (docs/protocol.md, section 5). A Lease is transferred only from a Redis that
 * confirmed its demotion or is proven dead (U4, U10); whatever fails on the way is undone by
 * *winning* a renewal first (5.7).
 */
import { awaitsAnswer, recordOf, waiterElapsedMs, type Handover } from "@leasehold/election";
import { nextEpoch, transfer } from "./drafts.ts";
import { abandon, finishRequest, refuse, updateHandoff } from "./handoff.ts";
import type { Reason } from "./reason.ts";
import { mayBeWritable } from "./redis-view.ts";
import type { Handoff } from "./state.ts";
import {
  act,
  announce,
  nextId,
  otherPeers,
  peerOf,
  right,
  role,
  set,
  writeLease,
  writePermit,
  type Turn,
} from "./turn.ts";

const COMPARE_MS = 300;
/** A transfer without a definite answer for this long is undone. */
const TRANSFER_MS = 1000;
const STEP_MS = 2000;
const HINT_MS = 500;
/** Of the pause, what is left for the demotion. */
const PAUSE_RESERVE_MS = 100;
const SHORTEST_DRAIN_MS = 50;

/** A step that was never answered ends the hand-over; the fence does the rest. */
export function planStep(turn: Turn): void {
  const { handoff } = turn.state;
  if (handoff === null) return;
  if (right(turn) <= 0) return abandon(turn, "the right to lead ended meanwhile");
  if (handoff.phase === "comparing" && handoff.isEqual) return sendTransfer(turn);
  if (handoff.phase === "demoting" && !isDemoting(turn)) {
    return abort(turn, "the demotion was not confirmed");
  }
  if (waiterElapsedMs(handoff.since, turn.at) > STEP_MS) abort(turn, "a step took too long");
}

/** Once its answer has come without a confirmation, none will come any more. */
function isDemoting(turn: Turn): boolean {
  return turn.state.redis.role.pending.some((one) => one.command.kind === "demote");
}

/** Writes are paused: wait until the successor has every byte. */
export function paused(turn: Turn): void {
  const { handoff } = turn.state;
  if (handoff?.phase !== "pausing" || handoff.successor === null) return;
  const peer = peerOf(turn.state, handoff.successor.member);
  if (peer === null) return backOut(turn, "the successor has no address");
  const id = nextId(turn);
  updateHandoff(turn, { phase: "draining", awaiting: id });
  act(turn, {
    type: "awaitOffset",
    reason: "transferSwitchover",
    id,
    peer,
    offset: "current",
    handover: null,
    timeoutMs: Math.max(SHORTEST_DRAIN_MS, turn.config.maxPauseMs - PAUSE_RESERVE_MS),
  });
}

export function offsetAwaited(
  turn: Turn,
  answer: {
    readonly id: number;
    readonly equal: boolean;
    readonly theirs: number | null;
    readonly accepted: string | null;
  },
): void {
  const { handoff } = turn.state;
  if (handoff === null || handoff.awaiting !== answer.id) return;
  const name = handoff.successor?.member ?? "?";
  if (right(turn) <= 0) return abandon(turn, "the right to lead ended meanwhile");
  if (handoff.phase === "draining") {
    if (!answer.equal) return backOut(turn, `${name} did not catch up within the pause`);
    // From here no client can write here; replicas stay attached and drain (U1).
    set(turn, { lead: null });
    updateHandoff(turn, { phase: "demoting", awaiting: null });
    return role(turn, { kind: "demote", cutClients: false }, "transferSwitchover");
  }
  if (handoff.phase !== "comparing") return;
  if (!answer.equal) return abort(turn, `${name} lacks bytes after the demotion`);
  updateHandoff(turn, { isEqual: true, accepted: answer.accepted, awaiting: null });
  sendTransfer(turn);
}

/** The demotion was confirmed: compare again, as the deciding check. */
export function demoted(
  turn: Turn,
  answer: { readonly offset: number; readonly replid: string },
): void {
  const { handoff } = turn.state;
  if (handoff?.phase !== "demoting" || handoff.successor === null) return;
  const { offset, replid } = answer;
  const id = nextId(turn);
  updateHandoff(turn, { phase: "comparing", offset, replid, awaiting: id });
  const peer = peerOf(turn.state, handoff.successor.member);
  if (peer === null) return abort(turn, "the successor has no address");
  act(turn, {
    type: "awaitOffset",
    reason: "transferSwitchover",
    id,
    peer,
    offset,
    handover: { from: turn.state.election.me, epoch: nextEpoch(turn.state) },
    timeoutMs: COMPARE_MS,
  });
}

const REASON_OF: Readonly<Record<Handoff["cause"], Reason>> = {
  request: "transferSwitchover",
  stop: "transferSwitchover",
  redisDied: "transferRedisDied",
  betterCopy: "transferBetterCopy",
};

/** Sent once no own try is under way: on an older version it would only be refused. */
export function sendTransfer(turn: Turn): void {
  const { handoff, election, start } = turn.state;
  if (handoff === null || handoff.successor === null || awaitsAnswer(election, turn.at)) return;
  if (right(turn) <= 0 || mayBeWritable(turn.state)) return;
  const { successor, isEqual, accepted, request, pausedAt } = handoff;
  const reason = REASON_OF[handoff.cause];
  const handover: Handover = {
    from: election.me,
    to: successor.identity,
    offset: isEqual ? (handoff.offset ?? 0) : successor.offset,
    replid: isEqual ? (handoff.replid ?? "") : successor.replid,
    equal: isEqual,
    request: request?.id ?? null,
    ...(isEqual && accepted !== null ? { accepted } : {}),
    ...(pausedAt === null ? {} : { pausedMs: Math.round(waiterElapsedMs(pausedAt, turn.at)) }),
  };
  if (handoff.cause !== "betterCopy") set(turn, { lead: null });
  writePermit(turn, { kind: "follow", nonce: start.nonce }, reason);
  writeLease(turn, transfer(turn, handover), reason);
  updateHandoff(turn, {
    phase: "transferring",
    since: turn.at,
    trySeq: turn.state.election.seq,
  });
}

export function planTransferring(turn: Turn): void {
  const { handoff, election } = turn.state;
  if (handoff === null) return;
  if (election.term === null) return settled(turn, handoff);
  const own = election.tries.find((one) => one.seq === handoff.trySeq);
  if (own === undefined) return abort(turn, "the transfer was refused");
  const late = waiterElapsedMs(handoff.since, turn.at) > TRANSFER_MS;
  // Unknown: a renewal that wins kills it, a read may show it (5.7).
  if (!own.open || late) updateHandoff(turn, { phase: "settling" });
}

/** Until a renewal has won, or the transfer shows in the Lease after all, nothing is decided. */
export function planSettling(turn: Turn): void {
  const { handoff, election } = turn.state;
  if (handoff === null) return;
  if (election.term === null) return settled(turn, handoff);
  if (right(turn) > 0) abort(turn, "the transfer's outcome was unknown, a renewal undid it");
}

/** The term is over: by the transfer, or by somebody else's write. */
function settled(turn: Turn, handoff: Handoff): void {
  const record = recordOf(turn.state.election.view);
  const to = handoff.successor;
  if (to === null || record?.holder !== to.identity) {
    return abandon(turn, "the Lease went to somebody else meanwhile");
  }
  const reason = REASON_OF[handoff.cause];
  announce(turn, reason, { words: `handed over to ${to.member}` });
  const peers = otherPeers(turn.state);
  act(turn, { type: "hint", reason, peers, timeoutMs: HINT_MS });
  finishRequest(turn, { done: true, refused: false, words: `${to.member} took over` });
  const cutter = { since: turn.at, unpaused: false, cuts: 0 };
  set(turn, { lead: null, handoff: null, cutter });
}

/** Still the primary: lift the pause and say why. */
export function backOut(turn: Turn, why: string): void {
  const { handoff } = turn.state;
  if (handoff === null) return;
  role(turn, { kind: "unpause" }, "switchoverAborted");
  if (handoff.request !== null) return refuse(turn, handoff.request.id, why);
  announce(turn, "switchoverAborted", { words: `hand-over put off: ${why}` });
  const { successor, tried } = handoff;
  updateHandoff(turn, {
    phase: "choosing",
    successor: null,
    tried: successor === null ? tried : [...tried, successor.member],
    since: turn.at,
    awaiting: null,
    pausedAt: null,
  });
}

/** Demoted, and no further: win a renewal under a new epoch, then the promotion path (5.7). */
function abort(turn: Turn, why: string): void {
  const { handoff, lead, deferred } = turn.state;
  if (handoff === null) return;
  announce(turn, "switchoverAborted", { words: `hand-over undone: ${why}` });
  if (lead?.phase === "open") role(turn, { kind: "unpause" }, "switchoverAborted");
  // It was not the better copy that failed: it may be asked again.
  const failed = handoff.successor?.member ?? null;
  set(turn, { deferred: deferred.filter((one) => one !== failed) });
  if (handoff.cause === "stop" && failed !== null) return tryAnother(turn, handoff, failed);
  abandon(turn, why);
}

/** Who has to stop does not begin anew with the one that failed. */
function tryAnother(turn: Turn, handoff: Handoff, failed: string): void {
  updateHandoff(turn, {
    phase: "choosing",
    successor: null,
    isEqual: false,
    accepted: null,
    awaiting: null,
    trySeq: null,
    tried: [...handoff.tried, failed],
    since: turn.at,
  });
}
