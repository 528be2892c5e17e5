/**
 * The end of a move: the source is closed, this copy and that of another member are found equal to
 * it, the Lease says so, and only then anybody is promoted (docs/protocol.md, section 4.6).
 *
 * Guarantees: the step that cannot be taken back is one PUT of the Lease, of a whole copy that
 * reached, after the source was closed, the offset at which the source then stood, while every
 * other member answers that it knows of no data, and another one on the list has the same, unless
 * people want it alone. A cutover that does not come so far opens the source again, as soon as it
 * is known that it did not.
 */
import {
  listsInForce,
  recordOf,
  silenceMs,
  viewIsInDoubt,
  waiterElapsedMs,
} from "@leasehold/election";
import type { SourceOutcome } from "./event.ts";
import { MAX_SKEW_MS, allOrdinals, clockSkewMs, ineligibility, reportFrom } from "./members.ts";
import type { ControlRequest } from "./observation.ts";
import { joiningMember } from "./drafts.ts";
import { renewMoved } from "./plan-lease.ts";
import { askPeers, isFreshSince } from "./plan-poll.ts";
import { ensureRecord } from "./plan-record.ts";
import { mayBeWritable, setRedis } from "./redis-view.ts";
import { awaitsSource, hasHeir, whyNotWhole } from "./source-view.ts";
import type { Cutover, MemberState } from "./state.ts";
import { act, announce, nextId, right, role, set, type Turn } from "./turn.ts";

/** Writers of the source are refused meanwhile; a copy that follows well needs a moment. */
const CUTOVER_MS = 10_000;
/** For a copy to be whole and for all members to answer, before the source is closed. */
const READY_MS = 3_000;
/** An opening is tried for half a minute, from the end of the right at the latest. */
const OPENING_MS = 35_000;
/** A process that was not scheduled for so long may find the Lease in other hands. */
const STALLED_MS = 1_000;
const ASK_TIMEOUT_MS = 150;
/** Between two questions how far the others are. */
const ASK_AGAIN_MS = 40;

export function planCutover(turn: Turn): void {
  const request = turn.state.control?.request ?? null;
  const isNew = request !== null && request.id !== turn.state.handledRequest;
  if (turn.state.cutover === null && isNew) begin(turn, request);
  if (turn.state.cutover !== null) {
    set(turn, { cutover: { ...turn.state.cutover, heldAt: turn.at } });
  }
  const { cutover } = turn.state;
  // The Lease may say so already: nothing is taken back before that is known.
  if (cutover === null || cutover.sent) return;
  if (request?.id !== cutover.requestId) return failCutover(turn, "it was withdrawn");
  if (cutover.askId === null) return close(turn, cutover);
  if (cutover.failed !== null) return failCutover(turn, cutover.failed);
  const why = whyNotEqual(turn.state, cutover) ?? whyNotNow(turn) ?? whyNoHeir(turn, cutover);
  // What keeps it from a promotion (its volume, its list) must not keep the source closed.
  if (waiterElapsedMs(cutover.since, turn.at) >= CUTOVER_MS) {
    return failCutover(turn, `${why ?? "it could not promote"}, after ${CUTOVER_MS / 1000} s`);
  }
  askHeirs(turn, cutover);
  if (why === null) return detach(turn, cutover);
  set(turn, { cutover: { ...cutover, entry: null, detaches: false } });
}

function begin(turn: Turn, request: ControlRequest): void {
  set(turn, { handledRequest: request.id });
  if (request.kind !== "cutover") {
    const why = "it follows a source outside the group: only a cutover makes anybody lead";
    return refuseRequest(turn, request.id, why);
  }
  announce(turn, "cutoverRequested", { words: "a cutover from the source was requested" });
  const { id: requestId, force, alone } = request;
  const { at } = turn;
  const wish = { requestId, closes: !force, alone: alone ?? false, since: at, heldAt: at };
  const steps = { askId: null, stood: null, detaches: false, entry: null, sent: false };
  set(turn, { cutover: { ...wish, ...steps, failed: null } });
}

/**
 * What can be known before is known before anything is closed. A process that has just begun, or a
 * member that missed one question, has a moment for it.
 */
function close(turn: Turn, cutover: Cutover): void {
  const why =
    whyTooSoon(turn) ?? whyNotWhole(turn.state) ?? whyNotNow(turn) ?? whyNoHeir(turn, cutover);
  if (waiterElapsedMs(cutover.since, turn.at) < READY_MS) {
    if (why !== null || !isFreshSince(turn, cutover.since)) return askSoon(turn);
    // Whoever has the copy, too, is on the list first.
    const listed = Object.keys(recordOf(turn.state.election.view)?.members ?? {});
    if (joiningMember(turn, listed) !== null) return;
  }
  if (why !== null) return failCutover(turn, why);
  const askId = nextId(turn);
  set(turn, { cutover: { ...cutover, askId, since: turn.at } });
  act(turn, { type: "askSource", reason: "cutoverRequested", id: askId, closes: cutover.closes });
}

