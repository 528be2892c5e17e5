import { describe, expect, test } from "vitest";
import { drawPicture, type Picture } from "../src/demo/picture.ts";

const REPLICA = {
  epoch: 4,
  promoted: false,
  redis: "up",
  replid: "r4",
  offset: 90,
  inSync: true,
  ineligible: null,
  validMs: 0,
  listed: [],
} as const;

const PICTURE: Picture = {
  act: "act 1 of 1: a switchover is asked for",
  members: [
    {
      name: "orders-0",
      view: { ...REPLICA, promoted: true, offset: 100, validMs: 3960 },
    },
    { name: "orders-1", view: REPLICA },
    { name: "orders-2", view: null },
  ],
  addressed: "orders-0",
  load: {
    acknowledged: 10,
    confirmed: 5,
    failed: 2,
    gap: { lengthMs: 84, fromMs: 0 },
    gaps: [],
    sinceLastAckMs: 3,
    undisturbedGapMs: 0,
    standstillMs: 0,
    failures: [],
    failureKinds: {},
  },
  writesPerSecond: 812.4,
};

const textOf = (picture: Picture) => drawPicture(picture).map(({ text }) => text.trimEnd());

describe("the picture", () => {
  test("shows who leads, who follows how far behind, and who is silent", () => {
    expect(textOf(PICTURE)).toEqual([
      "",
      "act 1 of 1: a switchover is asked for",
      "812 writes/s, 2 errors, longest gap 84 ms",
      "member       role     epoch  offset        lag       right   state",
      "orders-0 <-  primary  4      100                     4.0 s   leads",
      "orders-1     replica  4      90            10                in sync",
      "orders-2     ?                                               does not answer",
    ]);
  });

  test("says for how long no write was acknowledged", () => {
    const load = { ...PICTURE.load!, sinceLastAckMs: 2345 };
    expect(textOf({ ...PICTURE, load })[2]).toContain("no write for 2.35 s");
  });

  test("says why a member may not lead", () => {
    const view = { ...REPLICA, inSync: false, ineligible: "its Redis is loading" };
    const members = [{ name: "orders-1", view }];
    expect(textOf({ ...PICTURE, members })[4]).toContain("its Redis is loading");
  });

  test("compares no offsets of different histories", () => {
    const members = [PICTURE.members[0]!, { name: "b", view: { ...REPLICA, replid: "other" } }];
    expect(textOf({ ...PICTURE, members })[5]).not.toContain("10");
  });
});
