import { describe, expect, it } from "vitest";
import {
  awaitsAnswer,
  listsInForce,
  observeRead,
  readIsDue,
  startRead,
  tryDueInMs,
  viewIsInDoubt,
  wantRead,
  type ElectionState,
} from "../src/index.ts";
import {
  CONFLICT,
  UNKNOWN,
  answer,
  committed,
  draft,
  fresh,
  holder,
  instant,
  lease,
  readAnswer,
  see,
  send,
} from "./world.ts";

const R = 1000;
const NOTE = { attached: true, position: null };
const FAILED = { kind: "failed", status: 429, message: "slow down" } as const;

function failedRead(state: ElectionState, atMs: number): ElectionState {
  const reading = startRead(state, instant(atMs));
  return observeRead(reading, { seq: reading.seq, outcome: FAILED }, instant(atMs + 5));
}

describe("a try", () => {
  it("compares uid and version, and creates only where there is none (U3)", () => {
    const sent = send(holder(), draft("renew"), instant(2000));
    expect(sent.write.base).toEqual({ uid: "lease", resourceVersion: "2" });
    const gone = see(holder(), null, instant(2000));
    expect(send(gone, draft("renew"), instant(2001)).write.base).toBeNull();
  });

  it("never has the body of another one", () => {
    const first = send(holder(), draft("renew"), instant(2000));
    const second = send(first.state, draft("renew"), instant(2001));
    expect(second.write.record.attempt).not.toBe(first.write.record.attempt);
  });

  it("keeps every name that an unsettled try sent in the list to ask (U8)", () => {
    const members = { "r-0": NOTE, "r-9": NOTE };
    const sent = send(holder(), draft("renew", { members }), instant(2000));
    expect(listsInForce(answer(sent, UNKNOWN, instant(2800)))).toEqual(["r-0", "r-9"]);
  });

  it("leaves its names to those that follow, however many there are (U8)", () => {
    const sent = send(holder(), draft("renew", { members: { "r-3": NOTE } }), instant(2000));
    let state = answer(sent, UNKNOWN, instant(2100));
    for (let n = 0; n < 100; n++) {
      const next = send(state, draft("renew", { members: { "r-0": NOTE } }), instant(3000 + n));
      state = answer(next, UNKNOWN, instant(3000 + n));
    }
    expect(listsInForce(state)).toEqual(["r-0", "r-3"]);
    expect(state.tries.length).toBeLessThan(50);
  });

  it("is hedged after 0.8 s and has at most three open, whatever else is due", () => {
    const first = send(holder(), draft("renew"), instant(2000));
    expect(tryDueInMs(first.state, R, instant(2300))).toBe(500);
    const second = send(first.state, draft("renew"), instant(2800));
    const third = send(second.state, draft("renew"), instant(3600));
    expect(tryDueInMs(third.state, R, instant(5000))).toBeNull();
  });

  it("is due each R from the send of the confirmed one, and not at once after a quick failure", () => {
    expect(tryDueInMs(holder(), R, instant(1200))).toBe(800);
    const sent = send(holder(), draft("renew"), instant(2000));
    const refused = answer(sent, CONFLICT, instant(2005));
    expect(tryDueInMs(refused, R, instant(2005))).toBe(395);
  });

  it("that hangs is waited for only until it would be hedged", () => {
    const sent = send(holder(), draft("renew"), instant(2000));
    expect(awaitsAnswer(sent.state, instant(2799))).toBe(true);
    expect(awaitsAnswer(sent.state, instant(2800))).toBe(false);
    const lost = answer(sent, UNKNOWN, instant(2100));
    expect(awaitsAnswer(lost, instant(2101))).toBe(false);
  });

  it("that was refused puts the version in doubt until a read has answered, and no longer", () => {
    const sent = send(see(fresh(), lease(1), instant(0)), draft("acquire"), instant(6000));
    const refused = answer(sent, CONFLICT, instant(6005));
    expect(viewIsInDoubt(refused)).toBe(true);
    expect(viewIsInDoubt(failedRead(refused, 6010))).toBe(true);
    expect(viewIsInDoubt(see(refused, lease(1), instant(6500)))).toBe(false);
  });

  it("of a creation that lost a race does not forbid the next creation for ever", () => {
    const sent = send(see(fresh(), null, instant(0)), draft("acquire"), instant(6000));
    const refused = answer(sent, CONFLICT, instant(6005));
    const days = see(see(refused, lease(1), instant(6100)), null, instant(9_000_000));
    expect(viewIsInDoubt(days)).toBe(false);
  });
});

describe("a read", () => {
  it("that failed is still wanted, after a pause", () => {
    const failed = failedRead(wantRead(holder(), null, instant(2000)), 2000);
    expect(failed.readWanted).toBe(true);
    expect(readIsDue(failed, R, instant(2300))).toBe(false);
    expect(readIsDue(failed, R, instant(2400))).toBe(true);
  });

  it("that hangs gets one beside it, and not one for each answer of another", () => {
    let state = startRead(fresh(), instant(0));
    let reads = 0;
    for (let ms = 0; ms < 2500; ms += 5) {
      if (!readIsDue(state, R, instant(ms))) continue;
      reads += 1;
      state = startRead(state, instant(ms));
      state = readAnswer(state, { seq: state.seq, lease: lease(1) }, instant(ms + 5));
    }
    expect(reads).toBeGreaterThan(0);
    expect(reads).toBeLessThanOrEqual(3);
  });

  it("is not wanted for an own renewal that is under way, but for one that hangs", () => {
    const sent = send(holder(), draft("renew"), instant(2000));
    expect(wantRead(sent.state, null, instant(2010)).readWanted).toBe(false);
    expect(wantRead(sent.state, null, instant(2900)).readWanted).toBe(true);
  });

  it("is not wanted for a version that was seen already", () => {
    expect(wantRead(holder(), "2", instant(2000)).readWanted).toBe(false);
    expect(wantRead(holder(), "3", instant(2000)).readWanted).toBe(true);
  });

  it("is due when nothing was heard of the Lease for too long", () => {
    expect(readIsDue(holder(), R, instant(2000))).toBe(false);
    expect(readIsDue(holder(), R, instant(1010 + 2.5 * R))).toBe(true);
  });

  it("is wanted again when an own commit overtook it", () => {
    const sent = send(holder(), draft("renew"), instant(2000));
    const reading = startRead(sent.state, instant(2001));
    const done = answer({ ...sent, state: reading }, committed(sent, 3), instant(2010));
    expect(done.readWanted).toBe(true);
  });
});
