/**
 * Reading, renewing and taking the Lease. When time is up is the election's to say; whether *this*
 * copy should lead is decided here, from positions, cold starts and releases (docs/protocol.md,
 * sections 2, 4.4, 5.7 and 6).
 */
import {
  claimOf,
  expireTerm,
  isReleasing,
  parseIdentity,
  permitMs,
  readIsDue,
  lastLeader,
  recordOf,
  rightMs,
  startRead,
  tryDueInMs,
  versionOf,
  viewIsInDoubt,
  waiterElapsedMs,
  type Claim,
  type ClaimWay,
  type Draft,
  type LeaseRecord,
  type LineageEntry,
} from "@leasehold/election";
import { forcedHere, isPaused } from "./control.ts";
import { acquisition, callsUnlisted, listWillChange, renewal, wantsNewEpoch } from "./drafts.ts";
import { judgeCopies } from "./judge.ts";
import { allOrdinals, ineligibility, reports } from "./members.ts";
import type { ControlRequest } from "./observation.ts";
import { askAgain, isFresh } from "./plan-poll.ts";
import { ensureRecord } from "./plan-record.ts";
import { givesBack } from "./plan-stop.ts";
import type { Reason } from "./reason.ts";
import { mayBeWritable, redisIsUp } from "./redis-view.ts";
import { awaitsSource } from "./source-view.ts";
import type { Lead, MemberState } from "./state.ts";
import { act, announce, nextId, podOf, set, writeLease, writePermit, type Turn } from "./turn.ts";

/** Peers are asked for their positions when the take-over is this near (section 6). */
const ASK_BEFORE_MS = 1000;
const ASK_TIMEOUT_MS = 250;
const REPORT_AGE_MS = 1000;
const POD_READ_AGAIN_MS = 500;
/** A renewal that carries news does not wait for its turn, but leaves this much between two. */
const NEWS_SPACING_MS = 20;
/** So long a renewal with news of a promotion waits until the slice was sent. */
const PROMOTION_MS = 50;
const STUCK_MS = 6000;
/** Between two tries to take the Lease of which the first was refused. */
const CLAIM_AGAIN_MS = 400;

export function planReads(turn: Turn): void {
  set(turn, { election: expireTerm(turn.state.election, turn.at) });
  if (!readIsDue(turn.state.election, turn.config.renewIntervalMs, turn.at)) return;
  set(turn, { election: startRead(turn.state.election, turn.at) });
  act(turn, { type: "readLease", reason: "readBack", seq: turn.state.election.seq });
}

export function planRenewal(turn: Turn): void {
  if (!mayRenew(turn)) return;
  const { election } = turn.state;
  const due = tryDueInMs(election, turn.config.renewIntervalMs, turn.at);
  if (due === null || (due > 0 && !hasNews(turn))) return;
  sendDraft(turn, renewal(turn), election.view.kind === "missing" ? "recreate" : "renew");
}

/** False: it could not leave now. Not sent again by itself: what it says is true now. */
export function renewMoved(turn: Turn, moved: LineageEntry): boolean {
  const { election } = turn.state;
  if (!mayRenew(turn) || election.tries.length > 0 || viewIsInDoubt(election)) return false;
  sendDraft(turn, renewal(turn, moved), "renew");
  return true;
}

/** There is a Lease to keep, and nothing is on its way that a renewal would spoil. */
export function mayRenew(turn: Turn): boolean {
  const { election, handoff, lead, broken } = turn.state;
  const { term, view } = election;
  if (term === null || broken.length > 0 || isReleasing(election, turn.at)) return false;
  if (givesBack(turn)) return false;
  // Never read, it could only be created: that proves nothing of a transfer that was sent, whose
  // Lease may have been there, taken over, and deleted since.
  if (view.kind === "unread") return false;
  // Who leads by promises alone has still to take the Lease, unless it is gone: then it is his.
  const isHolder = term.confirmed !== null || term.gaveSeq !== null;
  if (!isHolder && view.kind !== "missing") return false;
  if (view.kind === "missing" && rightMs(election, turn.at) <= 0) return false;
  const resting = ["demoting", "comparing", "transferring"];
  if (handoff !== null && resting.includes(handoff.phase)) return false;
  // A Redis that cannot be stopped must not keep the others out: let D pass (U4).
  if (rightMs(election, turn.at) <= 0 && mayBeWritable(turn.state)) return false;
  const stuck = lead?.phase === "won" && mayBeWritable(turn.state);
  return !stuck || waiterElapsedMs(lead.since, turn.at) < STUCK_MS;
}

