/** The scenarios of scenarios/topology.yaml, and what must hold for any order of observations. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import * as fc from "fast-check";
import { afterEach, describe, expect, test, vi } from "vitest";
import { parse } from "yaml";
import { Monitor } from "../src/topology/monitor.ts";
import { INITIAL, type TopologyState } from "../src/topology/state.ts";
import { update } from "../src/topology/update.ts";
import type { NodeDescription, NodeProof, TopologyObservation } from "../src/types.ts";

interface Step {
  readonly epoch: number | "none";
  readonly leader: string;
  readonly version?: string;
  /** Milliseconds since the step before. */
  readonly after?: number;
  /** As Kubernetes tells it: with its epoch, and without the other nodes. */
  readonly alone?: boolean;
  /** A connection to the leader has been lost before this, and none was admitted since. */
  readonly failed?: boolean;
  /** Another node of the same look. */
  readonly beside?: string;
  readonly events?: readonly string[];
}

interface Scenario {
  readonly name: string;
  readonly steps: readonly Step[];
  readonly then: {
    readonly epoch: number | "none";
    readonly leader: string;
    readonly generation: number;
  };
}

const FILE = join(import.meta.dirname, "../scenarios/topology.yaml");
const SCENARIOS = parse(readFileSync(FILE, "utf8")) as Scenario[];

function nodeOf(text: string): NodeDescription {
  const [, id = "", replicationId = "", previous] = /^([^@]+)@(\w*)(?:<(\w+))?$/.exec(text) ?? [];
  return {
    id,
    host: id,
    port: 6379,
    zone: null,
    role: "primary",
    state: "up",
    replicationId: replicationId || null,
    previousReplicationId: previous ?? null,
    branchOffset: previous ? 90n : null,
    offset: 100n,
    stalenessMs: null,
    rttMs: null,
    ageMs: 0,
    error: null,
  };
}

/** `a@X is replica`, `a@ is down`. */
function besideOf(text: string): NodeDescription {
  const [node = "", word] = text.split(" is ");
  const found = word === "down" ? { role: "unknown", state: "down" } : { role: "replica" };
  return { ...nodeOf(node), ...found } as NodeDescription;
}

function observationOf({ epoch, leader, version, alone, beside }: Step): TopologyObservation {
  const nodes = leader === "none" ? [] : [nodeOf(leader)];
  if (beside !== undefined) nodes.push(besideOf(beside));
  const [processId, counter] = version?.split(":") ?? [];
  return {
    source: epoch === "none" ? "service" : "status",
    version: processId === undefined ? null : { processId, counter: Number(counter) },
    epoch: epoch === "none" ? null : epoch,
    leaderId: nodes[0]?.id ?? null,
    expectedNodes: null,
    nodes,
    authoritative: epoch !== "none" && alone !== true,
    via: "push",
  };
}

const PROOF: NodeProof = {
  role: "primary",
  loading: false,
  isLinkUp: null,
  localAddress: null,
  replicationId: null,
  previousReplicationId: null,
  branchOffset: null,
  offset: null,
  version: null,
  rttMs: 1,
};

afterEach(() => void vi.restoreAllMocks());

describe("scenarios of the topology", () => {
  test.each(SCENARIOS.map((scenario) => [scenario.name, scenario] as const))(
    "%s",
    (_name, { steps, then }) => {
      let state: TopologyState = INITIAL;
      let nowMs = 1_000;
      for (const step of steps) {
        nowMs += step.after ?? 1;
        if (step.failed !== undefined) state = { ...state, hasLeaderFailed: step.failed };
        const updated = update(state, observationOf(step), nowMs);
        state = updated.state;
        if (step.events) expect(updated.events.map(({ type }) => type)).toEqual(step.events);
      }
      const { epoch, leader, generation } = state.description;
      expect({ epoch: epoch ?? "none", leader: leader?.id ?? "none", generation }).toEqual(then);
    },
  );
});

const ANY_STEP = fc.record({
  epoch: fc.oneof(fc.integer({ min: 1, max: 6 }), fc.constant("none" as const)),
  leader: fc.constantFrom("a@A", "b@B<A", "c@C<B", "a@D<C", "x@X", "none"),
  after: fc.integer({ min: 0, max: 12_000 }),
});

