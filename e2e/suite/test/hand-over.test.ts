import { describe, expect, it } from "vitest";
import type { NodeState } from "../src/fleet.ts";
import { handOverLines } from "../src/hand-over-lines.ts";
import { handOversIn, type HandOver } from "../src/hand-over.ts";

/** `at`: "a 20" is member a at 12:00:00.020. */
function line(at: string, event: object, actions: readonly object[]): string {
  const [member, ms] = at.split(" ");
  const time = new Date(Date.UTC(2026, 0, 1, 12) + Number(ms)).toISOString();
  return JSON.stringify({ level: "debug", time, member, event, actions });
}

const role = (kind: string, reason = "transferSwitchover") => ({
  type: "redisRole",
  reason,
  command: { kind },
});
const committed = (type: string) => ({ type, outcome: { kind: "committed" } });

const OLD = [
  line("a 0", { type: "peersDone" }, [role("pause")]),
  line("a 1", { type: "redisRoleDone" }, [{ type: "awaitOffset", reason: "transferSwitchover" }]),
  line("a 3", { type: "offsetAwaited" }, [role("demote")]),
  line("a 8", { type: "offsetAwaited" }, [{ type: "writeLease", reason: "transferSwitchover" }]),
  line("a 71", { type: "sliceObserved" }, [role("unpause")]),
];
const NEW = [
  line("b 18", { type: "leaseChanged" }, [{ type: "announce", reason: "acquireHandover" }]),
  line("b 41", committed("leaseWritten"), [role("promote")]),
  line("b 47", { type: "redisRoleDone" }, [{ type: "writeSlice", reason: "publish" }]),
  line("b 60", committed("sliceWritten"), []),
  line("b 90", committed("leaseWritten"), [role("unpause", "unfence")]),
];

describe("a hand-over in the logs", () => {
  it("is told by its parts, which add up", () => {
    const [only, ...others] = handOversIn([OLD.join("\n"), NEW.join("\n")]);
    expect(others).toEqual([]);
    expect(only).toMatchObject({ from: "a", to: "b" });
    expect(only?.partsMs).toEqual({
      pause: 1,
      "catch-up": 2,
      demote: 5,
      "Lease PUT": 10,
      "renewal PUT": 23,
      promote: 6,
      "slice PUT": 13,
      open: 30,
    });
  });

  it("is the same whether a line was read once or twice, and whatever else is said", () => {
    const noise = ["no JSON", '{"level":"info"', line("c 5", { type: "tick" }, [])];
    const logs = [[...OLD, ...noise].join("\n"), [...NEW, ...OLD].join("\n")];
    expect(handOversIn(logs)).toEqual(handOversIn([OLD.join("\n"), NEW.join("\n")]));
  });

  it("is not shown when a line is missing", () => {
    expect(handOversIn([OLD.join("\n")])).toEqual([]);
    expect(handOversIn([NEW.join("\n"), OLD.slice(0, 1).join("\n")])).toEqual([]);
  });
});

function nodeState(node: string, fromMs: number, lengthMs: number): NodeState {
  const gaps = [
    { fromMs: 1, lengthMs: 400 },
    { fromMs, lengthMs },
  ];
  return { node, state: { gaps, originMs: 1000 } as unknown as NodeState["state"] };
}

describe("the words for a hand-over", () => {
  const handOver: HandOver = {
    from: "a",
    to: "b",
    partsMs: {
      pause: 1,
      "catch-up": 2,
      demote: 5,
      "Lease PUT": 10,
      "renewal PUT": 23,
      promote: 6,
      "slice PUT": 13,
      open: 0,
    },
    addressedAtMs: 2060,
  };

  it("say when writes went on through each node, by the gap that reaches into it", () => {
    const [said] = handOverLines(
      [handOver],
      [nodeState("n1", 990, 120), nodeState("n2", 995, 90), nodeState("n3", 2000, 90)],
    );
    expect(said).toBe(
      "a → b: pause 1, catch-up 2, demote 5, Lease PUT 10, renewal PUT 23, promote 6, " +
        "slice PUT 13, open 0 = 60 ms; slice PUT to the first write: n1 50, n2 25 ms",
    );
  });

  it("are medians of many, after the gaps of all", () => {
    const many = Array.from({ length: 7 }, (_, index) => ({
      ...handOver,
      addressedAtMs: 2060 + index * 1000,
    }));
    const gaps = many.map((_, index) => ({
      fromMs: 990 + index * 1000,
      lengthMs: 80 + index * 10,
    }));
    const state = { gaps, originMs: 1000 } as unknown as NodeState["state"];
    const [first, second] = handOverLines(many, [{ node: "n1", state }]);
    expect(first).toBe("7 hand-overs: write gap 110 ms at the median, 80 90 100 110 120 130 140");
    expect(second).toContain("slice PUT to the first write: n1 40 ms");
  });

  it("say so when none was seen", () => {
    expect(handOverLines([], [])).toEqual(["no hand-over was seen in the sidecars' logs"]);
  });
});
