/**
 * What must hold for every order of events, answers that come late or never, and faults: not what
 * a member does, but what it must never do.
 */
import { inspect } from "node:util";
import * as fc from "fast-check";
import { rightMs } from "@leasehold/election";
import { describe, expect, it } from "vitest";
import { mayBeWritable } from "../src/redis-view.ts";
import { decide, type Action, type MemberEventBody, type MemberState } from "../src/index.ts";
import {
  baseReport,
  followerInfo,
  freshInfo,
  identityOf,
  leaseOf,
  sliceOf,
} from "./world/defaults.ts";
import { dangersIfLeftAlone, dangersOf, type ApiWay } from "./world/outside.ts";
import { World } from "./world/world.ts";

type Other = "r-1" | "r-2";

type Step =
  | { readonly do: "wait"; readonly ms: number }
  | { readonly do: "answer"; readonly which: number }
  /** Never performed, or performed and never answered. */
  | { readonly do: "lose"; readonly which: number; readonly performed: boolean }
  | { readonly do: "foreign" }
  | { readonly do: "delete" }
  | { readonly do: "api"; readonly way: ApiWay }
  | { readonly do: "volume"; readonly way: "well" | "full" }
  | { readonly do: "redis"; readonly to: "dies" | "restarts" | "silent" | "answers" }
  | { readonly do: "guard"; readonly skewed: boolean }
  | { readonly do: "promises"; readonly member: Other; readonly way: "yes" | "no" | "would" }
  /** 0: without a span. */
  | { readonly do: "pause"; readonly paused: boolean; readonly forMs: number }
  | { readonly do: "force" }
  | { readonly do: "peer"; readonly member: Other; readonly offset: number }
  | { readonly do: "ask"; readonly epoch: number; readonly binding: boolean }
  | { readonly do: "switchover" }
  | { readonly do: "stop" }
  | { readonly do: "terminate" };

function often(weight: number, arbitrary: fc.Arbitrary<Step>): fc.WeightedArbitrary<Step> {
  return { weight, arbitrary };
}

const FAILING = ["down", "answersLost", "readOnly", "writeOnly", "conflicts"] as const;
const OTHERS = fc.constantFrom<Other[]>("r-1", "r-2");

/** Time and answers most of all, so that the member gets somewhere before the next fault. */
const step: fc.Arbitrary<Step> = fc.oneof(
  often(40, fc.record({ do: fc.constant("wait"), ms: fc.integer({ min: 1, max: 900 }) })),
  often(90, fc.record({ do: fc.constant("answer"), which: fc.nat(3) })),
  often(4, fc.record({ do: fc.constant("lose"), which: fc.nat(20), performed: fc.boolean() })),
  often(2, fc.constant({ do: "foreign" })),
  often(2, fc.constant({ do: "delete" })),
  often(4, fc.record({ do: fc.constant("api"), way: fc.constantFrom("up", "up", ...FAILING) })),
  often(2, fc.record({ do: fc.constant("volume"), way: fc.constantFrom("well", "well", "full") })),
  often(
    6,
    fc.record({
      do: fc.constant("redis"),
      to: fc.constantFrom("dies", "restarts", "silent", "answers", "answers", "answers"),
    }),
  ),
  often(2, fc.record({ do: fc.constant("guard"), skewed: fc.boolean() })),
  often(
    4,
    fc.record({
      do: fc.constant("promises"),
      member: OTHERS,
      way: fc.constantFrom("yes", "yes", "no", "would"),
    }),
  ),
  often(
    4,
    fc.record({
      do: fc.constant("peer"),
      member: OTHERS,
      offset: fc.constantFrom(900, 1000, 1000, 1000, 2000),
    }),
  ),
  often(
    3,
    fc.record({
      do: fc.constant("ask"),
      epoch: fc.integer({ min: 0, max: 9 }),
      binding: fc.boolean(),
    }),
  ),
  often(10, fc.constant({ do: "switchover" })),
  often(1, fc.constant({ do: "force" })),
  often(
    1,
    fc.record({
      do: fc.constant("pause"),
      paused: fc.boolean(),
      forMs: fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 5000 })),
    }),
  ),
  often(1, fc.constant({ do: "stop" })),
  often(1, fc.constant({ do: "terminate" })),
);

/** What the runs reached: a property that never got to a promotion would prove nothing. */
const reached = new Map<string, number>();

