import { describe, expect, it } from "vitest";
import { deriveCredentials, hashOf, type Credentials } from "../src/auth/credentials.ts";
import {
  accepted,
  aclUsersOf,
  activated,
  beginRotation,
  passTime,
  peerKeysOf,
  rotate,
  secretsOf,
  shortestLeftMs,
  type RotationState,
} from "../src/auth/rotation-state.ts";

const OVERLAP_MS = 1_000;

function credentials(password: string, internalKey: string): Credentials {
  return deriveCredentials({
    scope: "shop/orders",
    password,
    internalKey,
    defaultUserRules: "+@all",
    others: [],
  });
}

function begin(of: Credentials): RotationState {
  return beginRotation(of, { users: [], secrets: null }, OVERLAP_MS);
}

function hashesOf(state: RotationState, name: string): readonly string[] {
  return aclUsersOf(state).find((user) => user.name === name)?.hashes ?? [];
}

const A = credentials("a", "k");
const B = credentials("b", "l");
const C = credentials("c", "m");

describe("a rotation", () => {
  it("begins with one password for each user", () => {
    const state = begin(A);
    expect(state.users.map(({ generation }) => generation)).toEqual([1, 1, 1]);
    expect(hashesOf(state, "default")).toEqual([hashOf("a")]);
    expect(shortestLeftMs(state)).toBe(Infinity);
    expect(passTime(state, 5)).toBe(state);
  });

  it("accepts both passwords, and goes on using the old ones at first", () => {
    const state = rotate(begin(A), B, OVERLAP_MS);
    expect(hashesOf(state, "default")).toEqual([hashOf("b"), hashOf("a")]);
    expect(state.users.map(({ generation }) => generation)).toEqual([2, 2, 2]);
    expect(state.agentPassword).toBe(A.agentPassword);
    expect(state.replicationPassword).toBe(A.replicationPassword);
    expect(peerKeysOf(state)).toEqual([B.peerKey, A.peerKey]);
    expect(accepted(state).agentPassword).toBe(B.agentPassword);
    expect(activated(state).replicationPassword).toBe(B.replicationPassword);
  });

  it("touches only the users whose password changed", () => {
    const state = rotate(begin(A), credentials("other", "k"), OVERLAP_MS);
    expect(state.users.map(({ generation }) => generation)).toEqual([2, 1, 1]);
    expect(peerKeysOf(state)).toEqual([A.peerKey]);
  });

  it("forgets the old passwords when their time has passed, but none that is in use", () => {
    const state = passTime(rotate(begin(A), B, OVERLAP_MS), OVERLAP_MS);
    expect(hashesOf(state, "default")).toEqual([hashOf("b")]);
    expect(peerKeysOf(state)).toEqual([B.peerKey]);
    expect(hashesOf(state, "leasehold")).toContain(hashOf(A.agentPassword));
    expect(hashesOf(state, "leasehold-replication")).toContain(hashOf(A.replicationPassword));
    const used = activated(accepted(state));
    expect(hashesOf(used, "leasehold")).toEqual([hashOf(B.agentPassword)]);
  });

  it("keeps the time that is left", () => {
    const state = passTime(rotate(begin(A), B, OVERLAP_MS), 400);
    expect(shortestLeftMs(state)).toBe(600);
    expect(hashesOf(state, "default")).toEqual([hashOf("b"), hashOf("a")]);
  });

  it("takes a password that comes back for what it is: the newest", () => {
    const state = rotate(rotate(begin(A), B, OVERLAP_MS), A, OVERLAP_MS);
    expect(hashesOf(state, "default")).toEqual([hashOf("a"), hashOf("b")]);
    expect(peerKeysOf(state)).toEqual([A.peerKey, B.peerKey]);
  });

  it("bounds how many old passwords there are", () => {
    const all = Array.from({ length: 20 }, (_, n) => credentials(`p${n}`, `k${n}`));
    const state = all.reduce((at, next) => rotate(at, next, OVERLAP_MS), begin(A));
    expect(hashesOf(state, "default")).toHaveLength(17);
    expect(peerKeysOf(state)).toHaveLength(17);
  });
});

describe("a restart", () => {
  it("of the sidecar goes on where the rotation was", () => {
    const before = rotate(begin(A), B, OVERLAP_MS);
    const remembered = { users: before.users, secrets: secretsOf(before) };
    expect(beginRotation(B, remembered, OVERLAP_MS)).toEqual(before);
  });

  it("of the sidecar in which the Secret changed keeps what Redis knows in use", () => {
    const before = begin(A);
    const remembered = { users: before.users, secrets: secretsOf(before) };
    const state = beginRotation(B, remembered, OVERLAP_MS);
    expect(state.agentPassword).toBe(A.agentPassword);
    expect(hashesOf(state, "leasehold")).toEqual([
      hashOf(B.agentPassword),
      hashOf(A.agentPassword),
    ]);
    expect(peerKeysOf(state)).toEqual([B.peerKey, A.peerKey]);
  });

  it("with a shorter overlap ends old passwords sooner", () => {
    const before = rotate(begin(A), B, OVERLAP_MS);
    const state = beginRotation(B, { users: before.users, secrets: null }, 5);
    expect(shortestLeftMs(state)).toBe(5);
    expect(state.users.every(({ retired }) => retired.every(({ leftMs }) => leftMs === 5))).toBe(
      true,
    );
  });

  it("without news leaves the users as they were", () => {
    const before = rotate(begin(A), B, OVERLAP_MS);
    const state = beginRotation(B, { users: before.users, secrets: null }, OVERLAP_MS);
    for (const [index, user] of state.users.entries()) expect(user).toBe(before.users[index]);
  });

  it("of the pod keeps accepting old passwords, and uses the new ones", () => {
    const before = rotate(begin(A), B, OVERLAP_MS);
    const state = beginRotation(C, { users: before.users, secrets: null }, OVERLAP_MS);
    expect(hashesOf(state, "default")).toEqual([hashOf("c"), hashOf("b"), hashOf("a")]);
    expect(state.agentPassword).toBe(C.agentPassword);
    expect(state.replicationPassword).toBe(C.replicationPassword);
  });
});
