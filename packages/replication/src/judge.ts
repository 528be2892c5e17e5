/**
 * May this copy lead, given what the others say? One judgement for take-overs, released Leases,
 * cold starts and restarted holders, so that no path is laxer than another (docs/protocol.md,
 * sections 4.1, 4.2, 4.4, 5.7; red-team U5, U15; second review 13, 15, 16).
 */
import {
  isBehind,
  parseIdentity,
  lastLeader,
  recordOf,
  versionOf,
  waiterElapsedMs,
  type Claim,
  type MemberName,
  type Position,
} from "@leasehold/election";
import {
  ableMembers,
  bestFirst,
  comparisonOf,
  type Comparison,
  type Copy,
  listedMembers,
  ordinalOf,
  ownCopy,
  reports,
} from "./members.ts";
import type { MemberReport } from "./observation.ts";
import { mayLackTail, ownPosition } from "./redis-view.ts";
import { awaitsSource } from "./source-view.ts";
import { silentMembers, silentUnlisted } from "./silent.ts";
import type { MemberState } from "./state.ts";
import type { Turn } from "./turn.ts";
import { mayCallUnlisted } from "./unlisted.ts";

/** A better copy that does not act for this long loses its turn. */
export const TURN_MS = 1000;

export type Verdict =
  | {
      readonly go: true;
      /** Only to list somebody else, and to hand over: the own copy was not judged. */
      readonly calls?: true;
    }
  | { readonly go: false; readonly why: string };
const GO: Verdict = { go: true };
const ALL_EMPTY = "every copy is empty although the group had data: an operator must decide";

function no(why: string): Verdict {
  return { go: false, why };
}

type Ready = Extract<Claim, { readonly kind: "now" }>;

export function judgeCopies(turn: Turn, claim: Ready): Verdict {
  const { state } = turn;
  const position = ownPosition(state);
  const record = recordOf(state.election.view);
  // Nobody was promoted yet: what is taken is the place of who follows the source.
  if (awaitsSource(state, turn.config)) {
    if (record !== null) return GO;
    if (position === null) return judgeFirst(state);
  }
  if (position === null) {
    if (mayCallUnlisted(turn)) return { go: true, calls: true };
    const { mode, onMissing, coldStartWaitMs } = turn.config;
    const waited = onMissing === "best" && coldWaitedMs(turn) >= coldStartWaitMs;
    return judgeEmpty(state, { mayBegin: mode === "none", waited });
  }
  const released = claim.way === "released" ? record?.released : undefined;
  const lacks = released?.position ?? null;
  const isWhole = !mayLackTail(state) && !isBehind(position, lacks);
  if (released && isWhole) return judgeRivals(turn);
  if (released || state.redis.coldStart) return judgeCold(turn, lacks ?? record?.position ?? null);
  return judgeRivals(turn);
}

/**
 * The best of those that answered goes first; the others after its turn is over. That begins when
 * this one could go, and not when the Lease ran out: after an outage all come back together.
 */
function judgeRivals(turn: Turn): Verdict {
  const better = betterRival(turn);
  if (better === null || heldBackMs(turn) >= TURN_MS) return GO;
  return no(`${better} has the better copy`);
}

function heldBackMs({ state, at }: Turn): number {
  const { holdBack, election } = state;
  const version = versionOf(election.view) ?? "missing";
  if (holdBack === null || holdBack.version !== version) return 0;
  return waiterElapsedMs(holdBack.since, at);
}

/** It may be without the API just now. */
function betterRival(turn: Turn): MemberName | null {
  const own = ownCopy(turn.state, turn.config);
  const order = bestFirst(comparisonOf(turn.state));
  const best = ableMembers(turn.state).toSorted(order)[0];
  if (best === undefined || best.position === null) return null;
  return order(best, own) < 0 ? best.member : null;
}

/** What is asked of one that has no data. */
interface EmptyQuestion {
  /** It may begin anew: persistence is `none`, or there was nothing to lose. */
  readonly mayBegin: boolean;
  /** Who is not on the list was waited for, and the user wants the best of those present. */
  readonly waited: boolean;
}

/** Empty: only where nothing can be lost by it, and then the first name. */
export function judgeEmpty(state: MemberState, { mayBegin, waited }: EmptyQuestion): Verdict {
  const { kind } = state.redis.data ?? { kind: "half" };
  if (kind !== "empty") return no("its data is half, or of a lineage that the group does not know");
  const virgin =
    state.lineage.length === 0 && (recordOf(state.election.view)?.lineage.length ?? 0) === 0;
  const lost = state.election.view.kind === "missing" || mayBegin || virgin;
  if (state.pods === null && !waited) return no("empty, and the pods were not read yet");
  const unlisted = waited ? [] : silentUnlisted(state);
  const missing = [...silentMembers(state), ...unlisted][0];
  if (missing !== undefined) return no(`empty, and ${missing}, which may have data, is silent`);
  const full = reports(state).find((report) => !report.empty);
  if (full !== undefined) return no(`empty, and ${full.member} is not known to be empty`);
  if (!lost) return no(ALL_EMPTY);
  return firstGoes(state);
}

function firstGoes(state: MemberState): Verdict {
  const first = listedMembers(state).toSorted((a, b) => ordinalOf(a) - ordinalOf(b))[0];
  return first === state.start.member ? GO : no(`all are empty: ${first ?? "nobody"} goes first`);
}

/**
 * There is no Lease, and none was ever led under. Copies of a source are no data of the group, and
 * who follows it loses nothing: whether others have data is asked of all before a cutover.
 */
function judgeFirst(state: MemberState): Verdict {
  const missing = silentMembers(state)[0];
  if (missing !== undefined) return no(`${missing}, which may have data, is silent`);
  return firstGoes(state);
}

