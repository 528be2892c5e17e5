import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { parseInfo, parseReplicationInfo, parseServerInfo } from "../src/redis-info.ts";
import type { RedisInfo } from "../src/observation.ts";

/** `test/fixtures/info`: answers of real servers, cut to the sections that are read. */
const ENGINES = ["redis-7.0", "redis-8.0", "valkey-8.1", "valkey-9.1"] as const;
const VERSIONS = {
  "redis-7.0": "7.0.15",
  "redis-8.0": "8.0.2",
  "valkey-8.1": "valkey 8.1.1",
  "valkey-9.1": "valkey 9.1.2",
} as const;

const recorded = (engine: string, state: string): string =>
  readFileSync(new URL(`fixtures/info/${engine}-${state}.txt`, import.meta.url), "utf8");

function read(text: string): RedisInfo {
  const info = parseInfo(text);
  if ("unreadable" in info) throw new Error(info.unreadable);
  return info;
}

const GATE = { host: "127.0.0.1", port: 1 };

describe.each(ENGINES)("INFO of %s", (engine) => {
  it("names the process and the version", () => {
    const info = read(recorded(engine, "gated"));
    expect(info.runId).toMatch(/^[0-9a-f]{40}$/);
    expect(info.pid).toBeGreaterThan(1);
    expect(info.version).toBe(VERSIONS[engine]);
  });

  it("shows a gated start as a replica of nobody that has not one byte", () => {
    const info = read(recorded(engine, "gated"));
    expect(info).toMatchObject({ role: "replica", upstream: GATE, linkUp: false, offset: 0 });
    expect(info).toMatchObject({ keys: 0, loading: false, syncing: false, replid2: null });
    expect(info.secondOffset).toBe(-1);
  });

  it("shows the load of a file", () => {
    expect(read(recorded(engine, "loading"))).toMatchObject({ loading: true, linkUp: false });
  });

  it("shows a full sync on the replica, and does not count its replica on the primary", () => {
    const replica = read(recorded(engine, "syncing"));
    expect(replica).toMatchObject({ role: "replica", syncing: true, linkUp: false });
    const primary = read(recorded(engine, "primary-of-syncing"));
    expect(primary).toMatchObject({ role: "primary", connectedReplicas: 0, syncing: false });
  });

  it("shows an attached replica at its primary's replid and offset", () => {
    const replica = read(recorded(engine, "replica"));
    const primary = read(recorded(engine, "primary-with-replica"));
    expect(primary).toMatchObject({ role: "primary", upstream: null, connectedReplicas: 1 });
    expect(replica).toMatchObject({ role: "replica", linkUp: true, syncing: false });
    expect(replica.upstream).toEqual({ host: "127.0.0.1", port: 7711 });
    expect(replica.replid).toBe(primary.replid);
    expect(replica.offset).toBe(primary.offset);
    expect(replica.offset).toBeGreaterThan(10_000);
    expect(replica.keys).toBe(201);
    expect(primary.keys).toBe(201);
  });

  it("shows that a demotion keeps replid, offset and replicas", () => {
    const before = read(recorded(engine, "primary-with-replica"));
    const demoted = read(recorded(engine, "demoted"));
    expect(demoted).toMatchObject({ role: "replica", upstream: GATE, linkUp: false });
    expect(demoted.replid).toBe(before.replid);
    expect(demoted.offset).toBeGreaterThanOrEqual(before.offset);
    expect(demoted.connectedReplicas).toBe(1);
  });

  it("shows a promotion as a new replid whose second one ends after its offset", () => {
    const before = read(recorded(engine, "replica"));
    const promoted = read(recorded(engine, "promoted"));
    expect(promoted).toMatchObject({ role: "primary", replid2: before.replid });
    expect(promoted.replid).not.toBe(before.replid);
    expect(promoted.secondOffset).toBe(promoted.offset + 1);
  });

  it("gives the sections alone what the whole gives", () => {
    const text = recorded(engine, "demoted");
    const { runId, pid, role, replid, offset } = read(text);
    expect(parseServerInfo(text)).toEqual({ runId, pid });
    expect(parseReplicationInfo(text)).toEqual({ role, replid, offset });
  });
});