export function refuseRequest(turn: Turn, requestId: string, words: string): void {
  announce(turn, "cutoverRefused", { words: `refused: ${words}` });
  const result = { done: false, refused: true, words };
  act(turn, { type: "finishRequest", reason: "cutoverRefused", requestId, result });
}

/** Where the source stood once it was closed. */
export function sourceAnswered(turn: Turn, id: number, outcome: SourceOutcome): void {
  const { cutover } = turn.state;
  if (cutover?.askId !== id) return;
  if (outcome.kind === "failed") {
    return set(turn, { cutover: { ...cutover, failed: outcome.words } });
  }
  const { replid, offset } = outcome;
  set(turn, { cutover: { ...cutover, stood: { replid, offset, at: turn.at } } });
}

function whyNotEqual(state: MemberState, { stood, detaches }: Cutover): string | null {
  const { info, infoAt } = state.redis;
  const whole = whyNotWhole(state, !detaches);
  if (whole !== null || info === null || infoAt === null) return whole;
  if (stood === null) return "the source did not say where it stands";
  // An answer of before tells of before.
  const isNewer = waiterElapsedMs(stood.at, infoAt) > 0;
  const isEqual = info.replid === stood.replid && info.offset >= stood.offset;
  return isNewer && isEqual ? null : "its copy did not reach the source's last write";
}

/** What would keep it from a promotion, or from the Lease that comes before. */
function whyNotNow(turn: Turn): string | null {
  const { state, config } = turn;
  const { answeredAt } = state.election;
  const apiMs = answeredAt === null ? Infinity : waiterElapsedMs(answeredAt, turn.at);
  if (apiMs > silenceMs(config.renewIntervalMs)) return "the API does not answer it";
  if (state.redis.guardBootId === null || clockSkewMs(state) > MAX_SKEW_MS) {
    return "the guard says nothing, or its clock differs";
  }
  return whyNotAlone(state);
}

/** Who followed before, and lost the place to force, tries for a while to open what it closed. */
function whyTooSoon({ state, at }: Turn): string | null {
  const { holder = null, takenAt = null } = state.lead?.before ?? {};
  if (holder === null || holder === state.start.member || takenAt === null) return null;
  if (waiterElapsedMs(takenAt, at) >= OPENING_MS) return null;
  return `${holder} followed it a moment ago, and may be opening it: ask again in half a minute`;
}

/** Data that a silent member may know of would be dropped for the source's. */
function whyNotAlone(state: MemberState): string | null {
  if (state.pods === null) return "the members are not known yet";
  const silent = others(state).find((name) => reportFrom(state, name) === null);
  return silent === undefined ? null : `${silent} is silent, and may know of data of the group`;
}

/** Were this member lost a moment later, nobody who may lead would have what was moved in. */
function whyNoHeir(turn: Turn, { alone, stood, detaches }: Cutover): string | null {
  const { state } = turn;
  if (alone || others(state).length === 0) return null;
  const isAsked = stood === null || isFreshSince(turn, stood.at);
  // Older servers drop those who follow when they are told to follow another one.
  if (isAsked && hasHeir(state, stood?.offset ?? 0, !detaches)) return null;
  return 'no other member has all of it yet (a cutover "alone" goes without)';
}

function others(state: MemberState): readonly string[] {
  return allOrdinals(state).filter((name) => name !== state.start.member);
}

/** Their word on where they stand is to be as new as that of the source. */
function askHeirs(turn: Turn, { stood }: Cutover): void {
  if (stood === null) return;
  if (!isFreshSince(turn, stood.at)) return askPeers(turn, ASK_TIMEOUT_MS, stood.at);
  askSoon(turn);
}

function askSoon(turn: Turn): void {
  const { startedAt } = turn.state.poll;
  if (startedAt !== null && waiterElapsedMs(startedAt, turn.at) < ASK_AGAIN_MS) return;
  askPeers(turn, ASK_TIMEOUT_MS);
}

/**
 * While the outcome of what comes next is open, a source that restarts would hand this copy, and
 * those that follow it, another history.
 */
function detach(turn: Turn, cutover: Cutover): void {
  const { info, role: state } = turn.state.redis;
  set(turn, { cutover: { ...cutover, detaches: true } });
  if (state.pending.length > 0) return;
  if (info?.linkUp) return role(turn, { kind: "demote", cutClients: false }, "cutoverRequested");
  moveIn(turn, { ...cutover, detaches: true });
}

/**
 * The source's history becomes the group's by the Lease, before anybody is promoted: whoever takes
 * the Lease from here on knows whether it did. The record goes before, since the next process of
 * this pod must not call a whole copy half.
 */
