import * as fc from "fast-check";
import { ReplyError } from "ioredis";
import { describe, expect, test } from "vitest";
import { backoffMs } from "../src/backoff.ts";
import { parseConnectionString } from "../src/connection-string.ts";
import { InvalidOptionError, LeaderUnavailableError } from "../src/errors.ts";
import { settingsOf } from "../src/options.ts";
import { outcomeOf, rejectionOf } from "../src/outcome.ts";
import { createEventReader } from "../src/providers/event-stream.ts";
import { parseAddress, serviceTopology } from "../src/providers/service.ts";
import { afterLoss, type WrittenCommand } from "../src/replay-policy.ts";
import { decodeReplies, encodeCommand } from "../src/resp.ts";
import {
  eligibleNodes,
  pickNode,
  readPreferenceOf,
  type ReadPreference,
} from "../src/selection.ts";
import { continues, endIn } from "../src/succession.ts";
import { nodeOf } from "../src/topology/node.ts";
import { sampled, stalenessOf, type Samples } from "../src/topology/staleness.ts";

const NODE = nodeOf({
  id: "a",
  host: "10.0.0.1",
  port: 6379,
  role: "replica",
  replicationId: "A",
  offset: 100n,
});

describe("a history that goes on", () => {
  const A = { replicationId: "A", previousReplicationId: "0", branchOffset: 5n, offset: 100n };
  const promoted = (branchOffset: bigint, previousReplicationId = "A") => {
    return { replicationId: "B", previousReplicationId, branchOffset, offset: 200n };
  };

  test.each([
    ["promoted with all of it", promoted(101n), true],
    ["promoted one byte short of it", promoted(100n), false],
    ["promoted in another history", promoted(101n, "C"), false],
    ["that cannot tell where it branched off", { ...promoted(101n), branchOffset: null }, false],
    ["of the same history, but not promoted in it", { ...A, offset: 300n }, false],
  ])("is that of a leader %s: %s", (_what, next, expected) => {
    expect(continues(next, { replicationId: "A", offset: 100n })).toBe(expected);
  });

  test.each([
    ["leads, or was demoted to nothing", A, 100n],
    ["follows its successor, or was promoted again", promoted(101n), 100n],
    ["was synced anew", { ...promoted(101n), previousReplicationId: null }, null],
    ["follows one of another history", promoted(101n, "C"), null],
    ["does not tell", { ...A, offset: null }, null],
  ])("ends where its server %s", (_what, history, offset) => {
    expect(endIn(history, "A")?.offset ?? null).toBe(offset);
  });
});

describe("outcome", () => {
  const reply = (message: string, name: string): Error =>
    Object.assign(new (ReplyError as new (text: string) => Error)(message), { command: { name } });

  test.each([
    ["READONLY You can't write against a read only replica.", "set", "not-applied"],
    ["WRONGTYPE Operation against a key", "incr", "not-applied"],
    ["NOSCRIPT No matching script", "evalsha", "not-applied"],
    ["ERR user_script:1: broken script: 1234, on @user_script:1.", "eval", "unknown"],
    [
      "ERR Error running script (call to f_1): @user_script:1: -READONLY You can't",
      "eval",
      "not-applied",
    ],
    ["READONLY You can't write. script: 123, on @user_script:1.", "fcall", "not-applied"],
    [
      "UNBLOCKED force unblock from blocking operation, instance state changed",
      "blpop",
      "not-applied",
    ],
    ["OOM command not allowed", "eval", "unknown"],
    ["READONLY is what this script says of itself", "eval", "unknown"],
    ["UNBLOCKED client unblocked via CLIENT UNBLOCK", "blpop", "not-applied"],
  ])("of %s to %s is %s", (message, name, expected) => {
    expect(outcomeOf(reply(message, name))).toBe(expected);
  });

  test("of what it does not know is unknown", () => {
    for (const error of [new Error("Connection is closed."), "text", null]) {
      expect(outcomeOf(error)).toBe("unknown");
    }
    const fields = { lastLeader: null, lostForMs: null, reason: "" };
    expect(outcomeOf(new LeaderUnavailableError("No leader", fields))).toBe("not-applied");
  });

  test("a value that reads like a rejection is none", () => {
    expect(rejectionOf("ERR invalid value -READONLY", "set")).toBeNull();
    expect(rejectionOf("READONLY says the script", "eval")).toBeNull();
    expect(rejectionOf("UNBLOCKED the stream key no longer exists", "xreadgroup")).toBeNull();
  });

  test("of an error among the results of EXEC is unknown, since it may be a script's", () => {
    const bare = (message: string): Error =>
      new (ReplyError as new (text: string) => Error)(message);
    expect(outcomeOf(bare("WRONGTYPE Operation against a key"))).toBe("unknown");
    expect(outcomeOf(bare("READONLY You can't write against a read only replica."))).toBe(
      "not-applied",
    );
  });
});