/**
 * A copy of the group's history from before its first byte, such as the RDB file of an early full
 * sync, is as good as none.
 */
export function lacksEverything({ state, config }: Turn, required: Position | null): boolean {
  // Such a group begins anew by itself.
  if (config.mode === "none") return false;
  const position = ownPosition(state);
  const begins = state.lineage[0]?.startOffset ?? 0;
  if (position === null || position.offset > begins || state.redis.info?.keys !== 0) return false;
  return isBehind(position, required);
}

/** This Redis restarted since it last followed the holder (4.4), or lacks what was released. */
function judgeCold(turn: Turn, required: Position | null): Verdict {
  const { state, config } = turn;
  const leading = reports(state).find((report) => report.leads || report.boundUntilMs > 0);
  if (leading !== undefined) return no(`${leading.member} leads or is bound by a promise`);
  const ahead = silentMembers(state).filter((name) => mayBeAhead(state, name));
  const waitedMs = coldWaitedMs(turn);
  const waited = waitedMs >= config.coldStartWaitMs;
  if (ahead.length > 0 && !waited) {
    return no(`waits for ${ahead.join(", ")}, which may have a better copy`);
  }
  // Without a last position nothing proves that this copy has all; nor that one has what came in
  // the last R, while others went on without it.
  const own = ownPosition(state);
  const complete = required !== null && !isBehind(own, required) && own?.outlived !== true;
  if (ahead.length > 0 && config.onMissing !== "best" && !complete) {
    return no(`undecided: ${ahead.join(", ")} may have a better copy and nobody here has all`);
  }
  if (lacksEverything(turn, required)) return no(ALL_EMPTY);
  const fuller = fullerElsewhere(state);
  if (fuller !== null) return no(`${fuller} has more of what was moved in: people must decide`);
  const whole = waited ? null : wholeElsewhere(state, required);
  if (whole !== null) return no(`waits for ${whole}, which has all and may not lead yet`);
  const released = recordOf(state.election.view)?.released != null;
  const better = betterPresent(turn, required, released);
  // A better one that is present waits by a clock of its own, which may have begun later.
  if (better === null || waitedMs >= 2 * config.coldStartWaitMs) return GO;
  return no(`${better} has the better copy`);
}

/**
 * The best of those present that may lead, with or without an answer of the API: first those that
 * have all that is required, though they restarted. After a release, or among copies that all
 * restarted, bytes count and not their kind: a restored copy claims only what it surely has.
 */
function betterPresent(
  turn: Turn,
  required: Position | null,
  released: boolean,
): MemberName | null {
  const able = reports(turn.state).filter(
    (one) => one.ineligible === null && one.position !== null,
  );
  const own = ownCopy(turn.state, turn.config);
  const all: readonly Copy[] = [own, ...able];
  const complete = required === null ? all : all.filter((one) => !isBehind(one.position, required));
  const chosen = complete.length > 0 ? complete : all;
  // Of one kind they are compared by that kind's own rules.
  const areRestored = chosen.every((one) => one.position?.restored === true);
  const byBytes = !areRestored && (released || able.every((one) => one.coldStart));
  const compare = comparisonOf(turn.state);
  const order = byBytes ? byBytesFirst(compare) : bestFirst(compare);
  const best = chosen.toSorted(order)[0];
  return best === undefined || best === own ? null : best.member;
}

/**
 * Who answers, may not lead just now (it stops, or is not ready), and has what was released while
 * this copy has not, or lives on with more than this one, restored, claims.
 */
function wholeElsewhere(state: MemberState, required: Position | null): MemberName | null {
  const own = ownPosition(state);
  const lacks = required !== null && isBehind(own, required);
  const isLive = (one: MemberReport): boolean =>
    one.position !== null && one.position.restored !== true;
  const holds = (one: MemberReport): boolean =>
    (lacks && !isBehind(one.position, required)) ||
    (own?.restored === true && isLive(one) && isBehind(own, one.position));
  return reports(state).find((one) => one.ineligible !== null && holds(one))?.member ?? null;
}

/**
 * This copy is of what the group moved in with, from before its first promotion. Others came by the
 * rest before there was a list that they could be on.
 */
function fullerElsewhere(state: MemberState): MemberName | null {
  const own = ownPosition(state);
  const [moved, first] = state.lineage;
  if (own === null || !moved?.moved || first?.parent !== moved.replid) return null;
  if (own.replid !== moved.replid) return null;
  const isFuller = ({ position }: MemberReport): boolean => {
    // Whoever followed the first promotion without a byte of it has the same.
    const isSame = position?.epoch === first.epoch && position.offset <= own.offset;
    return comparisonOf(state)(position, own) > 0 && !isSame;
  };
  return reports(state).find((one) => isFuller(one))?.member ?? null;
}

function byBytesFirst(compare: Comparison): (a: Copy, b: Copy) => number {
  return (a, b) => {
    if (isBehind(a.position, b.position)) return 1;
    return isBehind(b.position, a.position) ? -1 : bestFirst(compare)(a, b);
  };
}

function coldWaitedMs({ state, at }: Turn): number {
  return state.holdBack === null ? 0 : waiterElapsedMs(state.holdBack.since, at);
}

/** A silent member that was attached, or noted above this copy; the last holder always (4.2). */
export function mayBeAhead(state: MemberState, name: MemberName): boolean {
  const record = recordOf(state.election.view);
  const last = record && lastLeader(record);
  if (last !== null && parseIdentity(last)?.pod === name) return true;
  if (record === null) return true;
  const note = record.members[name];
  if (note === undefined) return true;
  return note.attached || isBehind(ownPosition(state), note.position);
}
