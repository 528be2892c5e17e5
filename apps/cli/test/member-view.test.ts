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
    { when: "a member is silent", others: [view(), null], words: "no answer from c" },
    {
      when: "two lead",
      others: [view({ promoted: true })],
      words: "a and b lead at the same time",
    },
    {
      when: "a replica is behind",
      others: [view({ inSync: false })],
      words: "not in sync with a: b",
    },
    {
      when: "a replica has another history",
      others: [view({ replid: "x" })],
      words: "not in the epoch of a: b",
    },
    {
      when: "a replica knows an older epoch",
      others: [view({ epoch: 3 })],
      words: "not in the epoch of a: b",
    },
  ])("is not whole when $when", ({ others, words }) => {
    expect(missing(others)).toBe(words);
  });

  test.each([
    ["b", "a leads, but the address points to b"],
    [null, "a leads, but the address points to nobody"],
  ])("is not whole when the address points to %s", (addressed, words) => {
    expect(missing([view()], addressed)).toBe(words);
  });

  test("is not whole when a member is not on the leader's list", () => {
    const leader = { name: "a", view: view({ promoted: true, listed: ["a"] }) };
    expect(whatIsMissing([leader, { name: "b", view: view() }], "a")).toBe("not on the list: b");
  });

  test("is not whole when nobody leads", () => {
    expect(whatIsMissing([{ name: "b", view: view() }], null)).toBe("nobody leads");
  });
});
