import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Instant, PromiseRequest } from "@leasehold/election";
import type { Action, MemberEvent, MemberState } from "@leasehold/replication";
import { createRuntime, type Core, type Runtime } from "../src/runtime.ts";
import type { RuntimeEnd, RuntimePorts } from "../src/runtime-ports.ts";
import { CONFIG, REPORT, START, STATUS } from "./fixtures.ts";

type Decide = (event: MemberEvent) => readonly Action[];

interface Bench {
  readonly runtime: Runtime;
  readonly events: MemberEvent[];
  /** What ports were called with, in order. */
  readonly calls: string[];
  readonly ends: RuntimeEnd[];
  readonly lags: number[];
  now: Instant;
  wakeMs: number;
}

const LEASE_CHANGED = { type: "leaseChanged", lease: null } as const;
const NEVER = new Promise<never>(() => undefined);
const logged = () => vi.fn<(fields: unknown, words?: string) => void>();
const silentLog = {
  debug: logged(),
  info: logged(),
  warn: logged(),
  error: logged(),
  fatal: logged(),
};

function bench(decideNext: Decide, overrides: Partial<RuntimePorts> = {}): Bench {
  const state = { start: START } as unknown as MemberState;
  const b = {
    events: [] as MemberEvent[],
    calls: [] as string[],
    ends: [] as RuntimeEnd[],
    lags: [] as number[],
    now: { monotonicMs: 1_000, bootMs: 9_000 },
    wakeMs: 500,
  };
  const core: Core = {
    initialState: () => state,
    decide: (_state, event) => {
      b.events.push(event);
      return { state, actions: decideNext(event) };
    },
    nextWakeMs: () => b.wakeMs,
    reportOf: () => REPORT,
    statusOf: () => STATUS,
  };
  const call = <T>(name: string, result: T): Promise<T> => {
    b.calls.push(name);
    return Promise.resolve(result);
  };
  const ports: RuntimePorts = {
    clock: () => b.now,
    draw: () => 0.25,
    ...{ log: silentLog, source: null },
    leases: {
      read: () => call("read", { kind: "missing" }),
      write: (_write, _deadlineMs, connection) =>
        call(`write on ${connection}`, { kind: "conflict" }),
      watch: () => () => undefined,
    },
    slices: {
      read: () => call("read slice", { failed: "nobody is there" }),
      write: () => call("write slice", { kind: "conflict" }),
    },
    pods: { readPods: () => call("pods", { pods: [], replicas: 3, updateRevision: null }) },
    control: { finish: (id) => call(`finish ${id}`, undefined), endPause: () => NEVER },
    journal: { announce: () => void call("announce", undefined) },
    redis: {
      probe: () => NEVER,
      role: (command) =>
        call(command.kind, { ok: false, sent: true, error: "busy", message: "BUSY" }),
      offset: () => Promise.resolve(100),
      onClosed: () => undefined,
      close: () => Promise.resolve(),
    },
    peers: {
      report: (peer) => call(`report ${peer.member}`, null),
      promise: (peer) => call(`promise ${peer.member}`, { yes: true, reason: "" }),
      hint: (peer) => call(`hint ${peer.member}`, undefined),
      offset: () => Promise.resolve({ offset: 100, accepted: null }),
    },
    run: {
      writePermit: (permit) => void call(`permit ${permit.kind}`, undefined),
      writeKill: (_bootId, pid) => void call(`kill ${pid}`, undefined),
      writeStopped: () => void call("stopped", undefined),
    },
    record: { write: () => call("record", { ok: true, message: "" }) },
    observer: {
      acted: () => undefined,
      handled: () => undefined,
      lagged: (lagMs) => b.lags.push(lagMs),
      turned: () => undefined,
    },
    end: (end) => b.ends.push(end),
    ...overrides,
  };
  const runtime = createRuntime({ start: START, config: CONFIG, ports, core });
  return Object.assign(b, { runtime });
}

/** Answers the first tick with these actions and everything else with none. */
const once =
  (...actions: readonly Action[]): Decide =>
  (event) =>
    event.type === "tick" ? actions : [];

const typesOf = (b: Bench): readonly string[] => b.events.map((event) => event.type);

const PERMIT: Action = {
  type: "writePermit",
  reason: "promote",
  permit: { kind: "lead", deadlineBootMs: 9_500, nonce: "n0" },
};
const PROMOTE: Action = {
  type: "redisRole",
  reason: "promote",
  id: 1,
  command: { kind: "promote", epoch: 7, pauseMs: 10_000 },
  process: { runId: "run0", pid: 7 },
};
const REQUEST: PromiseRequest = {
  holder: "orders-1_u1_n1",
  epoch: 7,
  round: 1,
  lineage: [],
  asked: ["orders-0"],
  durationMs: 5_000,
  binding: true,
};

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
});
afterEach(() => {
  vi.useRealTimers();
  vi.clearAllMocks();
});

