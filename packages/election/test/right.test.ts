import { describe, expect, it } from "vitest";
import {
  claimOf,
  rightMs,
  permitDeadlineBootMs,
  gaveWithUnknownOutcome,
  expireTerm,
  type ClaimFacts,
} from "../src/index.ts";
import {
  ME,
  CONFLICT,
  OTHER,
  UNKNOWN,
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

const FACTS: ClaimFacts = {
  durationMs: 5000,
  jitter: 0,
  firstInstall: false,
  deadHolderVersion: null,
};

describe("the right to lead", () => {
  it("counts from the send of the renewal and never from its answer (A5)", () => {
    const sent = send(holder(), draft("renew"), instant(2000));
    const late = answer(sent, committed(sent, 3), instant(3900));
    expect(rightMs(late, instant(3900))).toBe(2000 + 4000 - 3900);
  });

  it("takes the greater of both clocks, so that a suspend ends it", () => {
    expect(rightMs(holder(), instant(1100, 6000))).toBe(0);
    expect(rightMs(holder(), instant(1100, 1100))).toBe(3900);
  });

  it("is dated by the attempt that really wrote when answers were lost (U2)", () => {
    const first = send(holder(), draft("renew"), instant(2000));
    const lost = answer(first, UNKNOWN, instant(2800));
    const second = send(lost, draft("renew"), instant(3000));
    const conflict = answer(second, CONFLICT, instant(3010));
    const seen = see(conflict, { ...lease(3), record: first.write.record }, instant(3020));
    expect(rightMs(seen, instant(3020))).toBe(2000 + 4000 - 3020);
  });

  it("does not move for an attempt of this term that is not remembered", () => {
    const before = holder();
    const own = lease(9, { holder: ME, epoch: 2, attempt: "n0.1" });
    const seen = see(before, own, instant(2000));
    expect(rightMs(seen, instant(2000))).toBe(rightMs(before, instant(2000)));
  });

  it("ends with the sight of a foreign holder", () => {
    const seen = see(holder(), lease(3, { holder: OTHER, epoch: 3 }), instant(1500));
    expect(rightMs(seen, instant(1500))).toBe(0);
    expect(seen.term).toBeNull();
  });

  it("ends with the send of a transfer and comes back only by a renewal sent after it (U7, A19)", () => {
    const renewal = send(holder(), draft("renew"), instant(1900));
    const transfer = send(
      renewal.state,
      draft("transfer", { holder: OTHER, epoch: 3 }),
      instant(2000),
    );
    expect(rightMs(transfer.state, instant(2000))).toBe(0);
    const older = answer(
      { ...renewal, state: transfer.state },
      committed(renewal, 3),
      instant(2010),
    );
    expect(rightMs(older, instant(2010))).toBe(0);
    expect(gaveWithUnknownOutcome(older)).toBe(true);
    const won = send(older, draft("renew", { epoch: 3 }), instant(2100));
    const settled = answer(won, committed(won, 4), instant(2110));
    expect(rightMs(settled, instant(2110))).toBe(2100 + 4000 - 2110);
  });

  it("is cut short by a try with a shorter duration, whatever its outcome (U16)", () => {
    const seen = see(fresh(), lease(1, { holder: null }), instant(900));
    const long = send(seen, draft("acquire", { durationMs: 15_000 }), instant(1000));
    const held = answer(long, committed(long, 2), instant(1010));
    const short = send(held, draft("renew", { durationMs: 5000 }), instant(2000));
    expect(rightMs(short.state, instant(2000))).toBe(4000);
    expect(permitDeadlineBootMs(short.state)).toBe(2000 + 4500);
  });

  it("is over when the Lease is gone and the right has run out: it waits like everybody (U9)", () => {
    const gone = see(holder(), null, instant(2000));
    expect(expireTerm(gone, instant(2000)).term).not.toBeNull();
    expect(expireTerm(gone, instant(5100)).term).toBeNull();
  });
});

describe("a claim", () => {
  it("waits 1.02 D from its own first sight of the version, whatever the record's clock says (A3)", () => {
    const seen = see(fresh(), lease(1), instant(1000));
    expect(claimOf(seen, FACTS, instant(6099))).toMatchObject({ kind: "wait", way: "expired" });
    expect(claimOf(seen, FACTS, instant(6100))).toMatchObject({ kind: "now", way: "expired" });
  });

  it("starts to wait anew with every version", () => {
    const seen = see(see(fresh(), lease(1), instant(1000)), lease(2), instant(5000));
    expect(claimOf(seen, FACTS, instant(6100))).toMatchObject({ kind: "wait", leftMs: 4000 });
  });

  it("waits for the greatest duration seen under the holder (U16)", () => {
    const long = see(fresh(), lease(1, { durationMs: 15_000 }), instant(1000));
    const short = see(long, lease(2, { durationMs: 5000 }), instant(2000));
    expect(claimOf(short, FACTS, instant(8000))).toMatchObject({ kind: "wait" });
  });

  it("accepts a hand-over once, and only of an epoch above all it has seen (U17)", () => {
    const handover = { from: OTHER, to: ME, offset: 1, replid: "x", equal: true, request: null };
    const given = lease(3, { holder: ME, epoch: 5, attempt: "n1.9", handover });
    const seen = see(see(fresh(), lease(1), instant(0)), given, instant(10));
    expect(claimOf(seen, FACTS, instant(10))).toMatchObject({ kind: "now", way: "handover" });
    const restored = lease(4, { holder: ME, epoch: 4, attempt: "n1.9", handover });
    const old = see(seen, restored, instant(20));
    expect(claimOf(old, FACTS, instant(20))).toMatchObject({ kind: "wait", way: "stranger" });
  });

  it("treats a record that names it but that it never wrote as a stranger's", () => {
    const seen = see(fresh(), lease(3, { holder: ME, attempt: "n0.77" }), instant(0));
    expect(claimOf(seen, FACTS, instant(5000))).toMatchObject({ kind: "wait", way: "stranger" });
  });

  it("takes its own predecessor's Lease at once only if that process wrote the record", () => {
    const own = see(fresh(), lease(3, { holder: "r-0_u0_nOld", attempt: "nOld.3" }), instant(0));
    expect(claimOf(own, FACTS, instant(0))).toMatchObject({ kind: "now", way: "ownPredecessor" });
    const handed = see(fresh(), lease(3, { holder: "r-0_u0_nOld", attempt: "n1.3" }), instant(0));
    expect(claimOf(handed, FACTS, instant(0))).toMatchObject({ kind: "wait" });
  });

  it("is closed by a promise for 1.02 D, except for a hand-over by the very process that asked", () => {
    const bound = {
      ...see(fresh(), lease(1, { holder: null }), instant(1000)),
      bound: { holder: OTHER, epoch: 1, from: instant(1000), durationMs: 5000 },
    };
    expect(claimOf(bound, FACTS, instant(6099))).toMatchObject({ kind: "wait", way: "released" });
    expect(claimOf(bound, FACTS, instant(6100))).toMatchObject({ kind: "now" });
    const handover = { from: OTHER, to: ME, offset: 1, replid: "x", equal: true, request: null };
    const handed = see(
      bound,
      lease(2, { holder: ME, epoch: 4, attempt: "n1.2", handover }),
      instant(1100),
    );
    expect(claimOf(handed, FACTS, instant(1100))).toMatchObject({ kind: "now", way: "handover" });
  });
});