function hasNews(turn: Turn): boolean {
  const { election, lead, lineage } = turn.state;
  const last = election.lastTryAt;
  if (election.tries.length > 0 || viewIsInDoubt(election)) return false;
  if (last !== null && waiterElapsedMs(last, turn.at) < NEWS_SPACING_MS) return false;
  const record = recordOf(election.view);
  if (election.view.kind === "missing" || wantsNewEpoch(turn.state)) return true;
  // It was accepted in advance, and is not over while it stands there (5.5).
  if (record?.handover != null) return !isAboutToPublish(turn);
  if (lead === null || record === null) return false;
  if (awaitsSource(turn.state, turn.config)) return listWillChange(turn);
  const isBehind = record.lineage.at(-1)?.epoch !== lineage.at(-1)?.epoch;
  if (isBehind && lead.replid !== null) return !isAboutToPublish(turn);
  return (lead.phase === "open" || callsUnlisted(turn)) && listWillChange(turn);
}

/** The address waits for its PUT alone; one of the Lease beside it tells of all that is new. */
function isAboutToPublish({ state, at }: Turn): boolean {
  const { lead, acquiring } = state;
  const since = lead?.since ?? acquiring?.before.takenAt ?? null;
  if (since === null || lead?.phase === "open") return false;
  if (lead?.phase === "publishing" && sliceLeavesNow(state, lead)) return true;
  return !sliceIsSent(state, lead) && waiterElapsedMs(since, at) < PROMOTION_MS;
}

function sliceIsSent({ slice }: MemberState, lead: Lead | null): boolean {
  return lead !== null && slice.pending?.epoch === lead.epoch;
}

/** In the very turn in which the promotion was answered: the slice is planned after the Lease. */
function sliceLeavesNow({ slice }: MemberState, lead: Lead): boolean {
  const { seen, pending, retryAt } = slice;
  return seen !== null && seen.epoch < lead.epoch && pending === null && retryAt === null;
}

/**
 * Names that were sent are durable before the PUT leaves (second review 6). Those that are not yet
 * wait; the renewal itself does not, or a full disk would cost the lead.
 */
function sendDraft(turn: Turn, draft: Draft, reason: Reason): void {
  const wanted = Object.keys(draft.record.members);
  const { saved } = turn.state.record;
  const durable = [...(saved?.members ?? []), ...(saved?.membersSent ?? [])];
  const listed = recordOf(turn.state.election.view)?.members ?? {};
  const isKnown = (name: string): boolean => durable.includes(name) || name in listed;
  if (!wanted.every(isKnown)) {
    ensureRecord(turn, { membersSent: wanted });
    if (Object.keys(listed).length === 0) return;
  }
  const members = Object.fromEntries(
    Object.entries(draft.record.members).filter(([name]) => isKnown(name)),
  );
  cutPermit(turn, draft.record.durationMs);
  writeLease(turn, { ...draft, record: { ...draft.record, members } }, reason);
}

/** A permit for a longer D must not outlive the wait for this one (U16). It stays its writer's. */
function cutPermit(turn: Turn, durationMs: number): void {
  const { permit } = turn.state;
  const deadlineBootMs = turn.at.bootMs + permitMs(durationMs);
  if (permit?.kind !== "lead" || permit.deadlineBootMs <= deadlineBootMs) return;
  writePermit(turn, { ...permit, deadlineBootMs }, "renew");
}

export function planClaim(turn: Turn): void {
  if (turn.state.election.term === null && holderLooksDead(turn.state)) podsAreRead(turn);
  const claim = currentClaim(turn);
  if (claim.kind === "none") return set(turn, { holdBack: null });
  if (claim.kind === "wait") return planWait(turn, claim);
  // A version that was refused, or is in doubt, is no basis: the read comes first.
  if (turn.state.broken.length > 0 || isOpen(turn) || viewIsInDoubt(turn.state.election)) return;
  const { lastTryAt } = turn.state.election;
  if (lastTryAt !== null && waiterElapsedMs(lastTryAt, turn.at) < CLAIM_AGAIN_MS) return;
  if (claim.way === "ownPredecessor") return take(turn, claim.way, NOT_JUDGED);
  if (turn.state.pods === null) return hold(turn, "its own pod was not read yet");
  const why = ineligibility(turn.state, turn.config, turn.at);
  if (claim.way === "handover") {
    return why === null ? take(turn, claim.way, NOT_JUDGED) : hold(turn, `may not lead: ${why}`);
  }
  if (mayBeWritable(turn.state) || !podsAreRead(turn)) return;
  const forced = forcedHere(turn.state);
  if (forced !== null) return takeByForce(turn, claim, forced);
  if (isPaused(turn)) return hold(turn, "paused: nobody takes over");
  if (why !== null) return hold(turn, `may not lead: ${why}`);
  if (!isFresh(turn, REPORT_AGE_MS)) return askAgain(turn, ASK_TIMEOUT_MS);
  const verdict = judgeCopies(turn, claim);
  if (verdict.go) {
    return take(turn, claim.way, { judged: verdict.calls !== true, forced: null });
  }
  hold(turn, verdict.why);
  askAgain(turn, ASK_TIMEOUT_MS);
}

