/**
 * Moving in from a Redis outside the group: until the group has data of its own, its holder follows
 * the source, and a cutover that people ask for makes it lead (docs/protocol.md, section 4.6).
 *
 * Guarantees: while it follows, the holder stays where a won lead stays before its promotion: a
 * replica under a `follow` permit, with no address in the slice. A cutover promotes only a whole
 * copy that reached, after the source was closed, the offset at which the source then stood, and
 * only while every other member answers that it knows of no data. A cutover that does not come so
 * far opens the source again. Once any promotion is known, the source counts for nothing.
 */
import { recordOf, waiterElapsedMs } from "@leasehold/election";
import type { MemberConfig } from "./config.ts";
import type { SourceOutcome } from "./event.ts";
import { allOrdinals, reportFrom, reports, sameAddress } from "./members.ts";
import type { ControlRequest, RedisAddress } from "./observation.ts";
import { mayBeWritable, redisIsUp, setRedis } from "./redis-view.ts";
import type { Cutover, MemberState } from "./state.ts";
import { act, announce, nextId, podOf, right, role, set, type Turn } from "./turn.ts";

/** Writers of the source are refused meanwhile; a copy that follows well needs a moment. */
const CUTOVER_MS = 10_000;
/** For a copy to be whole and for all members to answer, before the source is closed. */
const READY_MS = 3_000;
/** Between two tries to be attached: Redis tries again by itself each second. */
const ATTACH_AGAIN_MS = 3_000;

/** stays: a replica of the source. promotes: a cutover got so far. leaves: this pod stops. */
export type SourceStep = "stays" | "promotes" | "leaves";

/** There is a source, and nobody of the group was ever promoted. */
export function awaitsSource(state: MemberState, config: MemberConfig): boolean {
  return config.source !== null && state.lineage.length === 0;
}

/** The holder, whose copy of the source is whole. */
export function followsSource(state: MemberState, config: MemberConfig): boolean {
  const { lead, redis } = state;
  if (lead === null || !awaitsSource(state, config)) return false;
  return sameAddress(redis.info?.upstream ?? null, config.source) && whyNotWhole(state) === null;
}

/** Whom the others follow meanwhile, so that the cutover finds them with the same bytes. */
export function relayingHolder(state: MemberState, config: MemberConfig): RedisAddress | null {
  if (!awaitsSource(state, config)) return null;
  const holder = recordOf(state.election.view)?.holder ?? null;
  const relay = reports(state).find((one) => one.relays && one.identity === holder);
  return relay?.address ?? null;
}

/** A holder that has won and would be promoted if there were no source. */
export function planSource(turn: Turn): SourceStep {
  const { start, stop, lead } = turn.state;
  const { source } = turn.config;
  if (source === null || lead === null) return "stays";
  // It is no late promotion: nobody else may follow in its place (4.5).
  set(turn, { lead: { ...lead, since: turn.at } });
  if (stop !== null || podOf(turn.state, start.member)?.terminating) {
    failCutover(turn, "its pod stops");
    return "leaves";
  }
  answerForce(turn);
  if (redisIsUp(turn.state)) attach(turn, source);
  return planCutover(turn);
}

/** People made this member the one that follows. */
function answerForce(turn: Turn): void {
  const { lead } = turn.state;
  if (lead === null || lead.forced === null) return;
  const result = { done: true, refused: false, words: "it follows the source, by force" };
  act(turn, { type: "finishRequest", reason: "acquireForced", requestId: lead.forced, result });
  set(turn, { lead: { ...lead, forced: null } });
}

function attach(turn: Turn, source: RedisAddress): void {
  const { redis, follow } = turn.state;
  if (sameAddress(redis.info?.upstream ?? null, source)) return;
  if (redis.role.known !== "demoted" || redis.role.pending.length > 0) return;
  const isTold = sameAddress(follow.upstream, source) && follow.at !== null;
  if (isTold && waiterElapsedMs(follow.at, turn.at) < ATTACH_AGAIN_MS) return;
  set(turn, { follow: { upstream: source, at: turn.at, bounced: false } });
  disown(turn);
  announce(turn, "followSource", { words: "follows the source outside the group" });
  role(turn, { kind: "follow", upstream: source, bounce: false }, "followSource");
}

/** What comes from here on is no data of the group, and no emptiness either, before a cutover. */
function disown(turn: Turn): void {
  const { data, info } = turn.state.redis;
  if (data === null || info === null) return;
  // Judged here: only another place in a history of the group's own is data from now on.
  const { replid, offset } = info;
  setRedis(turn, { data: { ...data, replid, offset, kind: "half", position: null } });
}