describe("after a lost reply", () => {
  const NAMES = ["get", "set", "incr", "eval", "multi", "exec", "mget", "blpop", "ping"];
  const ANY = fc.record({ name: fc.constantFrom(...NAMES), inTransaction: fc.boolean() });

  test("only a batch of reads goes out again, unless the caller says so, and a transaction never", () => {
    fc.assert(
      fc.property(fc.array(ANY, { minLength: 1 }), (batch: readonly WrittenCommand[]) => {
        const isOnlyReads = batch.every(
          ({ name, inTransaction }) => ["get", "mget", "ping"].includes(name) && !inTransaction,
        );
        expect(afterLoss(batch, () => false)).toBe(isOnlyReads ? "resend" : "unknown");
        const isTransaction = batch.some(
          ({ name, inTransaction }) => inTransaction || name === "multi" || name === "exec",
        );
        expect(afterLoss(batch, () => true)).toBe(isTransaction ? "unknown" : "resend");
      }),
    );
  });
});

describe("selection", () => {
  const ANY_NODE = fc.record({
    state: fc.constantFrom("up", "suspect", "down"),
    role: fc.constantFrom("primary", "replica", "unknown"),
    zone: fc.constantFrom("x", "y", null),
    rttMs: fc.oneof(fc.constant(null), fc.integer({ min: 0, max: 50 })),
    stalenessMs: fc.oneof(fc.constant(null), fc.integer({ min: 0, max: 10_000 })),
  });
  const ANY_PREFERENCE = fc.record({
    mode: fc.constantFrom("primary", "primaryPreferred", "replica", "replicaPreferred", "nearest"),
    maxStalenessMs: fc.constantFrom(undefined, 2_000, 5_000),
    zone: fc.constantFrom(undefined, "x"),
    zonePolicy: fc.constantFrom("prefer", "require"),
  });

  test("never gives an unhealthy, a stale or, where demanded, a distant node, and names the filter", () => {
    fc.assert(
      fc.property(fc.array(ANY_NODE, { maxLength: 6 }), ANY_PREFERENCE, (drawn, preference) => {
        const nodes = drawn.map((node, index) => ({ ...NODE, ...node, id: `n${index}` }));
        const leader = nodes.find((node) => node.role === "primary") ?? null;
        const found = eligibleNodes({ nodes, leader }, preference as ReadPreference);
        expect(found.nodes.length === 0).toBe(found.emptiedBy !== null);
        for (const node of found.nodes) {
          expect(node.state).toBe("up");
          const isStale = node !== leader && preference.maxStalenessMs !== undefined;
          if (isStale) {
            expect(node.stalenessMs ?? Infinity).toBeLessThanOrEqual(preference.maxStalenessMs!);
          }
          if (preference.zone && preference.zonePolicy === "require") expect(node.zone).toBe("x");
          if (preference.mode === "primary") expect(node).toBe(leader);
          if (preference.mode === "replica") expect(node).not.toBe(leader);
        }
      }),
    );
  });

  test("health comes before the zone, and a preferred zone without a node is no obstacle", () => {
    const far = { ...NODE, id: "far", zone: "y" };
    const near = { ...NODE, id: "near", zone: "x", state: "down" as const };
    const found = eligibleNodes(
      { nodes: [far, near], leader: null },
      { mode: "replica", zone: "x" },
    );
    expect(found.nodes.map(({ id }) => id)).toEqual(["far"]);
  });

  test("of two the less busy one is taken, and nobody of none", () => {
    const other = { ...NODE, id: "b" };
    const draws = [0, 0.9];
    const draw = (): number => draws.shift() ?? 0;
    expect(pickNode([NODE, other], ({ id }) => (id === "a" ? 5 : 1), draw)?.id).toBe("b");
    expect(
      pickNode(
        [],
        () => 0,
        () => 0,
      ),
    ).toBeNull();
  });

  test("a bound that no look could meet, or that means nothing, is refused", () => {
    expect(() => readPreferenceOf({ mode: "replica", maxStalenessMs: 100 })).toThrow(/at least/);
    expect(() => readPreferenceOf({ mode: "primary", maxStalenessMs: 9_000 })).toThrow(
      /no meaning/,
    );
  });
});

describe("staleness", () => {
  test("is never below the truth, for a replica that is behind by any time", () => {
    const ANY_HISTORY = fc.array(fc.integer({ min: 0, max: 500 }), {
      minLength: 2,
      maxLength: 200,
    });
    fc.assert(
      fc.property(ANY_HISTORY, fc.double({ min: 0, max: 1, noNaN: true }), (writes, at) => {
        // One look each 100 ms; the replica holds what the leader had at look `reached`.
        let samples: Samples = [];
        let offset = 0n;
        const offsets = writes.map((bytes) => (offset += BigInt(bytes)));
        for (const [index, seen] of offsets.entries()) {
          const leader = { ...NODE, id: "leader", offset: seen };
          samples = sampled(samples, { before: null, now: leader }, index * 100);
        }
        const reached = Math.floor(at * (offsets.length - 1));
        const nowMs = (offsets.length - 1) * 100;
        const found = stalenessOf(
          { ...NODE, offset: offsets[reached] ?? 0n },
          { ...NODE, id: "leader" },
          { samples, nowMs },
        );
        // Equal offsets later on mean that nothing was written meanwhile: it is as fresh as those.
        const lastEqual = offsets.lastIndexOf(offsets[reached] ?? 0n);
        if (found !== null) expect(found).toBeGreaterThanOrEqual(nowMs - lastEqual * 100);
        if (found !== null) expect(found).toBeLessThanOrEqual(nowMs - reached * 100);
      }),
    );
  });

  test("is unknown for another history", () => {
    const samples = [{ atMs: 0, offset: 1n, replicationId: "A" }];
    const leader = { ...NODE, id: "leader" };
    expect(stalenessOf({ ...NODE, replicationId: "B" }, leader, { samples, nowMs: 9 })).toBeNull();
  });
});

