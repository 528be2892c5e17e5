/**
 * One turn of the decision: the state as it changes, and the actions so far. Everything that is
 * appended here leaves the process in this order.
 */
import { rightMs, startTry, type Draft, type Instant, type MemberName } from "@leasehold/election";
import type { Action, LeaderChange, Peer, RoleCommand } from "./action.ts";
import type { MemberConfig } from "./config.ts";
import type { Permit, PodObservation, RedisProcess } from "./observation.ts";
import type { Reason } from "./reason.ts";
import type { MemberState } from "./state.ts";

export interface Turn {
  state: MemberState;
  readonly actions: Action[];
  readonly at: Instant;
  readonly config: MemberConfig;
}

export function set(turn: Turn, change: Partial<MemberState>): void {
  turn.state = { ...turn.state, ...change };
}

export function act(turn: Turn, action: Action): void {
  turn.actions.push(action);
}

export function announce(
  turn: Turn,
  reason: Reason,
  said: { readonly words: string; readonly change?: LeaderChange },
): void {
  const epoch = turn.state.election.term?.epoch ?? turn.state.election.epochSeen;
  act(turn, { type: "announce", reason, epoch, words: said.words, change: said.change ?? null });
}

/** Sends a role command down the one role connection. Without a process there is nobody to tell. */
export function role(turn: Turn, command: RoleCommand, reason: Reason): void {
  const process = turn.state.redis.process;
  if (process === null || turn.state.redis.dead) return;
  const id = turn.state.nextId;
  const { redis } = turn.state;
  const pending = [...redis.role.pending, { id, command, at: turn.at }];
  const known = knownAfterSending(redis.role.known, command);
  set(turn, { nextId: id + 1, redis: { ...redis, role: { ...redis.role, pending, known } } });
  act(turn, { type: "redisRole", reason, id, command, process: bare(process) });
}

function bare(process: RedisProcess): RedisProcess {
  return { runId: process.runId, pid: process.pid };
}

function knownAfterSending(
  known: MemberState["redis"]["role"]["known"],
  command: RoleCommand,
): MemberState["redis"]["role"]["known"] {
  return command.kind === "promote" ? "promoting" : known;
}

export function writeLease(turn: Turn, draft: Draft, reason: Reason): void {
  const sent = startTry(turn.state.election, draft, turn.at);
  set(turn, { election: sent.state });
  const { seq, attempt, write, connection } = sent;
  act(turn, { type: "writeLease", reason, seq, attempt, write, connection });
}

export function writePermit(turn: Turn, permit: Permit, reason: Reason): void {
  const before = turn.state.permit;
  if (before !== null && JSON.stringify(before) === JSON.stringify(permit)) return;
  set(turn, { permit });
  act(turn, { type: "writePermit", reason, permit });
}

export function right(turn: Turn): number {
  return rightMs(turn.state.election, turn.at);
}

export function podOf(state: MemberState, member: MemberName): PodObservation | null {
  return state.pods?.pods.find((pod) => pod.member === member) ?? null;
}

export function peerOf(state: MemberState, member: MemberName): Peer | null {
  if (state.pods === null) {
    const recorded = state.record.saved?.addresses[member];
    return recorded === undefined ? null : { member, ...recorded };
  }
  const pod = podOf(state, member);
  if (pod === null || pod.address === null) return null;
  return { member, host: pod.address.host, peerPort: pod.peerPort };
}

/** Everybody else that has an address, in the order of names. */
export function otherPeers(state: MemberState): readonly Peer[] {
  const recorded = Object.keys(state.record.saved?.addresses ?? {});
  const names = state.pods === null ? recorded : state.pods.pods.map((pod) => pod.member);
  return names
    .filter((name) => name !== state.start.member)
    .map((name) => peerOf(state, name))
    .filter((peer) => peer !== null);
}

export function nextId(turn: Turn): number {
  const id = turn.state.nextId;
  set(turn, { nextId: id + 1 });
  return id;
}
