/**
 * Safety first, in every turn: a member without a right stops its Redis before anything else, and
 * the permit file says the truth (docs/protocol.md, section 3).
 *
 * Guarantees: `lead` is written before each promotion and with each newer right; `follow` only
 * after a confirmed demotion or while no Redis runs. A starting process leaves `lead` as it finds
 * it and may live on it until shortly before its deadline.
 */
import {
  parseIdentity,
  permitDeadlineBootMs,
  recordOf,
  waiterElapsedMs,
} from "@leasehold/election";
import { abandon } from "./handoff.ts";
import type { Reason } from "./reason.ts";
import { isReplicaForCertain, mayBeWritable } from "./redis-view.ts";
import type { MemberState } from "./state.ts";
import { act, announce, right, role, set, writePermit, type Turn } from "./turn.ts";

const ROLE_ANSWER_MS = 1500;
const KILL_AGAIN_MS = 1000;
const DEMOTE_AGAIN_MS = 100;
/** The sidecar stops before its guard has to. */
const BEFORE_GUARD_MS = 500;

/** What is left of the permit that a predecessor of this process wrote, in milliseconds. */
export function inheritedMs(turn: Turn): number {
  const { permit, start, election } = turn.state;
  if (permit?.kind !== "lead" || permit.nonce === start.nonce) return 0;
  const record = recordOf(election.view);
  const holder = record?.holder == null ? null : parseIdentity(record.holder);
  if (record !== null && holder?.podUid !== start.podUid) return 0;
  return Math.max(0, permit.deadlineBootMs - BEFORE_GUARD_MS - turn.at.bootMs);
}

export function planFence(turn: Turn): void {
  killUnanswered(turn);
  if (!mayBeWritable(turn.state)) return planFollowPermit(turn);
  if (right(turn) > 0 || inheritedMs(turn) > 0) return;
  stopWrites(turn);
}

/** Demotes, and looks twice where an older command may still be queued (U6). */
export function demoteSurely(turn: Turn, reason: Reason): void {
  const { role: state } = turn.state.redis;
  const waits = (kind: string): boolean => state.pending.some((one) => one.command.kind === kind);
  if (waits("demote") || waits("verifyDemoted")) return;
  const last = state.demoteAt;
  if (last !== null && waiterElapsedMs(last, turn.at) < DEMOTE_AGAIN_MS) return;
  const { redis } = turn.state;
  set(turn, { redis: { ...redis, role: { ...redis.role, demoteAt: turn.at } } });
  if (state.known !== "unsettled") role(turn, { kind: "demote", cutClients: true }, reason);
  if (state.known === "unknown" || state.known === "unsettled") {
    role(turn, { kind: "verifyDemoted" }, reason);
  }
}

function stopWrites(turn: Turn): void {
  const { lead, redis } = turn.state;
  const held = turn.state.election.term !== null;
  const reason: Reason = held ? "selfFence" : "leaseLost";
  if (lead !== null) {
    const words = held
      ? `stopped writes: no renewal was confirmed in time under epoch ${lead.epoch}`
      : `stopped writes: another one holds the Lease (was leader under epoch ${lead.epoch})`;
    announce(turn, reason, { words });
  }
  const cutter = lead === null ? turn.state.cutter : { since: turn.at, unpaused: true, cuts: 0 };
  set(turn, { lead: null, cutter });
  abandon(turn, "the right to lead ended meanwhile");
  if (redis.process !== null) demoteSurely(turn, lead === null ? "startGated" : reason);
}

/**
 * A missed deadline on the role connection, or a refusal, is answered by a kill (section 3). Not
 * if it is a replica whichever command it has obeyed: its copy may be the last one, and a killed
 * one is no live one any more.
 */
function killUnanswered(turn: Turn): void {
  const { redis } = turn.state;
  if (isReplicaForCertain(redis.role)) return;
  const late = redis.role.pending.some((one) => waiterElapsedMs(one.at, turn.at) > ROLE_ANSWER_MS);
  if (late && mayBeWritable(turn.state)) killRedis(turn, "selfFence");
}

export function killRedis(turn: Turn, reason: Reason): void {
  const { redis, guard } = turn.state;
  if (redis.process === null || redis.dead) return;
  if (redis.killed !== null && waiterElapsedMs(redis.killed, turn.at) < KILL_AGAIN_MS) return;
  const bootId = redis.guardBootId ?? guard?.bootId ?? null;
  if (bootId === null) return;
  set(turn, { redis: { ...turn.state.redis, killed: turn.at } });
  act(turn, { type: "kill", reason, bootId, pid: redis.process.pid });
}

/** Not writable for certain: the guard need not watch a deadline any more. */
function planFollowPermit(turn: Turn): void {
  const { lead, permit, handoff, start } = turn.state;
  if (permit?.kind === "follow") return;
  // A lead that is only won wants no deadline yet: the promotion writes it (and a stale one would
  // kill a Redis that is loading).
  if (lead !== null && lead.phase !== "won" && lead.phase !== "recording") return;
  if (handoff?.phase === "demoting" || handoff?.phase === "comparing") return;
  if (permit?.kind === "lead" && !knowsNoProcessRuns(turn.state)) return;
  writePermit(turn, { kind: "follow", nonce: start.nonce }, "startGated");
}

/** Demotion confirmed by the process itself, or no process at all. */
function knowsNoProcessRuns(state: MemberState): boolean {
  const { redis, guard } = state;
  if (redis.process !== null) return redis.dead || redis.role.known === "demoted";
  return (
    redis.seen ||
    guard?.state === "exited" ||
    guard?.state === "killed" ||
    guard?.state === "waiting"
  );
}

/** Each newer right moves the guard's deadline while Redis is, or is about to be, primary. */
export function planLeadPermit(turn: Turn): void {
  const { lead, start, election } = turn.state;
  if (lead === null || lead.phase === "won" || lead.phase === "recording") return;
  if (right(turn) <= 0) return;
  const deadlineBootMs = permitDeadlineBootMs(election);
  if (deadlineBootMs === null) return;
  writePermit(turn, { kind: "lead", deadlineBootMs, nonce: start.nonce }, "renew");
}