test("whatever comes in whatever order: the epoch never shrinks, the generation counts changes", () => {
  fc.assert(
    fc.property(fc.array(ANY_STEP, { maxLength: 30 }), (steps) => {
      let state: TopologyState = INITIAL;
      let nowMs = 0;
      for (const step of steps) {
        nowMs += step.after;
        const before = state.description;
        const { state: next, events } = update(state, observationOf(step), nowMs);
        const after = next.description;
        expect(after.epoch ?? 0).toBeGreaterThanOrEqual(before.epoch ?? 0);
        const isOlder = step.epoch !== "none" && before.epoch !== null && step.epoch < before.epoch;
        if (isOlder) expect(after).toBe(before);
        const changes = events.filter(({ type }) => type === "leaderChanged").length;
        expect(after.generation - before.generation).toBe(changes);
        if (changes > 0) expect(after.leader?.id).not.toBe(before.leader?.id);
        state = next;
      }
    }),
  );
});

test("the bytes that an unplanned change loses at least are told", () => {
  const first = update(INITIAL, observationOf({ epoch: 1, leader: "a@A" }), 0);
  const { events } = update(first.state, observationOf({ epoch: 2, leader: "b@B<A" }), 1);
  expect(events.find(({ type }) => type === "leaderChanged")).toMatchObject({ divergedBytes: 10n });
});

test("a Service's node without a name is the leader only after the one of the epoch has failed", () => {
  const monitor = new Monitor([], { probe: () => Promise.reject(new Error("nobody asks")) });
  vi.spyOn(performance, "now").mockImplementation(() => nowMs);
  let nowMs = 1_000;
  monitor.observe(observationOf({ epoch: 3, leader: "a@", alone: true }));
  // Neither CLIENT nor INFO: all that is known of it is the Service's own name.
  const look = (): void => {
    nowMs += 12_000;
    monitor.observe(observationOf({ epoch: "none", leader: "orders.shop:6379@" }));
  };
  look();
  look();
  expect(monitor.description.leader?.id).toBe("a");
  monitor.leaderFailed("connectionLost");
  const target = monitor.target();
  if (!target) throw new Error("nobody leads");
  expect(monitor.admit(target, PROOF)).toEqual({ admitted: true });
  look();
  look();
  expect(monitor.description.leader?.id).toBe("a");
  monitor.leaderFailed("connectionLost");
  look();
  look();
  expect(monitor.description.leader?.id).toBe("orders.shop:6379");
});

describe("a node that is known stays where it is reached", () => {
  const quiet = (): Monitor =>
    new Monitor([], { probe: () => Promise.reject(new Error("nobody asks")) });

  test("whatever Service in front of it shows it", () => {
    const monitor = quiet();
    const moves: string[] = [];
    monitor.listen({ changed: ({ leader }) => moves.push(`${leader?.host}`) });
    const status = (version: string) => {
      const observation = observationOf({ epoch: 1, leader: "a@A", version });
      const nodes = observation.nodes.map((node) => ({ ...node, host: "10.0.0.1" }));
      monitor.observe({ ...observation, nodes });
    };
    status("p:1");
    const seen = { host: "orders.shop", offset: 200n, viaService: true };
    const probed = { ...nodeOf("a@A"), ...seen, id: "10.0.0.1:6379" };
    const service = observationOf({ epoch: "none", leader: "none" });
    monitor.observe({ ...service, leaderId: probed.id, nodes: [probed] });
    expect(monitor.description.leader).toMatchObject({ id: "a", offset: 200n });
    // By its own address it is itself, not whoever a Service leads to.
    expect(monitor.description.leader?.viaService ?? false).toBe(false);
    status("p:2");
    expect(moves).toEqual(["10.0.0.1"]);
    expect(monitor.description.leader).toMatchObject({ id: "a", host: "10.0.0.1" });
  });

  test.each([
    ["leader", "primary"],
    ["replica", "replica"],
  ] as const)("a %s of which two sources without epochs tell", (_what, role) => {
    const monitor = quiet();
    const hosts: string[] = [];
    const look = (source: string, host: string, replicationId: string): void => {
      const node = { ...nodeOf(`10.0.0.1:6379@${replicationId}`), role, host };
      const observation = observationOf({ epoch: "none", leader: "none" });
      const leaderId = role === "primary" ? node.id : null;
      monitor.observe({ ...observation, source, leaderId, nodes: [node] });
      hosts.push(`${monitor.description.nodes[0]?.host}`);
    };
    look("service", "orders.shop", "A");
    look("static", "10.0.0.1", "A");
    look("service", "orders.shop", "A");
    // With another history it is another one, which may be elsewhere.
    look("static", "10.0.0.1", "B");
    expect(hosts).toEqual(["orders.shop", "orders.shop", "orders.shop", "10.0.0.1"]);
  });
});
