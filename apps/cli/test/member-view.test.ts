import { describe, expect, test } from "vitest";
import { whatIsMissing, type MemberView } from "../src/demo/member-view.ts";

function view(overrides: Partial<MemberView> = {}): MemberView {
  return {
    epoch: 4,
    promoted: false,
    redis: "up",
    replid: "r4",
    offset: 100,
    inSync: true,
    ineligible: null,
    validMs: 0,
    listed: ["a", "b", "c"],
    ...overrides,
  };
}

const LEADER = view({ promoted: true });

function missing(others: readonly (MemberView | null)[], addressed: string | null = "a") {
  const named = [LEADER, ...others].map((v, i) => ({ name: "abc".charAt(i), view: v }));
  return whatIsMissing(named, addressed);
}

describe("a group", () => {
  test("is whole when all others follow the leader that the address points to", () => {
    expect(missing([view(), view()])).toBeNull();
  });

  test.each([
    ["a member is silent", [view(), null], "a", "no answer from c"],
    ["two lead", [view({ promoted: true })], "a", "a and b lead at the same time"],
    ["the address lags", [view()], "b", "a leads, but the address points to b"],
    ["the address is empty", [view()], null, "a leads, but the address points to nobody"],
    ["a replica is behind", [view({ inSync: false })], "a", "not in sync with a: b"],
    ["a replica has another history", [view({ replid: "x" })], "a", "not in the epoch of a: b"],
    ["a replica knows an older epoch", [view({ epoch: 3 })], "a", "not in the epoch of a: b"],
  ])("is not whole when %s", (_, others, addressed, words) => {
    expect(missing(others, addressed)).toContain(words);
  });

  test("is not whole when a member is not on the leader's list", () => {
    const leader = { name: "a", view: view({ promoted: true, listed: ["a"] }) };
    expect(whatIsMissing([leader, { name: "b", view: view() }], "a")).toBe("not on the list: b");
  });

  test("is not whole when nobody leads", () => {
    expect(whatIsMissing([{ name: "b", view: view() }], null)).toBe("nobody leads");
  });
});