interface Judgement {
  readonly judged: boolean;
  readonly forced: string | null;
}

const NOT_JUDGED: Judgement = { judged: false, forced: null };

/** People decide what is lost; never over a member that leads or is bound by a promise (4.5). */
function takeByForce(turn: Turn, claim: Claim, request: ControlRequest): void {
  if (claim.kind !== "now" || !redisIsUp(turn.state)) return hold(turn, "forced: waits for Redis");
  // Force overrides the judgement of copies, never the question who this pod is (4.5).
  const pod = podOf(turn.state, turn.state.start.member);
  if (pod?.uid !== turn.state.start.podUid) return hold(turn, "its pod is gone or another one");
  if (!isFresh(turn, REPORT_AGE_MS)) return askAgain(turn, ASK_TIMEOUT_MS);
  const words = whyNotByForce(turn.state);
  if (words === null) return take(turn, claim.way, { judged: true, forced: request.id });
  set(turn, { handledRequest: request.id });
  announce(turn, "switchoverRefused", { words: `forced failover refused: ${words}` });
  const result = { done: false, refused: true, words };
  act(turn, { type: "finishRequest", reason: "switchoverRefused", requestId: request.id, result });
}

function whyNotByForce(state: MemberState): string | null {
  const others = reports(state);
  const leading = others.find((one) => one.leads || one.boundUntilMs > 0);
  if (leading !== undefined) return `${leading.member} leads, or is bound by a promise`;
  // Some loss is what force accepts; the wiping of every copy is a mistake in the name.
  const full = others.find((one) => !one.empty);
  if (state.redis.data?.kind !== "empty" || full === undefined) return null;
  return `${state.start.member} is empty; name ${full.member}, which has data`;
}

/** A try is under way: its answer, or a read, comes first; then a hedge. */
function isOpen(turn: Turn): boolean {
  const due = tryDueInMs(turn.state.election, turn.config.renewIntervalMs, turn.at);
  if (turn.state.election.tries.length === 0) return false;
  return due === null || due > 0;
}

/** Without a Lease the answers may prove the first install, and end the wait. */
function planWait(turn: Turn, claim: Extract<Claim, { readonly kind: "wait" }>): void {
  set(turn, { holdBack: null });
  if (claim.leftMs <= ASK_BEFORE_MS || claim.way === "missing") askAgain(turn, REPORT_AGE_MS / 2);
}

export function currentClaim(turn: Turn): Claim {
  const { state, config } = turn;
  const facts = {
    durationMs: config.leaseDurationMs,
    jitter: state.jitter,
    firstInstall: isFirstInstall(state),
    deadHolderVersion: deadHolderVersion(state),
  };
  return claimOf(state.election, facts, turn.at);
}

/** Nobody can ever have led: no slice, no record anywhere, every Redis behind its gate (U9). */
function isFirstInstall(state: MemberState): boolean {
  const { view } = state.election;
  if (view.kind !== "missing" || state.slice.seen === null || state.pods === null) return false;
  if (state.slice.seen.version !== null || state.start.record !== null) return false;
  const others = allOrdinals(state).filter((name) => name !== state.start.member);
  const answers = reports(state);
  return (
    state.redis.process !== null &&
    state.redis.role.known === "demoted" &&
    others.every((name) =>
      answers.some(
        (one) => one.member === name && !one.hasRecord && !one.leads && one.redis === "gated",
      ),
    )
  );
}

/**
 * Both containers of the holder's pod are terminated, by a read that was sent while the Lease's
 * current version was in force: an older one may speak of a life before (U18).
 */
function deadHolderVersion(state: MemberState): string | null {
  const { podCheck } = state;
  if (podCheck === null || !podCheck.confirmed || !holderLooksDead(state)) return null;
  return podCheck.version;
}

