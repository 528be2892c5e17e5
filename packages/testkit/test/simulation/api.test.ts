import type { LeaseRecord } from "@leasehold/election";
import { describe, expect, it } from "vitest";
import { Random } from "../../src/random.ts";
import { API_ADDRESS, type ApiFailure, ApiServer } from "../../src/simulation/api/server.ts";
import { ApiStore, type WatchEvent } from "../../src/simulation/api/store.ts";
import { Network } from "../../src/simulation/network.ts";
import { VirtualClock } from "../../src/virtual-clock.ts";

const NODE = 1;

function record(holder: string, attempt: string): LeaseRecord {
  return {
    holder,
    durationMs: 5_000,
    transitions: 0,
    epoch: 1,
    attempt,
    lineage: [],
    members: {},
    position: null,
    handover: null,
    released: null,
    paused: false,
  };
}

function world(seed = 1) {
  const clock = new VirtualClock();
  const network = new Network(clock, new Random(seed));
  const judge = {
    leaseCommitted: () => undefined,
    leaseDeleted: () => undefined,
    leaseCreatedByPut: () => undefined,
    sliceCommitted: () => undefined,
    sliceDeleted: () => undefined,
  };
  const store: ApiStore = new ApiStore(judge, (kind) => api.notify(kind));
  const api: ApiServer = new ApiServer({ clock, network, random: new Random(seed + 1) }, (kind) =>
    store.observe(kind),
  );
  return { clock, network, store, api };
}

describe("the modelled Lease", () => {
  it("is created by POST once, and replaced by PUT at its version only", () => {
    const { store } = world();
    expect(store.postLease(record("a", "a.1")).kind).toBe("committed");
    expect(store.postLease(record("b", "b.1")).kind).toBe("conflict");
    const { uid, resourceVersion } = store.lease ?? { uid: "", resourceVersion: "" };
    const put = { uid, resourceVersion, record: record("a", "a.2") };
    expect(store.putLease(put).kind).toBe("committed");
    expect(store.putLease({ ...put, record: record("b", "b.2") }).kind).toBe("conflict");
  });

  it("keeps its version when an equal body is put", () => {
    const { store } = world();
    store.postLease(record("a", "a.1"));
    const before = store.lease;
    const { uid, resourceVersion } = before ?? { uid: "", resourceVersion: "" };
    store.putLease({ uid, resourceVersion, record: record("a", "a.1") });
    expect(store.lease?.resourceVersion).toBe(resourceVersion);
    expect(before).not.toBeNull();
  });

  it("is created anew by a late PUT without uid, and refuses one with it", () => {
    const { store } = world();
    store.postLease(record("a", "a.1"));
    const { uid, resourceVersion } = store.lease ?? { uid: "", resourceVersion: "" };
    store.deleteLease();
    const put = { resourceVersion, record: record("a", "a.2") };
    expect(store.putLease({ uid, ...put }).kind).toBe("conflict");
    expect(store.getLease().kind).toBe("missing");
    expect(store.putLease({ uid: null, ...put }).kind).toBe("committed");
    expect(store.lease?.uid).not.toBe(uid);
  });

  it("keeps older bodies for those who restore them", () => {
    const { store } = world();
    store.postLease(record("a", "a.1"));
    store.editLease(record("b", "b.1"));
    expect(store.oldLeases.map((old) => old.holder)).toEqual(["a"]);
  });
});

describe("the way to the API server", () => {
  /** Sends one call and returns what became of it. */
  function call(env: ReturnType<typeof world>, deadlineMs = 1_000) {
    const fate = { executedMs: -1, answer: null as "done" | ApiFailure | null, answers: 0 };
    env.api.call<"done">(NODE, {
      deadlineMs,
      execute: () => {
        fate.executedMs = env.clock.nowMs;
        return "done";
      },
      answered: (answer) => {
        fate.answer = answer;
        fate.answers += 1;
      },
    });
    return fate;
  }

  it("executes and answers within milliseconds when all is well", () => {
    const env = world();
    const fate = call(env);
    env.clock.runUntil(60);
    expect(fate.answer).toBe("done");
  });

  it("answers every call exactly once, whatever happens", () => {
    for (const fault of ["hang", "refuse", "error", "throttle", "slow", "lossy"] as const) {
      const env = world();
      env.api.setFault(API_ADDRESS, fault);
      const fates = Array.from({ length: 40 }, () => call(env));
      env.clock.runUntil(2_000);
      env.api.setFault(API_ADDRESS, null);
      env.clock.runUntil(20_000);
      expect(fates.every((fate) => fate.answers === 1)).toBe(true);
    }
  });

  it("executes some requests long after their sender gave up", () => {
    const env = world();
    env.api.setFault(API_ADDRESS, "hang");
    const fates = Array.from({ length: 60 }, () => call(env));
    env.clock.runUntil(8_000);
    env.api.setFault(API_ADDRESS, null);
    env.clock.runUntil(20_000);
    const late = fates.filter((fate) => fate.executedMs > 1_000);
    const never = fates.filter((fate) => fate.executedMs < 0);
    expect(late.length).toBeGreaterThan(5);
    expect(never.length).toBeGreaterThan(5);
    expect(fates.every((fate) => fate.answer !== "done")).toBe(true);
  });

  it("executes some requests whose answer is an error or lost", () => {
    const env = world();
    env.api.setFault(NODE, "lossy");
    const fates = Array.from({ length: 60 }, () => call(env));
    env.clock.runUntil(10_000);
    const unanswered = fates.filter((fate) => fate.executedMs >= 0 && fate.answer !== "done");
    expect(unanswered.length).toBeGreaterThan(3);
  });

  it("tells a watch of changes, and tells a broken one everything once it is open again", () => {
    const env = world();
    const seen: WatchEvent["kind"][] = [];
    env.api.watch(NODE, { changed: (event) => void seen.push(event.kind) });
    env.clock.runUntil(100);
    expect(seen.toSorted()).toEqual(["control", "lease", "pods", "slice"]);
    seen.length = 0;
    env.api.setFault(API_ADDRESS, "hang");
    env.store.postLease(record("a", "a.1"));
    env.clock.runUntil(1_000);
    expect(seen).toEqual([]);
    env.api.setFault(API_ADDRESS, null);
    env.clock.runUntil(4_000);
    expect(seen).toContain("lease");
  });

  it("keeps the order of a watch however late it is", () => {
    const env = world();
    const versions: (string | null)[] = [];
    env.api.watch(NODE, {
      changed: (event) => {
        if (event.kind === "slice") versions.push(event.slice.version);
      },
    });
    env.clock.runUntil(100);
    env.api.watchDelayMs = 3_000;
    for (let epoch = 1; epoch <= 20; epoch += 1) {
      env.store.editSlice({ epoch, holder: null, lineage: [], address: null });
    }
    env.clock.runUntil(10_000);
    const numbers = versions.map((version) => Number(version ?? 0));
    expect(numbers).toEqual(numbers.toSorted((a, b) => a - b));
    expect(numbers.length).toBeGreaterThanOrEqual(20);
  });
});
