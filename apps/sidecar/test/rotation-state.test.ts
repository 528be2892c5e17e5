import { describe, expect, it } from "vitest";
import { deriveCredentials, hashOf, type Credentials } from "../src/auth/credentials.ts";
import { adopt, isLearning, learned, tell } from "../src/auth/hearsay.ts";
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

describe("a member without a memory", () => {
  const OTHERS_MS = 700;
  const told = (password: string, leftMs: number, user = "default") => ({
    ...{ user, leftMs },
    hash: hashOf(password),
  });

  it("takes over what the others accept, no longer than they do or it would", () => {
    const other = passTime(rotate(begin(A), B, OVERLAP_MS), OVERLAP_MS - OTHERS_MS);
    const state = adopt(begin(B), tell(other, OVERLAP_MS), OVERLAP_MS);
    expect(hashesOf(state, "default")).toEqual([hashOf("b"), hashOf("a")]);
    expect(shortestLeftMs(state)).toBe(OTHERS_MS);
    expect(shortestLeftMs(adopt(begin(B), tell(other, OVERLAP_MS), 5))).toBe(5);
    expect(adopt(begin(B), tell(other, OVERLAP_MS), 0)).toEqual(begin(B));
  });

  it("takes over what is the newest of a member that has not seen the change", () => {
    const state = adopt(begin(B), tell(begin(A), OVERLAP_MS), OVERLAP_MS);
    expect(hashesOf(state, "default")).toEqual([hashOf("b"), hashOf("a")]);
    const back = rotate(state, A, OVERLAP_MS);
    expect(hashesOf(back, "default")).toEqual([hashOf("a"), hashOf("b")]);
  });

  it("is told of the applications' users alone, and believes no more", () => {
    const other = rotate(begin(A), B, OVERLAP_MS);
    expect(new Set(tell(other, OVERLAP_MS).map(({ user }) => user))).toEqual(new Set(["default"]));
    for (const user of ["leasehold", "leasehold-replication", "gone"]) {
      const state = begin(B);
      expect(adopt(state, [told("a", 500, user)], OVERLAP_MS)).toBe(state);
    }
  });

  it("never counts its newest password among the old ones, nor one twice", () => {
    const state = adopt(begin(B), [told("b", 500), told("a", 5), told("a", 9)], OVERLAP_MS);
    expect(hashesOf(state, "default")).toEqual([hashOf("b"), hashOf("a")]);
    expect(shortestLeftMs(state)).toBe(9);
    expect(adopt(state, [told("a", 800), told("b", 800)], OVERLAP_MS)).toBe(state);
  });

  it("bounds what it takes over, and keeps what lasts longest", () => {
    const many = Array.from({ length: 40 }, (_, n) => told(`p${n}`, n + 1));
    const state = adopt(begin(B), many, OVERLAP_MS);
    expect(hashesOf(state, "default")).toHaveLength(17);
    expect(shortestLeftMs(state)).toBe(25);
  });

  it("learns no more when it has heard all others, or has seen a password end", () => {
    const state = learned(begin(B));
    expect([isLearning(begin(B)), isLearning(state)]).toEqual([true, false]);
    expect(adopt(state, [told("a", 500)], OVERLAP_MS)).toBe(state);
    const ended = passTime(adopt(begin(B), [told("a", 500)], OVERLAP_MS), 500);
    expect(adopt(ended, [told("a", 500)], OVERLAP_MS)).toBe(ended);
  });

  it("is still one after a restart, or when its Secret changes, and none that remembers is", () => {
    const again = beginRotation(B, { users: begin(B).users, secrets: null }, OVERLAP_MS);
    expect(isLearning(again)).toBe(true);
    expect(isLearning(rotate(begin(B), C, OVERLAP_MS))).toBe(true);
    expect(isLearning(rotate(learned(begin(B)), C, OVERLAP_MS))).toBe(false);
  });

  it("is told what fits into an answer: first what lasts longest", () => {
    const state = adopt(begin(B), [told("a", 500), told("c", 600)], OVERLAP_MS);
    expect(tell(state, OVERLAP_MS)).toEqual([
      told("c", 600),
      told("a", 500),
      told("b", OVERLAP_MS),
    ]);
    const users = Array.from({ length: 1_000 }, (_, n) => ({
      ...{ name: `user-${n}`, hash: hashOf(`${n}`), generation: 1, retired: [], isNew: false },
    }));
    const all = tell({ ...state, users }, OVERLAP_MS);
    expect(all.length).toBeGreaterThan(200);
    expect(JSON.stringify(all).length).toBeLessThan(31_000);
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
