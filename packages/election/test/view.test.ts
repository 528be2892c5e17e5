import { describe, expect, it } from "vitest";
import {
  hearEpoch,
  listsInForce,
  observeChange,
  recordOf,
  rightMs,
  startRead,
  versionOf,
  type ElectionState,
  type LeaseRecord,
} from "../src/index.ts";
import {
  ME,
  OTHER,
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

const HANDOVER = {
  from: OTHER,
  to: ME,
  offset: 0,
  replid: "rho-1",
  equal: true,
  request: null,
};
const NOTE = { attached: true, position: null };

/** A version of this process' own record, by the counter of its attempt. */
function own(version: number, counter: number): ReturnType<typeof lease> {
  return lease(version, { holder: ME, epoch: 2, attempt: `n0.${counter}` });
}

/** Renewed at 2, 3 and 4 s: attempts .2, .3 and .4, versions 3, 4 and 5. */
function renewedThrice(): ElectionState {
  let state = holder();
  for (const version of [3, 4, 5]) {
    const sent = send(state, draft("renew"), instant((version - 1) * 1000));
    state = answer(sent, committed(sent, version), instant((version - 1) * 1000 + 10));
  }
  return state;
}

describe("the view of the Lease", () => {
  it("does not go back when a request that was sent later has answered", () => {
    const early = startRead(fresh(), instant(0));
    const late = startRead(early, instant(10));
    const newer = readAnswer(late, { seq: late.seq, lease: lease(7) }, instant(20));
    const older = readAnswer(newer, { seq: early.seq, lease: lease(3) }, instant(30));
    expect(older.view).toEqual(newer.view);
  });

  it("calls a Lease missing since it heard of an epoch that it has not seen (2)", () => {
    const missing = see(see(fresh(), lease(1, { epoch: 3 }), instant(0)), null, instant(100));
    expect(missing.view).toMatchObject({ kind: "missing", since: instant(100) });
    expect(hearEpoch(missing, 3, instant(500)).view).toEqual(missing.view);
    const heard = hearEpoch(missing, 4, instant(500));
    expect(heard.view).toMatchObject({ kind: "missing", since: instant(500) });
    expect(hearEpoch(heard, 4, instant(900)).view).toEqual(heard.view);
  });

  it("takes an offer to this process as the watch brings it, and nothing else (2.9)", () => {
    const seen = lease(1, { holder: OTHER, epoch: 1, attempt: "n1.1" });
    const before = see(fresh(), seen, instant(0));
    const handover = { ...HANDOVER, from: OTHER, to: ME };
    const offer = { holder: ME, epoch: 2, attempt: "n1.2", handover };
    const watched = (change: Partial<LeaseRecord>) =>
      observeChange(before, lease(2, { ...offer, ...change }), instant(100));
    expect(watched({})).toMatchObject({ offer: "lease/2", readWanted: false });
    const others: Partial<LeaseRecord>[] = [
      { epoch: 1 },
      { holder: OTHER, handover: null },
      { handover: { ...handover, to: OTHER } },
    ];
    for (const change of others) {
      const after = watched(change);
      expect(after.view).toEqual(before.view);
      expect(after.readWanted).toBe(true);
    }
  });

  it("takes no offer of the watch while a try is under way, or before a first read (2.9)", () => {
    const offer = lease(9, { holder: ME, epoch: 9, handover: { ...HANDOVER, to: ME } });
    const sent = send(holder(), draft("renew"), instant(2000));
    for (const state of [sent.state, holder(), fresh()]) {
      expect(observeChange(state, offer, instant(2010)).view).toEqual(state.view);
    }
  });

  it("follows an own commit on the version it shows, whatever was asked in between (U2, U8)", () => {
    const members = { "r-0": NOTE, "r-3": NOTE };
    const sent = send(holder(), draft("renew", { members }), instant(2000));
    const reading = startRead(sent.state, instant(2005));
    // Sent after the PUT, served before it, answered before it.
    const early = readAnswer(reading, { seq: reading.seq, lease: own(2, 1) }, instant(2008));
    const after = answer({ ...sent, state: early }, committed(sent, 3), instant(2012));
    expect(versionOf(after.view)).toBe("lease/3");
    expect(listsInForce(after)).toEqual(["r-0", "r-3"]);
  });

  it("is not turned back by a read that overlapped an own commit and was answered after it", () => {
    const sent = send(holder(), draft("renew"), instant(2000));
    const reading = startRead(sent.state, instant(2005));
    const after = answer({ ...sent, state: reading }, committed(sent, 3), instant(2012));
    const late = readAnswer(after, { seq: reading.seq, lease: own(2, 1) }, instant(2020));
    expect(versionOf(late.view)).toBe("lease/3");
    expect(late.term).not.toBeNull();
    expect(late.readWanted).toBe(true);
  });

  it("takes reads that were open together for what they are, in whatever order they answer", () => {
    const sent = send(holder(), draft("renew"), instant(2000));
    const lost = answer(sent, UNKNOWN, instant(2900));
    const first = startRead(lost, instant(2900));
    const second = startRead(first, instant(2940));
    // The second was served before the renewal committed, the first one after.
    const wrote = { ...lease(3), record: sent.write.record };
    const newer = readAnswer(second, { seq: first.seq, lease: wrote }, instant(3200));
    const older = readAnswer(newer, { seq: second.seq, lease: own(2, 1) }, instant(3210));
    expect(rightMs(older, instant(3210))).toBe(2000 + 4000 - 3210);
    expect(older.readWanted).toBe(true);
  });

  it("ends the term at the sight of an older own record that was put back (U17)", () => {
    const state = renewedThrice();
    const back = see(state, own(40, 2), instant(20_000));
    expect(back.term).toBeNull();
  });

  it("ends the term at the sight of the newest own record under another version without a right", () => {
    const back = see(renewedThrice(), own(40, 4), instant(20_000));
    expect(back.term).toBeNull();
  });

  it("keeps the term at the sight of the version that it knows, though the right ran out", () => {
    const state = renewedThrice();
    expect(see(state, own(5, 4), instant(20_000)).term).not.toBeNull();
  });

  it("does not begin a term by a creation that was answered late: somebody may have led since", () => {
    const gone = see(fresh(), null, instant(0));
    const quick = send(gone, draft("acquire"), instant(6000));
    expect(answer(quick, committed(quick, 1), instant(6100)).term).not.toBeNull();
    const slow = send(gone, draft("acquire"), instant(6000));
    const created = answer(slow, committed(slow, 1), instant(7600));
    expect(created.term).toBeNull();
    expect(recordOf(created.view)?.holder).toBe(ME);
  });

  it("shows a record of an older epoch, and learns nothing from it", () => {
    const seen = see(see(fresh(), lease(5, { epoch: 7 }), instant(0)), lease(6), instant(10));
    expect(recordOf(seen.view)?.epoch).toBe(1);
    expect(seen).toMatchObject({ epochSeen: 7, holderSeen: OTHER });
  });
});
