/**
 * What must hold for every order of events, answers that come late or never, and faults: not what
 * a member does, but what it must never do.
 */
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
import { World } from "./world/world.ts";

type Step =
  | { readonly do: "wait"; readonly ms: number }
  | { readonly do: "answer"; readonly which: number }
  | { readonly do: "lose"; readonly which: number }
  | { readonly do: "foreign" }
  | { readonly do: "delete" }
  | { readonly do: "api"; readonly down: boolean }
  | { readonly do: "redis"; readonly to: "dies" | "restarts" | "silent" | "answers" }
  | { readonly do: "guard"; readonly state: "running" | "exited" | "killed" }
  | { readonly do: "peer"; readonly member: "r-1" | "r-2"; readonly offset: number }
  | { readonly do: "ask"; readonly epoch: number; readonly binding: boolean }
  | { readonly do: "switchover" }
  | { readonly do: "stop" };

function often(weight: number, arbitrary: fc.Arbitrary<Step>): fc.WeightedArbitrary<Step> {
  return { weight, arbitrary };
}

/** Time and answers most of all, so that the member gets somewhere before the next fault. */
const step: fc.Arbitrary<Step> = fc.oneof(
  often(40, fc.record({ do: fc.constant("wait"), ms: fc.integer({ min: 1, max: 900 }) })),
  often(90, fc.record({ do: fc.constant("answer"), which: fc.nat(3) })),
  often(4, fc.record({ do: fc.constant("lose"), which: fc.nat(20) })),
  often(2, fc.constant({ do: "foreign" })),
  often(2, fc.constant({ do: "delete" })),
  often(4, fc.record({ do: fc.constant("api"), down: fc.boolean() })),
  often(
    6,
    fc.record({
      do: fc.constant("redis"),
      to: fc.constantFrom("dies", "restarts", "silent", "answers", "answers", "answers"),
    }),
  ),
  often(
    3,
    fc.record({
      do: fc.constant("guard"),
      state: fc.constantFrom("running", "exited", "killed"),
    }),
  ),
  often(
    4,
    fc.record({
      do: fc.constant("peer"),
      member: fc.constantFrom("r-1", "r-2"),
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
  often(4, fc.constant({ do: "switchover" })),
  often(1, fc.constant({ do: "stop" })),
);

/** What the runs reached: a property that never got to a promotion would prove nothing. */
const reached = new Map<string, number>();

/** A world in which no answer comes by itself, and every decision is checked. */
class Adversary extends World {
  private runs = 0;
  private requests = 0;

  /** Everything waits for a step; the decision itself is checked before it is obeyed. */
  override tell(event: MemberEventBody): void {
    const full = { ...event, at: this.at(), jitter: 0.5 };
    const before = structuredClone(this.state);
    const decision = decide(this.state, full, this.config);
    checkPurity(this.state, before);
    checkPurity(JSON.parse(JSON.stringify(decision.state)), decision.state);
    this.state = decision.state;
    checkActions(decision.actions, this);
    this.heldActions.push(...decision.actions.filter((action) => isAnswered(action)));
  }

  take1(which: number): Action | undefined {
    if (this.heldActions.length === 0) return undefined;
    return this.heldActions.splice(which % this.heldActions.length, 1)[0];
  }

  obey(action: Action): void {
    const answers: MemberEventBody[] = [];
    this.collect(answers, () => this.perform(action));
    for (const answer of answers) this.tell(answer);
  }

  private collect(into: MemberEventBody[], work: () => void): void {
    const queue = (this as unknown as { queue: MemberEventBody[] }).queue;
    work();
    into.push(...queue.splice(0));
  }

  step(one: Step): void {
    switch (one.do) {
      case "wait":
        this.nowMs += one.ms;
        return this.tell({ type: "tick" });
      case "answer": {
        const action = this.take1(one.which);
        return action === undefined ? undefined : this.obey(action);
      }
      case "lose":
        this.take1(one.which);
        return;
      case "foreign":
        return this.setLease(leaseOf("r-1", { epoch: (this.lease?.record.epoch ?? 0) + 1 }));
      case "delete":
        return this.setLease(null);
      case "api":
        this.apiDown = one.down;
        return;
      case "redis":
        return this.redisStep(one.to);
      case "guard":
        return this.tell({
          type: "guardObserved",
          guard: { bootId: "g0", state: one.state, pid: 7 + this.runs, uptimeSkewMs: 0 },
        });
      case "peer":
        return this.peer(one.member, {
          offset: one.offset,
          position: { epoch: 1, offset: one.offset, replid: "rho-1" },
        });
      case "ask":
        return this.ask(one.epoch, one.binding);
      case "switchover": {
        this.requests += 1;
        const request = {
          id: `${this.requests}`,
          kind: "switchover",
          to: null,
          force: false,
        } as const;
        return this.tell({
          type: "controlObserved",
          control: { paused: false, request, forgotten: [] },
        });
      }
      case "stop":
        return this.tell({ type: "stopRequested" });
    }
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

function isAnswered(action: Action): boolean {
  return !["announce", "writePermit", "hint", "finishRequest", "reportStopped"].includes(
    action.type,
  );
}

function checkPurity(one: unknown, other: MemberState): void {
  expect(one).toEqual(other);
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
  expect(state.record.saved?.epoch).toBeGreaterThanOrEqual(state.promotedEpoch);
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
}

describe("for every order of events", () => {
  it("a member never promotes without right, permit and record, nor gives away a writable Redis", () => {
    fc.assert(
      fc.property(fc.array(step, { minLength: 100, maxLength: 300 }), fc.boolean(), replay),
      { numRuns: 120 },
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