describe("the event stream", () => {
  const TEXT =
    ": hi\n\nevent: topology\nid: p:1\ndata: {\ndata: }\n\nevent: leaderChanging\r\ndata: x\r\n\r\n";

  test("reads the same events however the text is cut", () => {
    fc.assert(
      fc.property(fc.array(fc.nat(TEXT.length), { maxLength: 20 }), (cuts) => {
        const reader = createEventReader();
        const places = [0, ...cuts.toSorted((a, b) => a - b), TEXT.length];
        const events = places
          .slice(1)
          .flatMap((end, index) => reader.read(TEXT.slice(places[index], end)));
        expect(events).toEqual([
          { name: "topology", id: "p:1", data: "{\n}" },
          { name: "leaderChanging", id: "p:1", data: "x" },
        ]);
      }),
    );
  });

  test("gives up a line without end", () => {
    const reader = createEventReader();
    expect(() => reader.read("data: ".padEnd(70_000, "x"))).toThrow(/longer than/);
  });
});

describe("the handshake's protocol", () => {
  test("reads replies however their bytes arrive", () => {
    const bytes = Buffer.from(
      "*4\r\n$4\r\nrole\r\n$6\r\nmaster\r\n+x\r\n*0\r\n-NOPERM no\r\n$-1\r\n:7\r\n",
    );
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), (length) => {
        expect(decodeReplies(bytes.subarray(0, length), 4)).toBeNull();
      }),
    );
    const replies = decodeReplies(bytes, 4);
    expect(replies?.[0]).toEqual(["role", "master", "x", []]);
    expect(replies?.[1]).toBeInstanceOf(Error);
    expect(replies?.slice(2)).toEqual([null, 7]);
    expect(encodeCommand(["AUTH", "ü"])).toBe("*2\r\n$4\r\nAUTH\r\n$2\r\nü\r\n");
  });

  test("knows what is no Redis", () => {
    expect(() => decodeReplies(Buffer.from("HTTP/1.1 400 Bad Request\r\n"), 1)).toThrow(/no Redis/);
  });
});

describe("a connection string", () => {
  test("says what the options say", () => {
    const { redis, topology, ...rest } = parseConnectionString(
      "leaseholds://app:p%40ss@orders.shop.svc/2?status=http://a:8008,http://b:8008&drainMs=5&zone=x",
    );
    expect(redis).toEqual({ username: "app", password: "p@ss", tls: {}, db: 2 });
    expect([topology].flat().map(({ name }) => name)).toEqual(["status", "service"]);
    expect(rest).toEqual({ drainMs: 5, zone: "x" });
  });

  test.each([
    ["leasehold://h?waitForLeader=5", /waitForLeader: .*did you mean waitForLeaderMs/],
    ["leasehold://h?drainMs=soon", /drainMs: "soon" is no number/],
    ["leasehold://h/orders", /database/],
    ["leasehold://h?readPreference=any", /must be one of primary/],
    ["redis://:secret@h", /^the connection string: is no leasehold/],
  ])("%s is refused in words", (text, message) => {
    expect(() => parseConnectionString(text)).toThrow(message);
  });
});

test("options that the client decides, and values that cannot be, are refused", () => {
  const topology = serviceTopology({ writer: "h" });
  const wrong = [
    { topology, redis: { retryStrategy: () => 0 } as object },
    { topology, heartbeatIntervalMs: 10 },
    { topology, waitForLeaderMs: -1 },
    { topology: [] },
  ];
  for (const options of wrong) expect(() => settingsOf(options)).toThrow(InvalidOptionError);
});

test("waits grow, and are bounded", () => {
  expect([0, 1, 2, 9, 99].map((attempt) => backoffMs(attempt, () => 1))).toEqual([
    50, 100, 200, 500, 500,
  ]);
});

test("addresses are host, host:port or [v6]:port", () => {
  expect(parseAddress("writer", "orders")).toEqual({ host: "orders", port: 6379 });
  expect(parseAddress("writer", "[::1]:7000")).toEqual({ host: "::1", port: 7000 });
  expect(() => parseAddress("writer", "a:b:c")).toThrow(/no host:port/);
});
