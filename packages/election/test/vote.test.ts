import { describe, expect, it } from "vitest";
import {
  bind,
  boundLeftMs,
  gainByPromise,
  leadsByPromise,
  observePromise,
  permitDeadlineBootMs,
  refusalOf,
  rightMs,
  startRound,
  type ElectionState,
  type PromiseRequest,
  type RoundDraft,
  type VoterFacts,
} from "../src/index.ts";
import { ME, OTHER, draft, fresh, holder, instant, lease, see, send } from "./world.ts";

const REQUEST: PromiseRequest = {
  holder: OTHER,
  epoch: 1,
  round: 1,
  lineage: [],
  asked: ["r-0", "r-1"],
  durationMs: 5000,
  binding: true,
};
const VOTER: VoterFacts = { member: "r-0", leads: false, knowsNothing: false };
const FOLLOWER = see(fresh(), lease(1), instant(0));

describe("a promise", () => {
  it("is given to the holder that the Lease names", () => {
    expect(refusalOf(FOLLOWER, REQUEST, VOTER)).toBeNull();
  });

  it.each<[string, Partial<PromiseRequest>, string]>([
    ["is not on the asked list", { asked: ["r-1"] }, "not in the list"],
    ["knows a higher epoch", { epoch: 0 }, "I know epoch 1"],
    ["knows another holder of that epoch", { holder: "r-2_u2_n2" }, "holds that epoch"],
  ])("is refused by a member that %s", (_, change, why) => {
    expect(refusalOf(FOLLOWER, { ...REQUEST, ...change }, VOTER)).toContain(why);
  });

  it("is refused by a member that leads, or may be writable", () => {
    expect(refusalOf(FOLLOWER, REQUEST, { ...VOTER, leads: true })).toBe("I lead");
  });

  it("is refused by a member that knows neither Lease nor record", () => {
    expect(refusalOf(fresh(), REQUEST, { ...VOTER, knowsNothing: true })).toContain("neither");
  });

  it("is refused by a member with a Lease write of unknown outcome", () => {
    const { state } = send(FOLLOWER, draft("acquire"), instant(6000));
    expect(refusalOf(state, REQUEST, VOTER)).toContain("unknown outcome");
  });

  it("is refused while a hand-over is open", () => {
    const handover = { from: OTHER, to: ME, offset: 1, replid: "x", equal: true, request: null };
    const open = see(fresh(), lease(1, { handover }), instant(0));
    expect(refusalOf(open, REQUEST, VOTER)).toContain("hand-over is open");
  });

  it("is refused, for any epoch, while another kind of client holds the Lease", () => {
    const taken = see(FOLLOWER, lease(1, { holder: "candidate" }), instant(0));
    expect(refusalOf(taken, { ...REQUEST, epoch: 7 }, VOTER)).toBe("candidate holds the Lease");
  });

  it("binds for 1.02 D from its receipt", () => {
    const bound = bind(FOLLOWER, REQUEST, instant(1000));
    expect(boundLeftMs(bound.bound, instant(1000))).toBe(5100);
    expect(boundLeftMs(bound.bound, instant(6100))).toBe(0);
  });

  it("is not shortened by a later one for a shorter time", () => {
    const long = bind(FOLLOWER, { ...REQUEST, durationMs: 15_000 }, instant(1000));
    const short = bind(long, REQUEST, instant(2000));
    expect(boundLeftMs(short.bound, instant(2000))).toBe(15_300 - 1000);
  });

  it("gives up what is left of an own term", () => {
    const bound = bind(holder(), { ...REQUEST, epoch: 7 }, instant(9000));
    expect(bound.term).toBeNull();
    expect(bound.epochSeen).toBe(7);
  });

  it("that was only an opinion changes nothing", () => {
    expect(bind(FOLLOWER, { ...REQUEST, binding: false }, instant(1000))).toBe(FOLLOWER);
  });
});

const ROUND: RoundDraft = {
  asked: ["r-0", "r-1", "r-2"],
  epoch: 2,
  lineage: [],
  durationMs: 5000,
  binding: true,
  resumes: false,
  me: "r-0",
};

function asked(state: ElectionState, change: Partial<RoundDraft> = {}): ElectionState {
  const started = startRound(state, { ...ROUND, ...change }, instant(3000));
  if (started === null) throw new Error("nothing may be asked");
  return started.state;
}

function said(state: ElectionState, member: string, yes: boolean | null): ElectionState {
  const answer = yes === null ? null : { yes, reason: "" };
  return observePromise(state, { round: state.roundCounter, member, answer });
}

describe("a round of promises", () => {
  it("in which all say yes gives a right that counts from its first request", () => {
    const all = said(said(asked(holder()), "r-1", true), "r-2", true);
    const led = gainByPromise(all, instant(3400));
    expect(rightMs(led, instant(3400))).toBe(3000 + 4000 - 3400);
    expect(permitDeadlineBootMs(led)).toBe(3000 + 4500);
    expect(leadsByPromise(led, instant(3400))).toBe(true);
  });

  it.each<[string, boolean | null]>([
    ["says no", false],
    ["says nothing", null],
  ])("gives nothing when one member %s", (_, yes) => {
    const state = said(said(asked(holder()), "r-1", true), "r-2", yes);
    expect(gainByPromise(state, instant(3400))).toBe(state);
  });

  it.each<[string, Partial<RoundDraft>]>([
    ["asked for an opinion", { binding: false }],
    ["was of an epoch that is over", { epoch: 1 }],
  ])("gives nothing when it %s", (_, change) => {
    const all = said(said(asked(holder(), change), "r-1", true), "r-2", true);
    expect(rightMs(gainByPromise(all, instant(5500)), instant(5500))).toBe(0);
  });

  it("gives nothing when its answers came after the time it could give", () => {
    const all = said(said(asked(holder()), "r-1", true), "r-2", true);
    expect(rightMs(gainByPromise(all, instant(7000)), instant(7000))).toBe(0);
  });

  it("does not count an answer to an older round", () => {
    const older = asked(holder());
    const newer = asked(older);
    const answer = { yes: true, reason: "" };
    const late = observePromise(newer, { round: older.roundCounter, member: "r-1", answer });
    expect(late.round?.yes).toEqual(["r-0"]);
  });

  it("is not begun while a transfer has an unknown outcome (U7)", () => {
    const { state } = send(holder(), draft("transfer", { holder: OTHER }), instant(2000));
    expect(startRound(state, ROUND, instant(3000))).toBeNull();
  });

  it("that binds uses its epoch up, whoever answers", () => {
    expect(asked(holder(), { epoch: 3 }).epochHeard).toBe(3);
    expect(asked(holder(), { epoch: 3, binding: false }).epochHeard).toBe(2);
  });
});