describe("INFO", () => {
  const text = recorded("redis-7.0", "replica");
  const having = (name: string, value: string): string =>
    text.replace(new RegExp(String.raw`^${name}:.*$`, "m"), `${name}:${value}\r`);
  const lacking = (name: string): string =>
    text.replace(new RegExp(String.raw`^${name}:[^\n]*\n`, "m"), "");

  it("of Redis 6.2 has neither async_loading nor slave_read_repl_offset", () => {
    const old = lacking("async_loading").replace(/^slave_read_repl_offset:[^\n]*\n/m, "");
    expect(old).not.toContain("async_loading");
    expect(read(old)).toEqual(read(text));
  });

  it("shows a load beside the old data set as a sync", () => {
    expect(read(having("async_loading", "1")).syncing).toBe(true);
  });

  it("shows a disk that refused the last write or snapshot", () => {
    expect(read(text).diskOk).toBe(true);
    expect(read(having("aof_last_write_status", "err")).diskOk).toBe(false);
    expect(read(having("rdb_last_bgsave_status", "err")).diskOk).toBe(false);
  });

  it("tells what Redis uses, and is believed without it", () => {
    // The recorded texts hold the sections that decisions read.
    const memory = "used_memory:873520\r\nmaxmemory:1048576\r\n";
    const counts = "total_commands_processed:70\r\nevicted_keys:1\r\n";
    expect(read(`${text}\r\n${memory}connected_clients:4\r\n${counts}`)).toEqual({
      ...read(text),
      usage: {
        memoryBytes: 873_520,
        maxMemoryBytes: 1_048_576,
        clients: 4,
        commands: 70,
        evictedKeys: 1,
      },
    });
    expect(read(`${text}\r\n${memory}${counts}`).usage).toBeNull();
  });

  it("tells how many writes were refused, unless errors are not counted", () => {
    // As Redis 6.2 to 8.0 and Valkey 8.1 and 9.1 say it.
    const stats = `${text}\r\n# Stats\r\ntotal_error_replies:2\r\n# Errorstats\r\n`;
    expect(read(text).refusedWrites).toBeNull();
    expect(read(stats).refusedWrites).toBe(0);
    expect(read(`${stats}errorstat_ERR:count=1\r\n`).refusedWrites).toBe(0);
    expect(read(`${stats}errorstat_READONLY:count=12\r\n`).refusedWrites).toBe(12);
    expect(read(`${stats}errorstat_ERRORSTATS_OVERFLOW:count=1\r\n`).refusedWrites).toBeNull();
    expect(read(`${stats}errorstat_ERRORSTATS_DISABLED:count=1\r\n`).refusedWrites).toBeNull();
  });

  it("counts neither the RDB channel nor the main channel of a sync as a replica", () => {
    const channels = ["rdb-channel", "main-channel", "replica"].map(
      (type, n) =>
        `slave${n}:ip=10.0.0.${n},port=6379,state=online,offset=1,lag=0,type=${type}\r\n`,
    );
    const primary = recorded("valkey-8.1", "promoted");
    expect(read(`${primary}\r\n${channels.join("")}`).connectedReplicas).toBe(1);
  });

  it("reads an upstream with an IPv6 address", () => {
    expect(read(having("master_host", "fd00::7")).upstream?.host).toBe("fd00::7");
  });

  it.each([
    ["master_replid", "INFO lacks master_replid"],
    ["run_id", "INFO lacks run_id"],
    ["slave_repl_offset", "INFO lacks slave_repl_offset"],
    ["loading", "INFO lacks loading"],
  ])("is not believed without %s", (name, complaint) => {
    expect(parseInfo(lacking(name))).toEqual({ unreadable: complaint });
  });

  it("is not believed with an offset that a number cannot hold", () => {
    const complaint = parseInfo(having("slave_repl_offset", "9007199254740993"));
    expect(complaint).toEqual({ unreadable: expect.stringContaining("below 2^53") });
  });

  it("is not believed with a role that no engine has", () => {
    expect(parseInfo(having("role", "sentinel"))).toHaveProperty("unreadable");
  });
});