function planCutover(turn: Turn): SourceStep {
  const request = turn.state.control?.request ?? null;
  const isNew = request !== null && request.id !== turn.state.handledRequest;
  if (turn.state.cutover === null && isNew) begin(turn, request);
  const { cutover } = turn.state;
  if (cutover === null) return "stays";
  if (request?.id !== cutover.requestId) return failCutover(turn, "it was withdrawn");
  if (cutover.askId === null) return close(turn, cutover);
  if (cutover.failed !== null) return failCutover(turn, cutover.failed);
  const why = whyNotEqual(turn.state, cutover) ?? whyNotAlone(turn.state);
  // What keeps it from a promotion (its volume, its list) must not keep the source closed.
  if (waiterElapsedMs(cutover.since, turn.at) >= CUTOVER_MS) {
    return failCutover(turn, `${why ?? "it could not promote"}, after ${CUTOVER_MS / 1000} s`);
  }
  return why === null ? promotes(turn, cutover) : "stays";
}

function begin(turn: Turn, request: ControlRequest): void {
  set(turn, { handledRequest: request.id });
  if (request.kind !== "cutover") {
    const why = "it follows a source outside the group: only a cutover makes anybody lead";
    return refuseRequest(turn, request.id, why);
  }
  announce(turn, "cutoverRequested", { words: "a cutover from the source was requested" });
  const wish = { requestId: request.id, closes: !request.force, since: turn.at };
  set(turn, { cutover: { ...wish, askId: null, stood: null, sent: false, failed: null } });
}

/**
 * What can be known before is known before anything is closed. A process that has just begun, or a
 * member that missed one question, has a moment for it.
 */
function close(turn: Turn, cutover: Cutover): SourceStep {
  const why = whyNotWhole(turn.state) ?? whyNotAlone(turn.state);
  if (why !== null) {
    const isOver = waiterElapsedMs(cutover.since, turn.at) >= READY_MS;
    return isOver ? failCutover(turn, why) : "stays";
  }
  const askId = nextId(turn);
  set(turn, { cutover: { ...cutover, askId, since: turn.at } });
  act(turn, { type: "askSource", reason: "cutoverRequested", id: askId, closes: cutover.closes });
  return "stays";
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

/** The data set of the source, all of it, and in the files as well. */
function whyNotWhole(state: MemberState): string | null {
  const { info } = state.redis;
  if (info === null || !redisIsUp(state)) return "its Redis does not answer or is loading";
  if (info.syncing) return "its first copy of the source is under way";
  if (!info.linkUp) return "its link to the source is down";
  return info.rewriting ? "its first copy of the source is not on its disk yet" : null;
}

function whyNotEqual(state: MemberState, { stood }: Cutover): string | null {
  const { info, infoAt } = state.redis;
  const whole = whyNotWhole(state);
  if (whole !== null || info === null || infoAt === null) return whole;
  if (stood === null) return "the source did not say where it stands";
  // An answer of before tells of before.
  const isNewer = waiterElapsedMs(stood.at, infoAt) > 0;
  const isEqual = info.replid === stood.replid && info.offset >= stood.offset;
  return isNewer && isEqual ? null : "its copy did not reach the source's last write";
}

/** Data that a silent member may know of would be dropped for the source's. */
function whyNotAlone(state: MemberState): string | null {
  const { member } = state.start;
  const others = allOrdinals(state).filter((name) => name !== member);
  const silent = others.find((name) => reportFrom(state, name) === null);
  if (state.pods === null) return "the members are not known yet";
  return silent === undefined ? null : `${silent} is silent, and may know of data of the group`;
}

/** Whole, and on the disk: the record of the promotion must not call it half. */
function promotes(turn: Turn, cutover: Cutover): SourceStep {
  set(turn, { cutover: { ...cutover, sent: true } });
  setRedis(turn, { unsavedSync: false });
  return "promotes";
}

function failCutover(turn: Turn, why: string): SourceStep {
  const { cutover } = turn.state;
  if (cutover === null) return "stays";
  set(turn, { cutover: null });
  // Also before it was asked: a process before this one may have closed it, and died.
  if (cutover.closes) act(turn, { type: "openSource", reason: "cutoverRefused" });
  refuseRequest(turn, cutover.requestId, why);
  return "stays";
}

/**
 * The right to lead is gone before anything was promoted: writers are not kept waiting for an API.
 * Where a promotion was sent its outcome comes first: the next right goes on from there.
 */
export function dropCutover(turn: Turn): void {
  const { cutover, lead } = turn.state;
  if (cutover === null || (lead !== null && right(turn) > 0)) return;
  if (!awaitsSource(turn.state, turn.config) || mayBeWritable(turn.state)) return;
  failCutover(turn, "the right to lead ended meanwhile");
}

/**
 * The source's history, where a promotion that was just answered is that of a cutover; else null.
 * `before` is what the own Redis was last seen with; a probe may have shown the new one already.
 */
export function sourceContinued(
  { cutover, redis }: MemberState,
  before: string | null,
): string | null {
  const { info, data } = redis;
  if (!cutover?.sent || cutover.stood === null || data?.kind !== "half") return null;
  const { replid } = cutover.stood;
  return before === replid || info?.replid2 === replid ? replid : null;
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
