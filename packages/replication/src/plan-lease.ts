/**
 * Reading, renewing and taking the Lease. When time is up is the election's to say; whether *this*
 * copy should lead is decided here, from positions, cold starts and releases (docs/protocol.md,
 * sections 2, 4.4, 5.7 and 6).
 */
import {
  claimOf,
  expireTerm,
  parseIdentity,
  permitMs,
  readIsDue,
  recordOf,
  rightMs,
  startRead,
  tryDueInMs,
  versionOf,
  waiterElapsedMs,
  type Claim,
  type ClaimWay,
  type Draft,
  type LeaseRecord,
} from "@leasehold/election";
import { acquisition, listWillChange, renewal, wantsNewEpoch } from "./drafts.ts";
import { judgeCopies } from "./judge.ts";
import { allOrdinals, ineligibility, reports } from "./members.ts";
import { askAgain, isFresh } from "./plan-poll.ts";
import { ensureRecord } from "./plan-record.ts";
import type { Reason } from "./reason.ts";
import { mayBeWritable } from "./redis-view.ts";
import type { MemberState } from "./state.ts";
import { act, announce, nextId, podOf, set, writeLease, writePermit, type Turn } from "./turn.ts";

/** Peers are asked for their positions when the take-over is this near (section 6). */
const ASK_BEFORE_MS = 1000;
const ASK_TIMEOUT_MS = 250;
const REPORT_AGE_MS = 1000;
/** A renewal that carries news does not wait for its turn, but leaves this much between two. */
const NEWS_SPACING_MS = 20;

export function planReads(turn: Turn): void {
  set(turn, { election: expireTerm(turn.state.election, turn.at) });
  if (!readIsDue(turn.state.election, turn.config.renewIntervalMs, turn.at)) return;
  set(turn, { election: startRead(turn.state.election, turn.at) });
  act(turn, { type: "readLease", reason: "readBack", seq: turn.state.election.seq });
}

export function planRenewal(turn: Turn): void {
  const { election, handoff } = turn.state;
  const { term, view } = election;
  if (term === null) return;
  // Who leads by promises alone has still to take the Lease, unless it is gone: then it is his.
  const isHolder = term.confirmed !== null || term.gaveSeq !== null;
  if (!isHolder && view.kind !== "missing") return;
  if (handoff?.phase === "transferring" || turn.state.broken.length > 0) return;
  const due = tryDueInMs(election, turn.config.renewIntervalMs, turn.at);
  if (due === null || (due > 0 && !hasNews(turn))) return;
  if (view.kind === "missing" && rightMs(election, turn.at) <= 0) return;
  sendDraft(turn, renewal(turn), view.kind === "missing" ? "recreate" : "renew");
}

function hasNews(turn: Turn): boolean {
  const { election, lead, lineage } = turn.state;
  const last = election.lastTryAt;
  if (election.tries.length > 0) return false;
  if (last !== null && waiterElapsedMs(last, turn.at) < NEWS_SPACING_MS) return false;
  if (wantsNewEpoch(turn.state)) return true;
  const record = recordOf(election.view);
  if (election.view.kind === "missing") return true;
  if (lead === null || record === null) return false;
  if (lead.phase === "publishing") return record.lineage.at(-1)?.epoch !== lineage.at(-1)?.epoch;
  return lead.phase === "open" && listWillChange(turn);
}

/** Names that were sent are durable before the PUT leaves (second review 6). */
function sendDraft(turn: Turn, draft: Draft, reason: Reason): void {
  const names = Object.keys(draft.record.members);
  const knows = (list: readonly string[]): boolean => names.every((name) => list.includes(name));
  const { saved } = turn.state.record;
  if (!knows([...(saved?.members ?? []), ...(saved?.membersSent ?? [])])) {
    ensureRecord(turn, { membersSent: names });
    return;
  }
  cutPermit(turn, draft.record.durationMs);
  writeLease(turn, draft, reason);
}

/** A permit for a longer D must not outlive the wait for this one (U16). It stays its writer's. */
function cutPermit(turn: Turn, durationMs: number): void {
  const { permit } = turn.state;
  const deadlineBootMs = turn.at.bootMs + permitMs(durationMs);
  if (permit?.kind !== "lead" || permit.deadlineBootMs <= deadlineBootMs) return;
  writePermit(turn, { ...permit, deadlineBootMs }, "renew");
}