/** A world in which no answer comes by itself, and every decision is checked. */
class Adversary extends World {
  private runs = 0;
  private requests = 0;

  /** Everything waits for a step; the decision itself is checked before it is obeyed. */
  private gone = false;
  override tell(event: MemberEventBody): void {
    if (this.gone) return;
    const full = { ...event, at: this.at(), jitter: 0.5 };
    const decision = decide(this.state, full, this.config);
    // A decision that changes what it was given, or keeps what it gave away, fails from here on.
    deepFreeze(decision.state);
    this.state = decision.state;
    checkActions(decision.actions, this);
    for (const action of decision.actions) {
      if (action.type === "exit") this.gone = true;
      if (action.type === "writePermit") this.perform(action);
      else if (isAnswered(action)) this.heldActions.push(action);
      this.watch(action.type);
    }
  }

  private watch(last: string): void {
    const found = [...dangersOf(this, this.me), ...dangersIfLeftAlone(this, this.me)];
    this.dangers.push(...found.map((danger) => `${danger}: ${last}`));
  }

  /** Any of what is under way; role commands go down one connection, in order. */
  pick(which: number): Action | undefined {
    const chosen = this.heldActions[which % this.heldActions.length];
    const first = this.heldActions.find((action) => action.type === chosen?.type);
    const next = chosen?.type === "redisRole" ? first : chosen;
    if (next === undefined) return undefined;
    return this.heldActions.splice(this.heldActions.indexOf(next), 1)[0];
  }

  obey(action: Action): readonly MemberEventBody[] {
    this.perform(action);
    this.watch(action.type);
    return this.queue.splice(0);
  }

  step(one: Step): void {
    switch (one.do) {
      case "wait":
        this.nowMs += one.ms;
        return this.tell({ type: "tick" });
      case "answer": {
        const action = this.pick(one.which);
        for (const event of action === undefined ? [] : this.obey(action)) this.tell(event);
        return;
      }
      case "lose": {
        const action = this.pick(one.which);
        if (action !== undefined && one.performed) this.obey(action);
        return;
      }
      case "foreign":
        return this.setLease(leaseOf("r-1", { epoch: (this.lease?.record.epoch ?? 0) + 1 }));
      case "delete":
        return this.setLease(null);
      case "api":
        this.api = one.way;
        return;
      case "volume":
        this.volume = one.way;
        return;
      case "redis":
        return this.redisStep(one.to);
      case "guard":
        return this.hearGuard({ uptimeSkewMs: one.skewed ? 900 : 0 });
      case "promises":
        this.promises.set(one.member, one.way);
        return;
      case "peer": {
        const position = { epoch: 1, offset: one.offset, replid: "rho-1" };
        return this.peer(one.member, { offset: one.offset, position });
      }
      case "ask":
        return this.ask(one.epoch, one.binding);
      case "switchover":
      case "force":
        return this.request(one.do === "force");
      case "pause":
        this.control = { ...this.control, paused: one.paused, pauseSpan: spanOf(one.forMs) };
        return this.tell({ type: "controlObserved", control: this.control });
      case "terminate":
        return this.tell({ type: "terminate" });
      case "stop":
        return this.tell({ type: "stopRequested" });
    }
  }

  private request(force: boolean): void {
    this.requests += 1;
    const kind = force ? ("failover" as const) : ("switchover" as const);
    const request = { id: `${this.requests}`, kind, to: force ? "r-0" : null, force };
    this.control = { ...this.control, request };
    this.tell({ type: "controlObserved", control: this.control });
  }

  private redisStep(to: "dies" | "restarts" | "silent" | "answers"): void {
    if (to === "dies") this.redis = null;
    if (to === "restarts") {
      this.runs += 1;
      this.redis = freshInfo({ runId: `run-${this.runs}`, pid: 7 + this.runs, keys: 10 });
    }
    if (to === "silent") {
      return this.tell({ type: "redisObserved", observation: { kind: "silent", message: "" } });
    }
    this.probe();
    if (to === "restarts") this.hearGuard();
  }

  private ask(epoch: number, binding: boolean): void {
    const request = {
      holder: identityOf("r-1"),
      epoch,
      round: 1,
      lineage: [],
      asked: ["r-0", "r-1", "r-2"],
      durationMs: 5000,
      binding,
    };
    this.tell({ type: "promiseAsked", requestId: epoch, request });
  }
}