describe("the order of things", () => {
  it("gives every event the time and one drawn number", () => {
    const b = bench(once());
    b.runtime.dispatch({ type: "tick" });
    expect(b.events).toEqual([{ type: "tick", at: b.now, jitter: 0.25 }]);
  });

  it("performs the actions of one decision in their order, the synchronous ones at once", () => {
    const b = bench(
      once(PERMIT, PROMOTE, { type: "kill", reason: "redisHung", bootId: "b", pid: 7 }),
    );
    b.runtime.dispatch({ type: "tick" });
    expect(b.calls).toEqual(["permit lead", "promote", "kill 7"]);
  });

  it("decides nothing while it decides: what comes meanwhile waits", () => {
    let depth = 0;
    let deepest = 0;
    const b: Bench = bench((event) => {
      depth += 1;
      deepest = Math.max(deepest, depth);
      if (event.type === "tick") b.runtime.dispatch(LEASE_CHANGED);
      depth -= 1;
      if (event.type === "tick") return [PERMIT];
      return event.type === "leaseChanged" ? [PROMOTE] : [];
    });
    b.runtime.dispatch({ type: "tick" });
    expect(deepest).toBe(1);
    expect(typesOf(b)).toEqual(["tick", "leaseChanged"]);
    expect(b.calls).toEqual(["permit lead", "promote"]);
  });

  it("turns each result into the event that names its action", async () => {
    const b = bench(
      once(
        { type: "readLease", reason: "observe", seq: 4 },
        { ...PROMOTE, id: 9 },
        { type: "readPods", reason: "poll", seq: 1 },
        { type: "hint", reason: "transferSwitchover", peers: [], timeoutMs: 10 },
      ),
    );
    b.runtime.dispatch({ type: "tick" });
    await vi.advanceTimersByTimeAsync(0);
    expect(b.events.slice(1)).toMatchObject([
      { type: "leaseRead", seq: 4, outcome: { kind: "missing" } },
      { type: "redisRoleDone", id: 9, outcome: { error: "busy" } },
      { type: "podsObserved", pods: { replicas: 3 } },
    ]);
  });

  it("asks all peers at once and says when the round is over", async () => {
    const peers = ["orders-1", "orders-2"].map((member) => ({ member, host: "h", peerPort: 1 }));
    const b = bench(once({ type: "askPeers", reason: "poll", round: 3, peers, timeoutMs: 100 }));
    b.runtime.dispatch({ type: "tick" });
    expect(b.calls).toEqual(["report orders-1", "report orders-2"]);
    await vi.advanceTimersByTimeAsync(0);
    expect(b.events.slice(1)).toMatchObject([
      { type: "peerReported", round: 3, member: "orders-1", report: null },
      { type: "peerReported", round: 3, member: "orders-2", report: null },
      { type: "peersDone", round: 3 },
    ]);
  });
});

describe("time", () => {
  it("wakes the core when it asked to be woken, and once", async () => {
    const b = bench(once());
    b.wakeMs = 300;
    b.runtime.dispatch({ type: "tick" });
    b.runtime.dispatch(LEASE_CHANGED);
    b.now = { monotonicMs: 1_300, bootMs: 9_300 };
    b.wakeMs = 10_000;
    await vi.advanceTimersByTimeAsync(300);
    expect(typesOf(b)).toEqual(["tick", "leaseChanged", "tick"]);
  });

  it("tells the time before anything else when the loop was late by more than 250 ms", () => {
    const b = bench(once());
    b.runtime.dispatch({ type: "tick" });
    b.now = { monotonicMs: 1_000 + 500 + 251, bootMs: 9_751 };
    b.runtime.dispatch(LEASE_CHANGED);
    expect(typesOf(b)).toEqual(["tick", "tick", "leaseChanged"]);
    expect(b.lags).toEqual([251]);
  });

  it("does not repeat the time for a loop that was a little late", () => {
    const b = bench(once());
    b.runtime.dispatch({ type: "tick" });
    b.now = { monotonicMs: 1_000 + 500 + 249, bootMs: 9_749 };
    b.runtime.dispatch(LEASE_CHANGED);
    expect(typesOf(b)).toEqual(["tick", "leaseChanged"]);
  });

  it("says how long ago the loop turned", () => {
    const b = bench(once());
    b.runtime.dispatch({ type: "tick" });
    b.now = { monotonicMs: 4_000, bootMs: 12_000 };
    expect(b.runtime.idleMs()).toBe(3_000);
  });
});