function moveIn(turn: Turn, cutover: Cutover): void {
  const { election } = turn.state;
  const { stood } = cutover;
  if (stood === null || election.term === null) return;
  const epoch = election.term.epoch - 1;
  const entry = { epoch, replid: stood.replid, startOffset: 0, parent: null, moved: true };
  set(turn, { cutover: { ...cutover, entry } });
  const need = { promotes: epoch + 1, membersSent: listsInForce(election), filled: true };
  const why = ineligibility(turn.state, turn.config, turn.at);
  if (!ensureRecord(turn, need) || why !== null || right(turn) <= 0) return;
  const sent = renewMoved(turn, entry);
  set(turn, { cutover: { ...cutover, entry, sent } });
}

/** An answer of the API settles whether the Lease has it. */
export function settleMove(turn: Turn): void {
  const { cutover, election } = turn.state;
  if (!cutover?.sent || !awaitsSource(turn.state, turn.config)) return;
  if (election.tries.length > 0 || viewIsInDoubt(election)) return;
  if (election.view.kind !== "present") return;
  set(turn, { cutover: { ...cutover, sent: false } });
}

export function failCutover(turn: Turn, why: string): void {
  const { cutover } = turn.state;
  if (cutover === null) return;
  set(turn, { cutover: null });
  // Also before it was asked: a process before this one may have closed it, and died.
  if (cutover.closes) act(turn, { type: "openSource", reason: "cutoverRefused" });
  refuseRequest(turn, cutover.requestId, why);
}

/**
 * The right to lead is gone before the Lease could say anything: writers are not kept waiting for
 * an API. Where it may say so that comes first; and whoever holds it now answers, and opens.
 */
export function dropCutover(turn: Turn): void {
  const { cutover, lead, election } = turn.state;
  if (cutover === null || (lead !== null && right(turn) > 0)) return;
  const holder = recordOf(election.view)?.holder ?? election.me;
  if (holder !== election.me) return set(turn, { cutover: null });
  if (cutover.sent || !awaitsSource(turn.state, turn.config) || mayBeWritable(turn.state)) return;
  // The next right finds the cutover, and ends it; an opening now could come after a new closing.
  if (waiterElapsedMs(cutover.heldAt, turn.at) > STALLED_MS) return;
  failCutover(turn, "the right to lead ended meanwhile");
}

/** The Lease says it: the copy that was compared is the group's, and nobody has more. */
export function ownsMoved(turn: Turn): boolean {
  const { cutover, redis, lineage } = turn.state;
  const { info, data } = redis;
  const stood = cutover?.sent ? cutover.stood : null;
  const newest = lineage.at(-1);
  if (stood === null || info === null || data === null || info.syncing) return false;
  if (!newest?.moved || newest.replid !== stood.replid) return false;
  if (info.replid !== stood.replid || info.offset < stood.offset) return false;
  const { replid, offset } = info;
  const live = { ...data, replid, offset, kind: "live", position: null } as const;
  if (data.kind !== "live") setRedis(turn, { data: live, coldStart: false, unsavedSync: false });
  return true;
}

/**
 * The source's history, where a promotion that was just answered is that of a cutover; else null.
 * `before` is what the own Redis was last seen with; a probe may have shown the new one already.
 */
export function sourceContinued(
  { cutover, redis, lineage }: MemberState,
  before: string | null,
): string | null {
  if (!cutover?.sent || cutover.stood === null || !lineage.at(-1)?.moved) return null;
  const { replid } = cutover.stood;
  return before === replid || redis.info?.replid2 === replid ? replid : null;
}

/** It is open for writes: the source stays closed. */
export function endCutover(turn: Turn): void {
  const { cutover } = turn.state;
  if (cutover === null) return;
  set(turn, { cutover: null });
  if (!continuesSource(turn.state, cutover)) return endOtherwise(turn, cutover);
  const words = `the group leads, with all that the source had at offset ${cutover.stood?.offset}`;
  announce(turn, "cutoverCompleted", { words });
  const result = { done: true, refused: false, words };
  const { requestId } = cutover;
  act(turn, { type: "finishRequest", reason: "cutoverCompleted", requestId, result });
}

/** What opened is the copy that was compared, and no other that was promoted after its death. */
function continuesSource({ lineage, lead }: MemberState, { stood }: Cutover): boolean {
  const entry = lineage.find((one) => one.epoch === lead?.epoch);
  if (entry === undefined || stood === null) return false;
  return entry.parent === stood.replid && entry.startOffset >= stood.offset;
}

/** Not "done", after which people throw the source away; not "refused", which opens it. */
function endOtherwise(turn: Turn, { requestId }: Cutover): void {
  const words =
    "the group leads, but not with the copy that was promoted, whose Redis died: compare it with " +
    "the source, which stays closed";
  announce(turn, "cutoverRefused", { words });
  const result = { done: false, refused: false, words };
  act(turn, { type: "finishRequest", reason: "cutoverRefused", requestId, result });
}