/** Two ids, so that one pause sometimes follows another one. */
function spanOf(forMs: number): { readonly id: string; readonly forMs: number } | null {
  return forMs === 0 ? null : { id: `p${forMs % 2}`, forMs };
}

function isAnswered(action: Action): boolean {
  return ![
    "announce",
    "writePermit",
    "hint",
    "finishRequest",
    "endPause",
    "reportStopped",
  ].includes(action.type);
}

/** Frozen whole; states share most of their parts, and those are frozen already. */
function deepFreeze(value: unknown): void {
  if (typeof value !== "object" || value === null) return checkSerialisable(value);
  if (Object.isFrozen(value)) return;
  const isPlain = Array.isArray(value) || Object.getPrototypeOf(value) === Object.prototype;
  if (!isPlain) throw new Error(`a state holds what JSON does not: ${inspect(value)}`);
  Object.freeze(value);
  for (const part of Object.values(value)) deepFreeze(part);
}

/** `undefined`, Infinity and functions would not survive a dump of the state. */
function checkSerialisable(value: unknown): void {
  const isFine = value === null || ["string", "boolean"].includes(typeof value);
  if (!isFine && !Number.isFinite(value)) throw new Error(`a state holds ${inspect(value)}`);
}

/** Rules of the protocol that can be read off one decision. */
function checkActions(actions: readonly Action[], world: World): void {
  const { state } = world;
  expect(state.broken).toEqual([]);
  for (const [index, action] of actions.entries()) {
    note(action);
    if (action.type === "redisRole" && action.command.kind === "promote") {
      checkPromotion(actions.slice(0, index), world);
    }
    if (action.type === "writeLease") checkLeaseWrite(action, state);
    if (action.type === "answerPromise" && action.answer.yes) {
      expect(state.lead).toBeNull();
      expect(rightMs(state.election, world.at())).toBe(0);
    }
  }
}

function note(action: Action): void {
  const what =
    action.type === "redisRole"
      ? action.command.kind
      : action.type === "writeLease"
        ? action.reason
        : action.type;
  reached.set(what, (reached.get(what) ?? 0) + 1);
}

function checkPromotion(before: readonly Action[], world: World): void {
  const { state } = world;
  expect(rightMs(state.election, world.at())).toBeGreaterThan(0);
  expect(state.permit?.kind).toBe("lead");
  const demotion = before.some((one) => one.type === "redisRole" && one.command.kind === "demote");
  expect(demotion).toBe(false);
  const { epoch = 0, reservedEpoch = 0 } = state.record.saved ?? {};
  expect(Math.max(epoch, reservedEpoch)).toBeGreaterThanOrEqual(state.promotedEpoch);
}

function checkLeaseWrite(
  action: Extract<Action, { type: "writeLease" }>,
  state: MemberState,
): void {
  const { record, base } = action.write;
  if (record.holder !== state.election.me) expect(mayBeWritable(state)).toBe(false);
  if (base === null) expect(state.election.view.kind).toBe("missing");
  else expect(base.uid).not.toBe("");
}

/** r-0 follows r-1; or r-1 has just released the Lease and r-0 is about to lead. */
function replay(steps: readonly Step[], released: boolean): void {
  const world = new Adversary();
  world.slice = sliceOf("r-1", 1);
  world.redis = followerInfo("r-1");
  for (const name of ["r-1", "r-2"]) world.peers.set(name, baseReport(name));
  world.setLease(leaseOf("r-1", released ? { holder: null } : {}));
  world.tell({ type: "podsObserved", pods: world.pods });
  world.tell({ type: "sliceObserved", slice: world.slice });
  world.probe();
  for (const one of steps) world.step(one);
  expect(world.dangers).toEqual([]);
}

describe("for every order of events", () => {
  it("a member never promotes without right, permit and record, nor gives away a writable Redis", () => {
    fc.assert(
      fc.property(fc.array(step, { minLength: 100, maxLength: 300 }), fc.boolean(), replay),
      { numRuns: 800 },
    );

    const wanted = [
      "promote",
      "unpause",
      "demote",
      "transferSwitchover",
      "transferRedisDied",
      "renew",
    ];
    expect(wanted.filter((what) => !reached.has(what))).toEqual([]);
  });
});
