/** Where a pushed leader's history branched off, by the lineage beside its address. */
import { describe, expect, test } from "vitest";
import { observationFromSlices } from "../src/kubernetes-slices.ts";
import { observationFrom } from "../src/providers/status-reply.ts";
import { branchOf } from "../src/topology/branch.ts";
import { INITIAL } from "../src/topology/state.ts";
import { update } from "../src/topology/update.ts";

const LINEAGE = [
  { epoch: 7, replid: "r7", startOffset: 100, parent: "r6" },
  { epoch: 8, replid: "r8", startOffset: 900, parent: "r7" },
  // It goes on under a newer epoch.
  { epoch: 9, replid: "r8", startOffset: 950, parent: "r8" },
];
const UNKNOWN = { previousReplicationId: null, branchOffset: null };

/** As `/v1/topology` has it. */
function replyOf(epoch: number, id: string, nodes: readonly object[]): string {
  const lineage = LINEAGE.filter((one) => one.epoch <= epoch);
  const leader = { id, host: "10.0.0.1", port: 6379, epoch, lineage };
  return JSON.stringify({ epoch, leader, expectedNodes: 2, nodes });
}

const memberOf = (id: string, replicationId: string, offset: number): object => ({
  ...{ id, host: "10.0.0.1", port: 6379, role: "primary", state: "up", inSync: true },
  ...{ replicationId, offset, lagBytes: 0, ineligible: null },
});

test("a change that the status stream tells, tells the bytes that it has lost", () => {
  const first = observationFrom("status", replyOf(7, "a", [memberOf("a", "r7", 1_000)]), "p:1");
  const { state } = update(INITIAL, first, 0);
  const next = observationFrom("status", replyOf(8, "b", [memberOf("b", "r8", 905)]), "p:2");
  const { events } = update(state, next, 1);
  const change = events.find(({ type }) => type === "leaderChanged");
  expect(change).toMatchObject({ divergedBytes: 99n });
});

test("what the new leader had said of itself before its promotion hides nothing", () => {
  const first = observationFrom("status", replyOf(7, "a", [memberOf("a", "r7", 1_000)]), "p:1");
  const { state } = update(INITIAL, first, 0);
  const next = observationFrom("status", replyOf(8, "b", [memberOf("b", "r7", 890)]), "p:2");
  expect(next.nodes[0]).toMatchObject({ replicationId: "r8", offset: null });
  const { events } = update(state, next, 1);
  expect(events.find(({ type }) => type === "leaderChanged")).toMatchObject({ divergedBytes: 99n });
});

test("a slice tells the history of its leader", () => {
  const annotations = {
    "leasehold.dev/epoch": "9",
    "leasehold.dev/holder": "orders-1_uid_nonce",
    "leasehold.dev/lineage": JSON.stringify(LINEAGE),
  };
  const sliceWith = (lineage: string) => ({
    metadata: {
      name: "orders-ipv4",
      annotations: { ...annotations, "leasehold.dev/lineage": lineage },
    },
    endpoints: [{ addresses: ["10.0.0.2"] }],
    ports: [{ port: 6379 }],
  });
  const [node] = observationFromSlices([sliceWith(JSON.stringify(LINEAGE))]).nodes;
  const history = { replicationId: "r8", previousReplicationId: "r7", branchOffset: 901n };
  expect(node).toMatchObject({ id: "orders-1", ...history });
  const [other] = observationFromSlices([sliceWith("{")]).nodes;
  expect(other).toMatchObject({ id: "orders-1", replicationId: null, ...UNKNOWN });
});

test("a position is as old as its sidecar says, and else as old as it can be", () => {
  const [young, unsaid] = [750, undefined].map((observedMsAgo) => {
    const member = { ...memberOf("a", "r7", 1_000), observedMsAgo };
    return observationFrom("status", replyOf(7, "a", [member]), "p:1").nodes[0]?.ageMs;
  });
  expect([young, unsaid]).toEqual([750, 4_000]);
});

describe("no branch is told", () => {
  test.each([
    ["without a lineage", undefined],
    ["by what is none", [null, 7, { epoch: 8 }, { ...LINEAGE[1], startOffset: -1 }]],
    ["by the first promotion of all", [{ epoch: 8, replid: "r8", startOffset: 0, parent: null }]],
    ["by a lineage that does not reach back to it", [LINEAGE[2]]],
  ])("%s", (_what, lineage) => {
    const branch = branchOf(lineage, { epoch: 8, replicationId: "r8" });
    expect(branch).toEqual({ replicationId: "r8", ...UNKNOWN });
  });

  test("of a history that the lineage does not know", () => {
    const branch = branchOf(LINEAGE, { epoch: 10, replicationId: "x" });
    expect(branch).toEqual({ replicationId: "x", ...UNKNOWN });
  });
});
