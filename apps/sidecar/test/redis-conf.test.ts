import { describe, expect, it } from "vitest";
import { renderRedisConf, userLinesOf } from "../src/files/redis-conf.ts";
import type { Settings } from "../src/settings/schema.ts";
import { readSettings } from "../src/settings/settings.ts";

async function settings(sections: Record<string, unknown> = {}): Promise<Settings> {
  const outcome = await readSettings({
    fileText: JSON.stringify({
      group: "orders",
      namespace: "shop",
      member: { name: "orders-0", podUid: "u", host: "10.0.0.7" },
      ...sections,
    }),
    environment: {},
  });
  if (!outcome.ok) throw new Error(outcome.errors.join("\n"));
  return outcome.settings;
}

async function linesOf(
  sections: Record<string, unknown> = {},
  password = "",
): Promise<readonly string[]> {
  return renderRedisConf(await settings(sections), { password }).split("\n");
}

describe("the rendered redis.conf", () => {
  it("always holds the boot gate", async () => {
    expect(await linesOf()).toContain("replicaof 127.0.0.1 1");
    expect(await linesOf({ persistence: { mode: "none" } })).toContain("replicaof 127.0.0.1 1");
  });

  it.each([
    "replicaof 10.0.0.1 6379",
    "  SlaveOf x 1",
    "aclfile /x",
    "save 60 1",
    "tls-port 1",
    "repl-backlog-ttl 3600",
    "repl-diskless-sync-delay 0",
    "busy-reply-threshold 60000",
  ])("refuses a line that could undo what Leasehold set: %s", async (line) => {
    await expect(linesOf({ redis: { configuration: [line] } })).rejects.toThrow(
      "managed by Leasehold",
    );
  });

  it.each([
    '"appendonly" no',
    " 'AppendOnly' no",
    String.raw`"append\x6fnly" no`,
    String.raw`"append\only" no`,
    'append"only" no',
  ])("refuses a name in another notation: %s", async (line) => {
    await expect(linesOf({ redis: { configuration: [line] } })).rejects.toThrow(
      "write it without quotes",
    );
  });

  it.each(["maxmemory 1gb\nappendonly no", "hz 20\rappendonly no", "hz 20\n"])(
    "refuses several lines in one entry: %j",
    async (line) => {
      await expect(linesOf({ redis: { configuration: [line] } })).rejects.toThrow(
        "one entry for each line",
      );
    },
  );

  it.each([
    ["without a limit", [], "64mb"],
    ["in much memory", ["maxmemory 4gb"], "64mb"],
    ["in little memory, of which it is a part", ["maxmemory 40mb"], "10485760"],
    ["in little memory, given in bytes", ["MaxMemory 40000000"], "10000000"],
    ["by the last line", ["maxmemory 4gb", 'maxmemory "40mb"'], "10485760"],
    ["in next to none", ["maxmemory 1mb"], "1048576"],
    ["with the limit switched off", ["maxmemory 0"], "64mb"],
    ["with a limit that Redis will refuse", ["maxmemory plenty"], "64mb"],
  ])("has a backlog that leaves room for data: %s", async (_when, configuration, size) => {
    const lines = await linesOf({ redis: { configuration } });
    expect(lines.filter((line) => line.startsWith("repl-backlog-size"))).toEqual([
      `repl-backlog-size ${size}`,
    ]);
  });

  it("takes the user's other lines, and snapshots in mode rdb", async () => {
    expect(await linesOf({ redis: { configuration: ["maxmemory 1gb"] } })).toContain(
      "maxmemory 1gb",
    );
    const other = ["# save 1 1", "  #replicaof no one", "", "search.timeout 5"];
    expect(await linesOf({ redis: { configuration: other } })).toEqual(
      expect.arrayContaining(other),
    );
    const rdb = { persistence: { mode: "rdb" }, redis: { configuration: ["save 60 1"] } };
    expect(await linesOf(rdb)).toContain("save 60 1");
  });

  it("tells the user's lines from its own", async () => {
    const text = async (lines: readonly string[]): Promise<string> =>
      renderRedisConf(await settings({ redis: { configuration: lines } }), { password: "" });
    expect(userLinesOf(await text(["maxmemory 1gb", "hz 20"]))).toEqual(["maxmemory 1gb", "hz 20"]);
    expect(userLinesOf(await text([]))).toEqual([]);
    expect(userLinesOf("hz 20\n")).toBeNull();
  });

  it("announces the pod's address, or the one that clients use", async () => {
    expect(await linesOf()).toContain("replica-announce-ip 10.0.0.7");
    const announced = await linesOf({ announce: { host: "1.2.3.4", port: 7000 } });
    expect(announced).toContain("replica-announce-ip 1.2.3.4");
    expect(announced).toContain("replica-announce-port 7000");
  });

  it("keeps data as the mode says", async () => {
    expect(await linesOf()).toEqual(expect.arrayContaining(["appendonly yes", 'save ""']));
    expect(await linesOf({ persistence: { mode: "none" } })).toContain("appendonly no");
  });

  it("quotes a password so that no character ends it", async () => {
    const lines = await linesOf({}, 'a" \\ b');
    expect(lines).toContain(String.raw`requirepass "a\" \\ b"`);
    expect(lines).toContain(String.raw`masterauth "a\" \\ b"`);
  });

  it("leaves out directives that Redis 6.2 does not know", async () => {
    expect(await linesOf()).toContain("busy-reply-threshold 1000");
    const old = await linesOf({ redis: { engineVersion: "6.2" } });
    expect(old).toContain("lua-time-limit 1000");
    expect(old.some((line) => /busy-reply|shutdown-timeout/.test(line))).toBe(false);
  });

  it("closes the plain port when TLS is on", async () => {
    const tls = { certFile: "/t/c", keyFile: "/t/k", caFile: "/t/a" };
    const lines = await linesOf({ redis: { tls } });
    expect(lines).toEqual(
      expect.arrayContaining(["port 0", "tls-port 6379", "tls-replication yes"]),
    );
    expect(await linesOf({ redis: { tls, plaintextPort: 6380 } })).toContain("port 6380");
  });

  it("names the file of users and the user of replicas, and no password of anybody else", async () => {
    const text = renderRedisConf(await settings(), { replicationPassword: "copy" });
    expect(text.split("\n")).toEqual(
      expect.arrayContaining([
        'aclfile "/run/leasehold/users.acl"',
        "masteruser leasehold-replication",
        'masterauth "copy"',
      ]),
    );
    expect(text).not.toContain("requirepass");
  });
});
