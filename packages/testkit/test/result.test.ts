import { describe, expect, test } from "vitest";
import {
  judge,
  renderJsonRows,
  renderTable,
  summarise,
  type Measured,
  type Result,
  busyBounds,
} from "../src/result/index.ts";

const BOUND = { medianMs: 30, p99Ms: 100 };
const NO_INTERRUPTION = { medianMs: 0, p99Ms: 0 };

function measured(overrides: Partial<Measured> = {}): Measured {
  return {
    name: "switchover",
    writeGapMs: 20,
    clientErrors: 5,
    acknowledged: 1000,
    lost: 0,
    maxWritable: 1,
    ...overrides,
  };
}

describe("one run", () => {
  test("holds when nothing is lost and the gap is within the 99th percentile", () => {
    expect(judge(measured({ writeGapMs: 99 }), BOUND)).toMatchObject({ held: true, boundMs: 100 });
  });

  test("does not hold against the group that the clients stood still themselves", () => {
    const gaps = { writeGapMs: 140, undisturbedGapMs: 100 };
    expect(judge(measured(gaps), BOUND)).toMatchObject({ ...gaps, held: true });
  });

  test.each([
    ["the gap is longer than the bound", { writeGapMs: 101 }],
    ["it is longer without what the clients missed", { writeGapMs: 140, undisturbedGapMs: 101 }],
    ["one acknowledged write is lost", { lost: 1 }],
    ["two members were writable at once", { maxWritable: 2 }],
    ["nothing was acknowledged, so nothing was tested", { acknowledged: 0 }],
  ])("does not hold when %s", (_, overrides) => {
    expect(judge(measured(overrides), BOUND).held).toBe(false);
  });

  test("does not hold when the group is not whole afterwards", () => {
    expect(judge(measured(), BOUND, false).held).toBe(false);
  });

  test("allows not one error where no interruption is promised", () => {
    expect(judge(measured({ clientErrors: 1 }), NO_INTERRUPTION).held).toBe(false);
    expect(judge(measured({ clientErrors: 0 }), NO_INTERRUPTION).held).toBe(true);
  });
});

describe("several runs", () => {
  const run = (overrides: Partial<Measured>) => judge(measured(overrides), BOUND);

  test("are held against the median bound", () => {
    const rows = [run({ writeGapMs: 20 }), run({ writeGapMs: 28 }), run({ writeGapMs: 90 })];
    expect(summarise(rows, BOUND)).toMatchObject({ writeGapMs: 28, boundMs: 30, held: true });
    const slow = [run({ writeGapMs: 20 }), run({ writeGapMs: 40 }), run({ writeGapMs: 41 })];
    expect(summarise(slow, BOUND)).toMatchObject({ writeGapMs: 40, held: false });
    const disturbed = slow.map((one) => ({ ...one, undisturbedGapMs: 10 }));
    expect(summarise(disturbed, BOUND)).toMatchObject({ writeGapMs: 40, held: false });
  });

  test("do not hold when a single one did not", () => {
    const rows = [run({ writeGapMs: 5 }), run({ writeGapMs: 5 }), run({ writeGapMs: 500 })];
    expect(summarise(rows, BOUND).held).toBe(false);
  });

  test("show the worst errors and the sum of the losses", () => {
    const rows = [run({ clientErrors: 2, lost: 1 }), run({ maxWritable: 2, lost: 2 })];
    expect(summarise(rows, BOUND)).toMatchObject({
      clientErrors: 5,
      lost: 3,
      maxWritable: 2,
      acknowledged: 2000,
      writeGapMs: 20,
    });
  });

  test("of one run are that run", () => {
    const only = run({ writeGapMs: 60 });
    expect(summarise([only], BOUND)).toEqual(only);
  });
});

describe("output", () => {
  const rows: Result[] = [
    judge(measured({ writeGapMs: 18.4 }), BOUND),
    judge(measured({ name: "api outage", writeGapMs: 5312, clientErrors: 3 }), NO_INTERRUPTION),
  ];

  test("prints one aligned line per result", () => {
    expect(renderTable(rows)).toBe(
      [
        "act         write gap     bound  client errors  acknowledged  lost  writable at once  held",
        "----------  ---------  --------  -------------  ------------  ----  ----------------  ----",
        "switchover      18 ms    100 ms              5          1000     0                 1  yes",
        "api outage     5.31 s  no error              3          1000     0                 1  NO",
        "",
      ].join("\n"),
    );
  });

  test("has columns for readers where somebody read", () => {
    const reads = { gapMs: 61, errors: 3, repeated: 0, oldestMs: 4 };
    const [head, , first, second] = renderTable([
      judge(measured({ reads }), BOUND),
      judge(measured({}), BOUND),
    ]).split("\n");
    expect(head).toMatch(/read gap {2}read errors {2}oldest read {2}held$/);
    expect(first).toMatch(/61 ms +3 +4 ms {2}yes$/);
    expect(second).toMatch(/- +- +- {2}yes$/);
  });

  test("has the median gap of readers over several runs, and the worst of all else", () => {
    const readsOf = (gapMs: number, errors: number) =>
      judge(measured({ reads: { gapMs, errors, repeated: 0, oldestMs: errors } }), BOUND);
    const { reads } = summarise([readsOf(10, 1), readsOf(90, 4), readsOf(20, 2)], BOUND);
    expect(reads).toEqual({ gapMs: 20, errors: 4, repeated: 0, oldestMs: 4 });
  });

  test("prints one JSON document per line", () => {
    const lines = renderJsonRows(rows).trimEnd().split("\n");
    expect(lines.map((line) => JSON.parse(line) as unknown)).toEqual(rows);
  });
});

test("a busy cluster's bounds are kube-proxy's second later, but for what may not interrupt", () => {
  const busy = busyBounds(5000);
  expect(busy.switchover).toEqual({ medianMs: 1100, p99Ms: 1300 });
  expect(busy.leaderLost.medianMs).toBe(6700);
  expect(busy.apiOutage).toEqual({ medianMs: 0, p99Ms: 0 });
});
