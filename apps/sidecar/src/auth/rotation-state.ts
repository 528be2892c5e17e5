/**
 * Which passwords Redis accepts and which of them are in use, across changes of the Secret. Pure.
 *
 * A changed password is first accepted beside the old one, by this member. Only when all members
 * accept the new ones it is used towards them, and only then the time of the old one begins to
 * run out. So no order in which the members see the change breaks a connection, and a member
 * that lags keeps the old password alive instead of being shut out.
 */
import { hashOf, type Credentials } from "./credentials.ts";
import type { AclUser } from "./acl.ts";
import { AGENT_USER, REPLICATION_USER } from "./users.ts";

export interface RotationState {
  readonly credentials: Credentials;
  /** In the order of `credentials.users`. */
  readonly users: readonly RotatingUser[];
  /** What the running Redis surely accepts of user `leasehold`. */
  readonly agentPassword: string;
  /** What every other member surely accepts of user `leasehold-replication`. */
  readonly replicationPassword: string;
  /** Older keys of the members' port. */
  readonly retiredPeerKeys: readonly Retired[];
}

export interface RotatingUser {
  readonly name: string;
  /** Counts this member's changes of the password. */
  readonly generation: number;
  /** SHA-256 of the newest password. */
  readonly hash: string;
  readonly retired: readonly Retired[];
  /** Begun without a memory, and not all others were heard since (hearsay.ts). */
  readonly isNew: boolean;
}

/** A hash, or a key in base64url. */
export interface Retired {
  readonly value: string;
  /** How long it is still accepted once all members know its successor. */
  readonly leftMs: number;
}

/** What outlives a restart of the pod: hashes alone. */
export type RememberedUsers = readonly RotatingUser[];

/** What outlives a restart of the sidecar beside a running Redis. */
export interface RememberedSecrets {
  readonly agentPassword: string;
  readonly replicationPassword: string;
  readonly peerKey: string;
  readonly retiredPeerKeys: readonly Retired[];
}

/**
 * So many changes may come before all members have agreed on one of them. Beyond that the oldest
 * is forgotten, although another member may still use it.
 */
export const MAX_RETIRED = 16;

export function beginRotation(
  credentials: Credentials,
  remembered: { readonly users: RememberedUsers; readonly secrets: RememberedSecrets | null },
  overlapMs: number,
): RotationState {
  const { secrets } = remembered;
  const peerKey = keyText(credentials.peerKey);
  return {
    credentials,
    users: credentials.users.map(({ name, hash }) => {
      const known = remembered.users.find((user) => user.name === name);
      if (!known) return { name, hash, generation: 1, retired: [], isNew: true };
      return shortened(renewed(known, hash, overlapMs), overlapMs);
    }),
    agentPassword: secrets?.agentPassword ?? credentials.agentPassword,
    replicationPassword: secrets?.replicationPassword ?? credentials.replicationPassword,
    retiredPeerKeys: secrets
      ? retire(secrets.retiredPeerKeys, secrets.peerKey, { by: peerKey, overlapMs })
      : [],
  };
}

/** The same state after its files have changed. */
export function rotate(
  state: RotationState,
  credentials: Credentials,
  overlapMs: number,
): RotationState {
  return beginRotation(credentials, { users: state.users, secrets: secretsOf(state) }, overlapMs);
}

/** Redis accepts all of the newest passwords. */
export function accepted(state: RotationState): RotationState {
  return { ...state, agentPassword: state.credentials.agentPassword };
}

/** All other members accept them, too. */
export function activated(state: RotationState): RotationState {
  return { ...state, replicationPassword: state.credentials.replicationPassword };
}

/** `elapsedMs` of time in which all members used the newest ones. The same state: no news. */
export function passTime(state: RotationState, elapsedMs: number): RotationState {
  if (shortestLeftMs(state) === Infinity) return state;
  const shorten = (list: readonly Retired[]): readonly Retired[] =>
    list
      .map(({ value, leftMs }) => ({ value, leftMs: leftMs - elapsedMs }))
      .filter(({ leftMs }) => leftMs > 0);
  return {
    ...state,
    users: state.users.map((user) => {
      const retired = shorten(user.retired);
      // What it has seen end does not come back to it.
      const isNew = user.isNew && retired.length === user.retired.length;
      return { ...user, retired, isNew };
    }),
    retiredPeerKeys: shorten(state.retiredPeerKeys),
  };
}

/** Until the next old password ends; Infinity: there is none. */
export function shortestLeftMs({ users, retiredPeerKeys }: RotationState): number {
  const all = [...retiredPeerKeys, ...users.flatMap(({ retired }) => retired)];
  return Math.min(...all.map(({ leftMs }) => leftMs));
}

export function aclUsersOf(state: RotationState): readonly AclUser[] {
  return state.users.map(({ name, hash, retired }, index) => ({
    name,
    rules: state.credentials.users[index]?.rules ?? "",
    hashes: [hash, ...retired.map(({ value }) => value), ...inUse(state, name)].filter(isFirst),
  }));
}

/** Newest first. */
export function peerKeysOf({ credentials, retiredPeerKeys }: RotationState): readonly Buffer[] {
  const older = retiredPeerKeys.map(({ value }) => Buffer.from(value, "base64url"));
  return [credentials.peerKey, ...older];
}

export function secretsOf(state: RotationState): RememberedSecrets {
  const { agentPassword, replicationPassword, retiredPeerKeys, credentials } = state;
  const peerKey = keyText(credentials.peerKey);
  return { agentPassword, replicationPassword, peerKey, retiredPeerKeys };
}

/** A password that is still used is accepted, however long that takes. */
function inUse(state: RotationState, name: string): readonly string[] {
  if (name === AGENT_USER) return [hashOf(state.agentPassword)];
  return name === REPLICATION_USER ? [hashOf(state.replicationPassword)] : [];
}

/** A shorter overlap holds for what is retired already, too. The same user: nothing to shorten. */
function shortened(user: RotatingUser, overlapMs: number): RotatingUser {
  if (user.retired.every(({ leftMs }) => leftMs <= overlapMs)) return user;
  const retired = user.retired.map(({ value, leftMs }) => ({
    value,
    leftMs: Math.min(leftMs, overlapMs),
  }));
  return { ...user, retired };
}

function renewed(user: RotatingUser, hash: string, overlapMs: number): RotatingUser {
  if (user.hash === hash) return user;
  const retired = retire(user.retired, user.hash, { by: hash, overlapMs });
  return { ...user, hash, generation: user.generation + 1, retired };
}

/** Who comes back is not retired any more. */
function retire(
  list: readonly Retired[],
  value: string,
  { by, overlapMs }: { readonly by: string; readonly overlapMs: number },
): readonly Retired[] {
  if (value === by) return list;
  const others = list.filter((old) => old.value !== by && old.value !== value);
  return [{ value, leftMs: overlapMs }, ...others].slice(0, MAX_RETIRED);
}

function isFirst(value: string, index: number, all: readonly string[]): boolean {
  return all.indexOf(value) === index;
}

function keyText(key: Buffer): string {
  return key.toString("base64url");
}
