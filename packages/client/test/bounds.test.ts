/** What a client is given from outside, and what may be much of: both have their bounds. */
import { EventEmitter } from "node:events";
import { Command } from "ioredis";
import { describe, expect, test, vi } from "vitest";
import { InvalidOptionError } from "../src/errors.ts";
import type { LeaseholdEvents } from "../src/events.ts";
import { preflightOptions } from "../src/connections.ts";
import { forwardEvents } from "../src/forward-events.ts";
import { Gate } from "../src/gate.ts";
import { resolveOperation, settingsOf } from "../src/options.ts";
import { Monitor } from "../src/topology/monitor.ts";
import type { LeaderChanging } from "../src/types.ts";
import { pushedTopology } from "./process/pushed-topology.ts";

const PLACES = { a: { host: "10.0.0.1", port: 6379 }, b: { host: "10.0.0.2", port: 6379 } };
const TOOLS = { probe: () => Promise.reject(new Error("nothing is probed here")) };
const STANDARD = settingsOf({ topology: pushedTopology({}).provider }).operation;

test("an operation's options are checked as those of the client are", () => {
  for (const options of [{ waitForLeaderMs: NaN }, { waitForLeaderMs: -1 }, { timeoutMs: NaN }]) {
    expect(() => resolveOperation(options, STANDARD)).toThrow(InvalidOptionError);
  }
  const endless = resolveOperation({ timeoutMs: Infinity, waitForLeaderMs: Infinity }, STANDARD);
  expect(endless).toMatchObject({ timeoutMs: 2 ** 31 - 1, waitForLeaderMs: 2 ** 31 - 1 });
  expect(resolveOperation({}, STANDARD)).toEqual(STANDARD);
});

test("TLS that is no object is refused, and never plain text", () => {
  const settings = settingsOf({ topology: pushedTopology({}).provider });
  const redis = { tls: true } as never;
  expect(() => preflightOptions({ ...settings, redis })).toThrow(InvalidOptionError);
  expect(preflightOptions({ ...settings, redis: { tls: {} } }).tls).toEqual({});
});

test("a gate takes back hundreds of thousands of operations at once", () => {
  const gate = new Gate({ expired: () => {} });
  const commands = [new Command("get", ["k"])];
  const issuedAtMs = performance.now();
  const options = STANDARD;
  const operation = { commands, stream: undefined, options, issuedAtMs, rejection: null, db: null };
  gate.unshift(Array.from({ length: 300_000 }, () => operation));
  expect(gate.queued).toBe(300_000);
  gate.takeAll();
});

describe("events", () => {
  test("a listener of `once` hears once", () => {
    const topology = pushedTopology(PLACES);
    const monitor = new Monitor([topology.provider], TOOLS);
    const client = new EventEmitter<LeaseholdEvents>();
    forwardEvents(client, monitor, null);
    monitor.start();
    let heard = 0;
    client.once("leaderChanged", () => (heard += 1));
    topology.push(1, PLACES.a);
    topology.push(2, PLACES.b);
    monitor.stop();
    expect(heard).toBe(1);
    expect(client.listenerCount("leaderChanged")).toBe(0);
  });

  test("a listener that throws keeps nobody else from hearing", () => {
    const topology = pushedTopology(PLACES);
    const monitor = new Monitor([topology.provider], TOOLS);
    let heard = 0;
    monitor.listen({
      event: () => {
        throw new Error("the caller's logger");
      },
    });
    monitor.listen({ changed: () => (heard += 1) });
    monitor.start();
    const later = vi.spyOn(process, "nextTick").mockImplementation(() => {});
    let surfaced: (() => void)[] = [];
    try {
      topology.push(1, PLACES.a);
      surfaced = later.mock.calls.map(([call]) => call as () => void);
    } finally {
      later.mockRestore();
      monitor.stop();
    }
    expect(heard).toBe(1);
    expect(surfaced.length).toBeGreaterThan(0);
    expect(surfaced[0]).toThrow("the caller's logger");
  });

  test("an announced change is waited for 15 s at most, and one of an older epoch is none", () => {
    const topology = pushedTopology(PLACES);
    const told: LeaderChanging[] = [];
    let announce = (_change: LeaderChanging): void => {};
    const monitor = new Monitor(
      [
        {
          name: "announcing",
          start: (sink) => void (announce = (change) => sink.announce(change)),
          requestCheck: () => {},
        },
        topology.provider,
      ],
      TOOLS,
    );
    monitor.listen({ announced: (change) => told.push(change) });
    monitor.start();
    topology.push(7, PLACES.a);
    announce({ epoch: 6, successor: "b", deadlineMs: 100 });
    announce({ epoch: 7, successor: "b", deadlineMs: 1e8 });
    monitor.stop();
    expect(told).toEqual([{ epoch: 7, successor: "b", deadlineMs: 15_000 }]);
  });
});