describe("ports that break their contract", () => {
  const leases = (write: () => Promise<never>): RuntimePorts["leases"] => ({
    read: () => NEVER,
    write,
    watch: () => () => undefined,
  });
  const WRITE: Action = {
    type: "writeLease",
    reason: "renew",
    seq: 1,
    attempt: "n0.1",
    write: { base: null, acquires: true, record: {} as never },
    connection: 0,
  };

  it("calls the outcome unknown when a Lease write throws", async () => {
    const b = bench(once(WRITE), { leases: leases(() => Promise.reject(new Error("oops"))) });
    b.runtime.dispatch({ type: "tick" });
    await vi.advanceTimersByTimeAsync(0);
    expect(b.events[1]).toMatchObject({
      type: "leaseWritten",
      attempt: "n0.1",
      outcome: { kind: "unknown", message: "Error: oops" },
    });
    expect(b.ends).toEqual([]);
  });

  it("calls the outcome unknown when a Lease write throws before it returns a promise", async () => {
    const throws = (): never => {
      throw new Error("at once");
    };
    const b = bench(once(WRITE), { leases: leases(throws) });
    b.runtime.dispatch({ type: "tick" });
    await vi.advanceTimersByTimeAsync(0);
    expect(b.events[1]).toMatchObject({ outcome: { kind: "unknown" } });
  });

  it("gives up on a port that never answers, a little after its deadline", async () => {
    const b = bench(once(WRITE), { leases: leases(() => NEVER) });
    b.wakeMs = 60_000;
    b.runtime.dispatch({ type: "tick" });
    await vi.advanceTimersByTimeAsync(4_499);
    expect(typesOf(b)).toEqual(["tick"]);
    await vi.advanceTimersByTimeAsync(1);
    expect(b.events[1]).toMatchObject({ type: "leaseWritten", outcome: { kind: "unknown" } });
  });

  it("takes a peer that throws for one that did not answer, and still ends the round", async () => {
    const peers = [{ member: "orders-1", host: "h", peerPort: 1 }];
    const b = bench(once({ type: "askPeers", reason: "poll", round: 1, peers, timeoutMs: 100 }), {
      peers: { report: () => Promise.reject(new Error("oops")) } as never,
    });
    b.runtime.dispatch({ type: "tick" });
    await vi.advanceTimersByTimeAsync(0);
    expect(b.events.slice(1)).toMatchObject([
      { type: "peerReported", report: null },
      { type: "peersDone" },
    ]);
  });
});

describe("faults that end the process", () => {
  it("does not promote when the permit could not be written", () => {
    const run = {
      writePermit: () => {
        throw new Error("ENOSPC");
      },
      writeKill: () => undefined,
      writeStopped: () => undefined,
    };
    const b = bench(once(PERMIT, PROMOTE), { run });
    b.runtime.dispatch({ type: "tick" });
    expect(b.calls).toEqual([]);
    expect(b.ends).toMatchObject([{ kind: "fenceFailed" }]);
  });

  it("ends with the event and the state in the log when the core throws", () => {
    const b = bench(() => {
      throw new Error("impossible");
    });
    b.runtime.dispatch(LEASE_CHANGED);
    expect(b.ends).toMatchObject([{ kind: "coreFailed" }]);
    expect(silentLog.fatal).toHaveBeenCalledWith(
      expect.objectContaining({ event: expect.objectContaining(LEASE_CHANGED) }),
      expect.any(String),
    );
  });

  it("looks at nothing more once it has ended", async () => {
    const b = bench(once({ type: "exit", reason: "terminate" }, PROMOTE));
    b.runtime.dispatch({ type: "tick" });
    b.runtime.dispatch(LEASE_CHANGED);
    await vi.advanceTimersByTimeAsync(10_000);
    expect(b.ends).toEqual([{ kind: "decided" }]);
    expect(b.calls).toEqual([]);
    expect(typesOf(b)).toEqual(["tick"]);
  });

  it("ends when events pile up beyond the bound instead of growing", () => {
    const b: Bench = bench((event) => {
      if (event.type !== "tick") return [];
      for (let count = 0; count <= 10_000; count += 1) b.runtime.dispatch(LEASE_CHANGED);
      return [];
    });
    b.runtime.dispatch({ type: "tick" });
    expect(b.ends).toMatchObject([{ kind: "overflow" }]);
  });

  it("goes on when only the preStop hook could not be told", () => {
    const run = {
      writePermit: () => undefined,
      writeKill: () => undefined,
      writeStopped: () => {
        throw new Error("ENOSPC");
      },
    };
    const b = bench(once({ type: "reportStopped", reason: "stopping" }), { run });
    b.runtime.dispatch({ type: "tick" });
    expect(b.ends).toEqual([]);
  });
});

describe("promises", () => {
  it("hands the core's answer to the member that asked", async () => {
    const b = bench((event) =>
      event.type === "promiseAsked"
        ? [
            {
              type: "answerPromise",
              reason: "promiseGiven",
              requestId: event.requestId,
              answer: { yes: true, reason: "bound" },
            },
          ]
        : [],
    );
    expect(await b.runtime.promise(REQUEST)).toEqual({ yes: true, reason: "bound" });
  });

  it("gives no answer when the core does not decide in time", async () => {
    const b = bench(() => []);
    const answer = b.runtime.promise(REQUEST);
    await vi.advanceTimersByTimeAsync(2_000);
    expect(await answer).toBeNull();
  });

  it("lets only so many members wait", async () => {
    const b = bench(() => []);
    const waiting = Array.from({ length: 64 }, () => b.runtime.promise(REQUEST));
    expect(await b.runtime.promise(REQUEST)).toBeNull();
    await vi.advanceTimersByTimeAsync(2_000);
    expect(await Promise.all(waiting)).toEqual(Array.from({ length: 64 }, () => null));
  });
});