export function planClaim(turn: Turn): void {
  planDeathCheck(turn);
  const claim = currentClaim(turn);
  if (claim.kind === "none") return set(turn, { holdBack: null });
  if (claim.kind === "wait") return planWait(turn, claim);
  if (turn.state.broken.length > 0 || isOpen(turn)) return;
  if (claim.way === "ownPredecessor") return take(turn, claim.way);
  if (turn.state.pods === null) return hold(turn, "its own pod was not read yet");
  const why = ineligibility(turn.state, turn.config, turn.at);
  if (claim.way === "handover") return why === null ? take(turn, claim.way) : undefined;
  if (isPaused(turn.state)) return hold(turn, "paused: nobody takes over");
  if (why !== null) return hold(turn, `may not lead: ${why}`);
  if (mayBeWritable(turn.state)) return;
  if (!isFresh(turn, REPORT_AGE_MS)) return askAgain(turn, ASK_TIMEOUT_MS);
  const verdict = judgeCopies(turn, claim);
  if (verdict.go) return take(turn, claim.way);
  hold(turn, verdict.why);
  askAgain(turn, ASK_TIMEOUT_MS);
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
  const { deathCheck } = state;
  if (deathCheck === null || !deathCheck.confirmed || !holderLooksDead(state)) return null;
  return deathCheck.version;
}

function holderLooksDead(state: MemberState): boolean {
  const record = recordOf(state.election.view);
  const holder = record?.holder == null ? null : parseIdentity(record.holder);
  const pod = holder === null ? null : podOf(state, holder.pod);
  return pod !== null && pod.uid === holder?.podUid && pod.dead;
}

function planDeathCheck(turn: Turn): void {
  const { election, deathCheck } = turn.state;
  const version = versionOf(election.view);
  if (version === null || election.term !== null || !holderLooksDead(turn.state)) return;
  if (deathCheck?.version === version) return;
  const seq = nextId(turn);
  set(turn, { deathCheck: { seq, version, confirmed: false } });
  act(turn, { type: "readPods", reason: "observe", seq });
}

/** What people said last; the Lease's flag where that cannot be read. A leader copies it there. */
function isPaused(state: MemberState): boolean {
  return state.control?.paused ?? recordOf(state.election.view)?.paused ?? false;
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

function take(turn: Turn, way: ClaimWay): void {
  const record = recordOf(turn.state.election.view);
  const handover = way === "handover" ? (record?.handover ?? null) : null;
  const tries = turn.state.election.tries.length;
  sendDraft(turn, acquisition(turn, handover), REASON_OF[way]);
  if (turn.state.election.tries.length === tries) return;
  set(turn, { acquiring: { way, handover, before: beforeOf(turn.state, record) } });
  announce(turn, REASON_OF[way], { words: wordsOf(turn, way, record) });
}

function beforeOf(
  state: MemberState,
  record: LeaseRecord | null,
): NonNullable<MemberState["acquiring"]>["before"] {
  const from = record?.handover?.from ?? record?.released?.by ?? record?.holder ?? null;
  return {
    holder: from === null ? null : (parseIdentity(from)?.pod ?? null),
    position: record?.position ?? null,
    virgin: state.lineage.length === 0,
  };
}

function wordsOf(turn: Turn, way: ClaimWay, record: LeaseRecord | null): string {
  const { view } = turn.state.election;
  const seconds = view.kind === "unread" ? 0 : waiterElapsedMs(view.since, turn.at) / 1000;
  const whose = record?.holder ?? record?.released?.by ?? "nobody";
  switch (way) {
    case "missing":
      return `takes the Lease: there is none (seen missing for ${seconds.toFixed(1)} s)`;
    case "expired":
    case "stranger":
      return `takes over from ${whose}: its record did not change for ${seconds.toFixed(1)} s`;
    case "released":
      return `takes the Lease that ${whose} released`;
    case "handover":
      return `accepts the hand-over from ${record?.handover?.from ?? "?"}`;
    case "staleHandover":
      return `takes the hand-over that ${whose} did not renew for ${seconds.toFixed(1)} s`;
    case "ownPredecessor":
      return `takes the Lease of its own predecessor ${whose}`;
    case "provenDead":
      return `takes over from ${whose}: both containers of its pod have terminated`;
  }
}
