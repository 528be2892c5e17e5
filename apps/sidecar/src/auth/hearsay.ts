/**
 * What members tell one another of the passwords that applications may still use, and what a
 * member without a memory makes of it. Pure.
 *
 * A member whose volume was emptied, or that is new, knows the newest password alone. Led by it,
 * a group would shut out every application that has not changed yet, within the very time that it
 * was promised. So such a member takes over what the others accept, until it has heard all of
 * them once; from then on it goes by what it sees itself.
 *
 * Guarantees: nothing is taken over for longer than its teller has left, nor than the own overlap;
 * a user that has seen a password end learns none any more, so none comes back. Members' own
 * users are not told of: each derives their passwords from the key.
 */
import type { ToldPassword } from "../peers/messages.ts";
import { MAX_RETIRED, type RotatingUser, type RotationState } from "./rotation-state.ts";
import { AGENT_USER, REPLICATION_USER } from "./users.ts";

/**
 * Sealed and with all else it fits into an answer; that holds 240 passwords. More than that, and
 * those that end first are not told.
 */
const ROOM = 30_000;

/**
 * The newest ones belong to it: a member may see a change before the teller does, and never learn
 * otherwise what was in force before.
 */
export function tell({ users }: RotationState, overlapMs: number): readonly ToldPassword[] {
  const clients = users.filter(({ name }) => name !== AGENT_USER && name !== REPLICATION_USER);
  const retired = clients.flatMap(({ name, retired: old }) =>
    old.map(({ value, leftMs }) => ({ user: name, hash: value, leftMs })),
  );
  const newest = clients.map(({ name, hash }) => ({ user: name, hash, leftMs: overlapMs }));
  let room = ROOM;
  return [...retired.toSorted(longestFirst), ...newest].filter((one) => {
    room -= JSON.stringify(one).length + 1;
    return room >= 0;
  });
}

/** The same state: nothing that it did not know. */
export function adopt(
  state: RotationState,
  told: readonly ToldPassword[],
  overlapMs: number,
): RotationState {
  const users = state.users.map((user) => withAll(user, told, overlapMs));
  return users.every((user, index) => user === state.users[index]) ? state : { ...state, users };
}

/** Is there a user that still learns? */
export function isLearning({ users }: RotationState): boolean {
  return users.some(({ isNew }) => isNew);
}

/** All others were heard. */
export function learned(state: RotationState): RotationState {
  return { ...state, users: state.users.map((user) => ({ ...user, isNew: false })) };
}

function withAll(
  user: RotatingUser,
  told: readonly ToldPassword[],
  overlapMs: number,
): RotatingUser {
  if (!user.isNew || user.name === AGENT_USER || user.name === REPLICATION_USER) return user;
  const known = new Set([user.hash, ...user.retired.map(({ value }) => value)]);
  const retired = [...user.retired];
  for (const { user: name, hash, leftMs } of told.toSorted(longestFirst)) {
    if (name !== user.name || known.has(hash) || Math.min(leftMs, overlapMs) <= 0) continue;
    known.add(hash);
    retired.push({ value: hash, leftMs: Math.min(leftMs, overlapMs) });
  }
  if (retired.length === user.retired.length) return user;
  return { ...user, retired: retired.toSorted(longestFirst).slice(0, MAX_RETIRED) };
}

function longestFirst(a: { readonly leftMs: number }, b: { readonly leftMs: number }): number {
  return b.leftMs - a.leftMs;
}
