/** How long a node takes: smoothed, and measured by whatever the client does with it. */
import { expect, test } from "vitest";
import { Monitor } from "../src/topology/monitor.ts";
import { nodeOf } from "../src/topology/node.ts";
import { RoundTrips } from "../src/topology/round-trips.ts";
import type { NodeProof } from "../src/types.ts";

const PLACE = { host: "10.0.0.1", port: 6379 };
const proofOf = (rttMs: number, localAddress: string | null = null) => ({ rttMs, localAddress });

test("one slow answer moves the round trip by a fifth of the difference", () => {
  const trips = new RoundTrips();
  const node = nodeOf({ id: "a", ...PLACE });
  expect(trips.of(node)).toBeNull();
  trips.proved(PLACE, proofOf(1));
  trips.proved(PLACE, proofOf(101));
  expect(trips.of(node)).toBeCloseTo(21);
  trips.proved(PLACE, proofOf(1));
  expect(trips.of(node)).toBeCloseTo(17);
});

test("nodes behind one Service have each their own", () => {
  const trips = new RoundTrips();
  const [one, other] = ["10.0.0.7:6379", "10.0.0.8:6379"];
  trips.proved(PLACE, proofOf(1, one));
  trips.proved(PLACE, proofOf(50, other));
  expect(trips.of(nodeOf({ id: other, ...PLACE, viaService: true }))).toBe(50);
  expect(trips.of(nodeOf({ id: one, ...PLACE, viaService: true }))).toBe(1);
});

test("addresses that come and go are forgotten", () => {
  const trips = new RoundTrips();
  const nodeAt = (port: number) => nodeOf({ id: `${port}`, host: "h", port });
  for (let port = 1; port <= 300; port += 1) trips.proved({ host: "h", port }, proofOf(1));
  expect([trips.of(nodeAt(1)), trips.of(nodeAt(300))]).toEqual([null, 1]);
});

test("a node that a source without round trips tells, has that of the client's connections", () => {
  const monitor = new Monitor([], { probe: () => Promise.reject(new Error("nobody asks")) });
  const nodes = [nodeOf({ id: "a", ...PLACE, role: "primary" })];
  const rest = { version: null, expectedNodes: 1, authoritative: true, via: "push" } as const;
  monitor.observe({ source: "status", epoch: 1, leaderId: "a", nodes, ...rest });
  expect(monitor.current().nodes[0]?.rttMs).toBeNull();
  monitor.proved(PLACE, { rttMs: 3, localAddress: null } as NodeProof);
  expect(monitor.current().nodes[0]?.rttMs).toBe(3);
  monitor.answered(PLACE, null, 8);
  expect(monitor.current().nodes[0]?.rttMs).toBe(4);
});
