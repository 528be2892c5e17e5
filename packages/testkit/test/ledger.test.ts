import { describe, expect, test } from "vitest";
import { createLedger, type WriteOutcome } from "../src/workload/index.ts";

/** A ledger with one list whose writes ended as given, and a reader of what is "in Redis". */
function ledgerOf(outcomes: readonly WriteOutcome[]) {
  const ledger = createLedger("t");
  const list = ledger.open("writer");
  for (const outcome of outcomes) {
    list.next();
    list.settle(outcome);
  }
  return ledger;
}

const holding =
  (...tokens: string[]) =>
  () =>
    Promise.resolve(tokens);

describe("the ledger", () => {
  test("finds nothing when every acknowledged write is there", async () => {
    const ledger = ledgerOf(["acknowledged", "confirmed"]);
    expect(await ledger.check(holding("0", "1"))).toEqual({
      lostConfirmed: 0,
      lostAcknowledged: 0,
      presentThoughRefused: 0,
      examples: [],
    });
  });

  test("tells a lost confirmed write from one that only the primary had", async () => {
    const ledger = ledgerOf(["acknowledged", "confirmed", "acknowledged"]);
    const check = await ledger.check(holding("0"));
    expect(check).toMatchObject({ lostConfirmed: 1, lostAcknowledged: 1 });
    expect(check.examples).toEqual(["t:writer#1", "t:writer#2"]);
  });

  test("does not count a write without an answer, whether it is there or not", async () => {
    const ledger = ledgerOf(["unknown", "unknown"]);
    expect(await ledger.check(holding("0"))).toMatchObject({
      lostConfirmed: 0,
      lostAcknowledged: 0,
      presentThoughRefused: 0,
    });
  });

  test("does not count a write that is still under way", async () => {
    const ledger = createLedger("t");
    ledger.open("writer").next();
    expect(await ledger.check(holding())).toMatchObject({ lostAcknowledged: 0, lostConfirmed: 0 });
  });

  test("finds a write that was refused and is there all the same", async () => {
    const ledger = ledgerOf(["refused", "refused"]);
    expect(await ledger.check(holding("1"))).toMatchObject({ presentThoughRefused: 1 });
  });

  test("reports each loss once", async () => {
    const ledger = ledgerOf(["acknowledged", "acknowledged"]);
    expect(await ledger.check(holding("1"))).toMatchObject({ lostAcknowledged: 1 });
    expect(await ledger.check(holding("1"))).toMatchObject({ lostAcknowledged: 0 });
    expect(await ledger.check(holding())).toMatchObject({ lostAcknowledged: 1 });
  });

  test("keeps the lists of several writers apart", async () => {
    const ledger = createLedger("t");
    for (const name of ["a", "b"]) {
      const list = ledger.open(name);
      list.next();
      list.settle("confirmed");
    }
    const check = await ledger.check((key) => Promise.resolve(key === "t:a" ? ["0"] : []));
    expect(check.examples).toEqual(["t:b#0"]);
  });

  test("refuses a second list of the same name, whose tokens would not be unique", () => {
    const ledger = createLedger("t");
    ledger.open("writer");
    expect(() => ledger.open("writer")).toThrow("name each writer once");
  });

  test("counts confirmed writes among the acknowledged, and the rest as failed", () => {
    const ledger = ledgerOf(["acknowledged", "confirmed", "refused", "unknown"]);
    expect(ledger.counts()).toEqual({ acknowledged: 2, confirmed: 1, failed: 2 });
  });

  test("fails when the lists cannot be read, instead of finding no loss", async () => {
    const ledger = ledgerOf(["acknowledged"]);
    await expect(ledger.check(() => Promise.reject(new Error("gone")))).rejects.toThrow("gone");
  });
});