function holderLooksDead(state: MemberState): boolean {
  const record = recordOf(state.election.view);
  const holder = record?.holder == null ? null : parseIdentity(record.holder);
  const pod = holder === null ? null : podOf(state, holder.pod);
  return pod !== null && pod.uid === holder?.podUid && pod.dead;
}

/**
 * Reads the pods under the version that is about to be taken; true once they were read. A member
 * whose pod is gone, or another one, must not take over because its watch is late (4.5).
 */
function podsAreRead(turn: Turn): boolean {
  const { podCheck, election } = turn.state;
  const { view } = election;
  const gone = view.kind === "missing" ? view.since.monotonicMs : 0;
  const version = versionOf(view) ?? `missing since ${gone}`;
  const isAsked = podCheck?.version === version;
  const isLate = isAsked && waiterElapsedMs(podCheck.at, turn.at) > POD_READ_AGAIN_MS;
  if (isAsked && (podCheck.confirmed || !isLate)) return podCheck.confirmed;
  const seq = nextId(turn);
  set(turn, { podCheck: { seq, version, at: turn.at, confirmed: false } });
  act(turn, { type: "readPods", reason: "observe", seq });
  return false;
}

function hold(turn: Turn, why: string): void {
  const version = versionOf(turn.state.election.view) ?? "missing";
  const before = turn.state.holdBack;
  if (before?.version === version && before.why === why) return;
  const since = before?.version === version ? before.since : turn.at;
  set(turn, { holdBack: { version, since, why } });
}

const REASON_OF: Readonly<Record<ClaimWay, Reason>> = {
  missing: "acquireMissing",
  expired: "acquireExpired",
  stranger: "strangersRecord",
  released: "acquireReleased",
  handover: "acquireHandover",
  staleHandover: "acquireStaleHandover",
  ownPredecessor: "acquireOwnPredecessor",
  provenDead: "acquireProvenDead",
};

function take(turn: Turn, way: ClaimWay, judgement: Judgement): void {
  const record = recordOf(turn.state.election.view);
  const handover = way === "handover" ? (record?.handover ?? null) : null;
  const tries = turn.state.election.tries.length;
  const reason = judgement.forced === null ? REASON_OF[way] : "acquireForced";
  const draft = acquisition(turn, handover);
  sendDraft(turn, draft, reason);
  if (turn.state.election.tries.length === tries) return;
  // Beside the PUT where nothing is reserved, so that the promotion need not wait for the disk.
  ensureRecord(turn, { promotes: draft.record.epoch });
  const before = { ...beforeOf(turn.state, record), takenAt: turn.at };
  set(turn, { acquiring: { way, handover, before, ...judgement } });
  announce(turn, reason, { words: wordsOf(turn, way, record) });
}

export function beforeOf(
  state: MemberState,
  record: LeaseRecord | null,
): Omit<NonNullable<MemberState["acquiring"]>["before"], "takenAt"> {
  const given = record?.holder === state.election.me ? (record.handover?.from ?? null) : null;
  const from = given ?? (record && lastLeader(record));
  return {
    holder: from === null ? null : (parseIdentity(from)?.pod ?? null),
    position: record?.position ?? null,
    virgin: state.lineage.length === 0,
  };
}

/** The pod's name says enough to people. */
export function nameOf(identity: string | null): string {
  if (identity === null) return "nobody";
  return parseIdentity(identity)?.pod ?? identity;
}

function wordsOf(turn: Turn, way: ClaimWay, record: LeaseRecord | null): string {
  const { view } = turn.state.election;
  const seconds = view.kind === "unread" ? 0 : waiterElapsedMs(view.since, turn.at) / 1000;
  const whose = nameOf(record?.holder ?? record?.released?.by ?? null);
  switch (way) {
    case "missing":
      return `takes the Lease: there is none (seen missing for ${seconds.toFixed(1)} s)`;
    case "expired":
    case "stranger":
      return `takes over from ${whose}: its record did not change for ${seconds.toFixed(1)} s`;
    case "released":
      return `takes the Lease that ${whose} released`;
    case "handover":
      return `accepts the hand-over from ${nameOf(record?.handover?.from ?? null)}`;
    case "staleHandover":
      return `takes the hand-over that ${whose} did not renew for ${seconds.toFixed(1)} s`;
    case "ownPredecessor":
      return `takes the Lease of its own predecessor ${whose}`;
    case "provenDead":
      return `takes over from ${whose}: both containers of its pod have terminated`;
  }
}
