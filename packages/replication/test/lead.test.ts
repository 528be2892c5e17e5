import { describe, expect, it } from "vitest";
import { followerInfo, freshInfo, identityOf, leaseOf, sliceOf } from "./world/defaults.ts";
import { World } from "./world/world.ts";

/** r-0 follows r-1, which leads epoch 1. */
function follower(): World {
  const world = new World();
  world.slice = sliceOf("r-1", 1);
  world.redis = followerInfo("r-1");
  world.peer("r-1", { leads: true, promoted: true });
  world.peer("r-2");
  world.setLease(leaseOf("r-1"));
  world.boot();
  return world;
}

function newGroup(): World {
  const world = new World();
  const fresh = {
    redis: "gated",
    hasRecord: false,
    position: null,
    empty: true,
    inSync: false,
  } as const;
  world.peer("r-1", { ...fresh, epoch: 0, lineage: [], recordMembers: [], recordEpoch: 0 });
  world.peer("r-2", { ...fresh, epoch: 0, lineage: [], recordMembers: [], recordEpoch: 0 });
  return world;
}

describe("first install", () => {
  it("founds the group at once when every member proves that it has nothing", () => {
    const world = newGroup();
    world.boot();
    world.run(1500);
    const lines = world.take();
    expect(lines).toEqual([
      "permit follow",
      `POST Lease acquireMissing: holder ${identityOf("r-0")} epoch 1`,
      "permit lead",
      "redis promote",
      "slice 10.0.0.0 epoch 1",
      "redis unpause",
      `PUT Lease renew: holder ${identityOf("r-0")} epoch 1`,
      "permit lead",
    ]);
  });
});

describe("a lost leader", () => {
  it("is replaced only after its record did not change for its whole duration", () => {
    const world = follower();
    world.take();
    world.run(5000);
    expect(world.take()).toEqual([]);
    world.run(400);
    const lines = world.take();
    expect(lines[0]).toBe(`PUT Lease acquireExpired: holder ${identityOf("r-0")} epoch 2`);
    expect(lines).toContain("redis promote");
    expect(lines).toContain("slice 10.0.0.0 epoch 2");
    expect(lines.indexOf("permit lead")).toBeLessThan(lines.indexOf("redis promote"));
  });

  it("is left to the better copy for one second, then taken", () => {
    const world = follower();
    world.peer("r-2", { position: { epoch: 1, offset: 2000, replid: "rho-1" }, offset: 2000 });
    world.run(5900);
    expect(world.take().filter((line) => line.startsWith("PUT"))).toEqual([]);
    world.run(400);
    expect(world.take().some((line) => line.includes("acquireExpired"))).toBe(true);
  });
});

describe("a leader", () => {
  function leader(): World {
    const world = newGroup();
    world.boot();
    world.run(500);
    for (const name of ["r-1", "r-2"]) world.peer(name);
    world.run(4000);
    world.take();
    return world;
  }

  it("lists its members one by one once they are in sync", () => {
    const world = leader();
    expect(Object.keys(world.lease?.record.members ?? {})).toEqual(["r-0", "r-1", "r-2"]);
  });

  it("demotes its Redis in the same turn in which it reads another holder", () => {
    const world = leader();
    world.setLease(leaseOf("r-1", { epoch: 9 }));
    expect(world.take()).toEqual(["redis demote", "permit follow"]);
  });

  it("stops writes when no renewal was confirmed for 0.9 D - 0.5 s and nobody promises", () => {
    const world = leader();
    world.apiDown = true;
    world.run(2900);
    expect(world.take()).not.toContain("redis demote");
    world.run(1200);
    expect(world.take()).toContain("redis demote");
  });

  it("hands over in a switchover: pause, demote, permit follow, one PUT, then unpause", () => {
    const world = leader();
    const offset = world.redis?.offset ?? 0;
    for (const name of ["r-1", "r-2"]) world.peer(name, { offset });
    const request = { id: "1", kind: "switchover", to: "r-2", force: false } as const;
    world.tell({ type: "controlObserved", control: { paused: false, request, forgotten: [] } });
    world.run(100);
    expect(world.take().filter((line) => line !== "hint")).toEqual([
      "redis pause",
      "awaitOffset",
      "redis demote",
      "awaitOffset",
      "permit follow",
      `PUT Lease transferSwitchover: holder ${identityOf("r-2")} epoch 2 handover to ${identityOf("r-2")}`,
      "finishRequest",
      "redis unpause",
      "redis cutClients",
    ]);
  });

  it("transfers to the best copy when its Redis dies, without waiting for a restart", () => {
    const world = leader();
    world.peer("r-2", { position: { epoch: 1, offset: 5000, replid: "rho-1" } });
    world.redis = null;
    world.probe();
    const lines = world.take();
    expect(lines[0]).toBe("permit follow");
    expect(lines[1]).toContain(`transferRedisDied: holder ${identityOf("r-2")}`);
  });

  it("asks the guard to kill a Redis that says nothing for two seconds, and transfers after the proof", () => {
    const world = leader();
    const silent = { kind: "silent", message: "no answer" } as const;
    world.tell({ type: "redisObserved", observation: silent });
    world.redis = null;
    for (let waited = 0; waited < 2000; waited += 100) {
      world.nowMs += 100;
      world.tell({ type: "tick" });
    }
    const lines = world.take();
    expect(lines).toContain("kill");
    expect(lines.some((line) => line.includes("transfer"))).toBe(false);
    world.tell({
      type: "guardObserved",
      guard: { bootId: "g0", state: "killed", pid: 7, uptimeSkewMs: 0 },
    });
    expect(world.take().some((line) => line.includes("transferRedisDied"))).toBe(true);
  });
});

describe("a restarted sidecar", () => {
  it("demotes nothing while its predecessor's permit runs, and keeps the primary under a new epoch", () => {
    const world = new World({
      start: {
        nonce: "n0b",
        permit: { kind: "lead", deadlineBootMs: 4500, nonce: "n0" },
        record: null,
      },
    });
    world.redis = freshInfo({
      role: "primary",
      replid: "rho-1",
      offset: 1200,
      upstream: null,
      keys: 5,
    });
    world.slice = sliceOf("r-0", 1);
    world.setLease(leaseOf("r-0"));
    world.boot();
    world.run(500);
    const lines = world.take();
    expect(lines).not.toContain("redis demote");
    expect(lines.some((line) => line.includes("acquireOwnPredecessor"))).toBe(true);
    expect(lines).toContain("slice 10.0.0.0 epoch 2");
  });
});
