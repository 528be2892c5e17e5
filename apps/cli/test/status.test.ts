import { expect, test } from "vitest";
import { describeTopology } from "../src/commands/status.ts";

const NODE = { state: "up", inSync: true, offset: 100, lagBytes: 0, ineligible: null };

test("tells who leads, and how the others follow", () => {
  const text = describeTopology({
    group: "orders",
    reportedBy: "orders-1",
    epoch: 7,
    leader: { id: "orders-0", host: "10.0.0.1", port: 6379 },
    failsafe: true,
    paused: false,
    trouble: null,
    nodes: [
      { ...NODE, id: "orders-0", role: "primary" },
      { ...NODE, id: "orders-1", role: "replica", inSync: false, ineligible: "loading" },
    ],
  });
  expect(text.split("\n")).toEqual([
    "orders: orders-0 leads at 10.0.0.1:6379, epoch 7, without the API",
    "member    role     state           offset  lag",
    "orders-0  primary  up     in sync  100     0",
    "orders-1  replica  up              100     0    loading",
    "(as orders-1 sees it)",
  ]);
});

test("tells why nobody leads", () => {
  const text = describeTopology({
    group: "orders",
    reportedBy: "orders-1",
    epoch: 7,
    leader: null,
    failsafe: false,
    paused: true,
    trouble: "orders-0 may hold more and does not answer",
    nodes: [],
  });
  expect(text).toContain("orders: nobody leads, epoch 7, paused\norders-0 may hold more");
});
