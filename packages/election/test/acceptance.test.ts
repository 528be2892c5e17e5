import { describe, expect, it } from "vitest";
import {
  ACCEPTANCE_MS,
  acceptInAdvance,
  claimOf,
  lastLeader,
  observeChange,
  permitDeadlineBootMs,
  rightMs,
  type ElectionState,
  type LeaseRecord,
} from "../src/index.ts";
import {
  ME,
  OTHER,
  answer,
  committed,
  draft,
  fresh,
  holder,
  instant,
  lease,
  see,
  send,
} from "./world.ts";

const THIRD = "r-2_u2_n2";
const FACTS = { durationMs: 5000, jitter: 0, firstInstall: false, deadHolderVersion: null };
const QUESTION = { from: OTHER, epoch: 2 };

/** Follows OTHER, which leads under epoch 1. */
function follower(): ElectionState {
  return see(fresh(), lease(1, { holder: OTHER, epoch: 1, attempt: "n1.1" }), instant(0));
}

function accepted(atMs = 1000): { readonly state: ElectionState; readonly attempt: string } {
  const given = acceptInAdvance(follower(), QUESTION, instant(atMs));
  if (given === null) throw new Error("it was not accepted");
  return given;
}

function transfer(attempt: string | undefined, change: Partial<LeaseRecord> = {}) {
  const handover = { from: OTHER, to: ME, offset: 0, replid: "rho-1", equal: true, request: null };
  const carried = attempt === undefined ? handover : { ...handover, accepted: attempt };
  return lease(2, { holder: ME, epoch: 2, attempt: "n1.2", handover: carried, ...change });
}

describe("a hand-over that was accepted in advance", () => {
  it("gives a right with its sight, from when it was accepted and not from the sight (5.5)", () => {
    const { state, attempt } = accepted(1000);
    const seen = observeChange(state, transfer(attempt), instant(1300));
    expect(rightMs(seen, instant(1300))).toBe(1000 + 4000 - 1300);
    expect(permitDeadlineBootMs(seen)).toBe(instant(1000).bootMs + 4500);
    expect(seen.term).toMatchObject({ epoch: 2, gaveSeq: null });
    expect(see(state, transfer(attempt), instant(1300)).term).toEqual(seen.term);
  });

  it("counts for the D of the record, which is what others wait for (2.3)", () => {
    const { state, attempt } = accepted(1000);
    const seen = observeChange(state, transfer(attempt, { durationMs: 15_000 }), instant(1300));
    expect(rightMs(seen, instant(1300))).toBe(1000 + 13_000 - 1300);
  });

  it.each<[string, Partial<LeaseRecord>, string | undefined]>([
    ["another attempt", {}, "n0.77"],
    ["no attempt", {}, undefined],
    ["another epoch", { epoch: 3 }, "n0.1"],
  ])(
    "is no such one with %s: it is an offer, to be accepted by a write",
    (_what, change, attempt) => {
      const { state } = accepted();
      expect(accepted().attempt).toBe("n0.1");
      const seen = observeChange(state, transfer(attempt, change), instant(1300));
      expect(seen.term).toBeNull();
      expect(claimOf(seen, FACTS, instant(1300))).toEqual({ kind: "now", way: "handover" });
    },
  );

  it("is no such one from another holder than the one that asked", () => {
    const { state, attempt } = accepted();
    const record = transfer(attempt).record;
    const handover = record.handover && { ...record.handover, from: THIRD };
    const seen = observeChange(state, transfer(attempt, { handover }), instant(1300));
    expect(seen.term).toBeNull();
  });

  it("is an offer like others once the acceptance is old", () => {
    const { state, attempt } = accepted(1000);
    const lateMs = 1000 + ACCEPTANCE_MS + 1;
    const seen = observeChange(state, transfer(attempt), instant(lateMs));
    expect(seen.term).toBeNull();
    expect(claimOf(seen, FACTS, instant(lateMs)).kind).toBe("now");
  });

  it("is used up with its term: the record put back later is an old one (U17)", () => {
    const { state, attempt } = accepted();
    const seen = observeChange(state, transfer(attempt), instant(1300));
    expect(seen.acceptance).toBeNull();
    const sent = send(seen, draft("renew", { epoch: 2 }), instant(1310));
    const renewed = answer(sent, committed(sent, 3), instant(1320));
    expect(renewed.term?.epoch).toBe(2);
    expect(
      see(renewed, { ...transfer(attempt), resourceVersion: "4" }, instant(1400)).term,
    ).toBeNull();
  });

  it("goes on while its record is read again, before the own renewal is known", () => {
    const { state, attempt } = accepted();
    const seen = observeChange(state, transfer(attempt), instant(1300));
    const again = see(seen, transfer(attempt), instant(1400));
    expect(rightMs(again, instant(1400))).toBe(1000 + 4000 - 1400);
  });

  it("is left alone by others for a whole D, where one that was not goes stale (second review 1)", () => {
    const others = (attempt: string | undefined) =>
      see({ ...fresh(), me: THIRD, nonce: "n2" }, transfer(attempt), instant(0));
    const at = instant(2100);
    expect(claimOf(others(undefined), FACTS, at)).toEqual({ kind: "now", way: "staleHandover" });
    expect(claimOf(others("n0.1"), FACTS, at)).toMatchObject({ kind: "wait", way: "expired" });
    expect(claimOf(others("n0.1"), FACTS, instant(5101)).kind).toBe("now");
  });

  it("may have led: its new holder is the last leader, else the old one", () => {
    expect(lastLeader(transfer(undefined).record)).toBe(OTHER);
    expect(lastLeader(transfer("n0.1").record)).toBe(ME);
  });
});

describe("a question for an acceptance", () => {
  const ask = (state: ElectionState, question = QUESTION) =>
    acceptInAdvance(state, question, instant(1000));

  it("is answered with an attempt of its own each time, and the newest one counts", () => {
    const first = accepted();
    const second = ask(first.state);
    expect(second?.attempt).not.toBe(first.attempt);
    const seen = observeChange(second!.state, transfer(first.attempt), instant(1300));
    expect(seen.term).toBeNull();
  });

  it("is refused to who does not hold the Lease", () => {
    expect(ask(follower(), { from: THIRD, epoch: 2 })).toBeNull();
    expect(ask(fresh())).toBeNull();
  });

  it("is refused under an epoch that was seen, or below one that was heard of", () => {
    expect(ask(follower(), { from: OTHER, epoch: 1 })).toBeNull();
    expect(ask({ ...follower(), epochHeard: 3 })).toBeNull();
  });

  it("is refused by a holder, and with a try under way", () => {
    expect(ask(holder())).toBeNull();
    const sent = send(follower(), draft("acquire", { epoch: 5 }), instant(900));
    expect(ask(sent.state)).toBeNull();
  });

  it("is refused while a promise to another one binds, also when the record comes (7)", () => {
    const bound = { holder: THIRD, epoch: 1, from: instant(900), durationMs: 5000 };
    expect(ask({ ...follower(), bound })).toBeNull();
    const { state, attempt } = accepted();
    const seen = observeChange({ ...state, bound }, transfer(attempt), instant(1300));
    expect(seen.term).toBeNull();
    const toAsker = { ...bound, holder: OTHER };
    expect(ask({ ...follower(), bound: toAsker })).not.toBeNull();
  });
});
