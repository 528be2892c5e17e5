import { describe, expect, it } from "vitest";
import { renderRedisConf } from "../src/files/redis-conf.ts";
import type { Settings } from "../src/settings/schema.ts";
import { readSettings } from "../src/settings/settings.ts";

const SECRETS = { redisPassword: "", peerKey: "k" };

function settings(sections: Record<string, unknown> = {}): Settings {
  const outcome = readSettings({
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

function linesOf(sections: Record<string, unknown> = {}, password = ""): readonly string[] {
  return renderRedisConf(settings(sections), { ...SECRETS, redisPassword: password }).split("\n");
}

describe("the rendered redis.conf", () => {
  it("always holds the boot gate", () => {
    expect(linesOf()).toContain("replicaof 127.0.0.1 1");
    expect(linesOf({ persistence: { mode: "none" } })).toContain("replicaof 127.0.0.1 1");
  });

  it.each(["replicaof 10.0.0.1 6379", "  SlaveOf x 1", "aclfile /x", "save 60 1", "tls-port 1"])(
    "refuses a line that could undo what Leasehold set: %s",
    (line) => {
      expect(() => linesOf({ redis: { configuration: [line] } })).toThrow("managed by Leasehold");
    },
  );

  it("takes the user's other lines, and snapshots in mode rdb", () => {
    expect(linesOf({ redis: { configuration: ["maxmemory 1gb"] } })).toContain("maxmemory 1gb");
    const rdb = { persistence: { mode: "rdb" }, redis: { configuration: ["save 60 1"] } };
    expect(linesOf(rdb)).toContain("save 60 1");
  });

  it("announces the pod's address, or the one that clients use", () => {
    expect(linesOf()).toContain("replica-announce-ip 10.0.0.7");
    const announced = linesOf({ announce: { host: "1.2.3.4", port: 7000 } });
    expect(announced).toContain("replica-announce-ip 1.2.3.4");
    expect(announced).toContain("replica-announce-port 7000");
  });

  it("keeps data as the mode says", () => {
    expect(linesOf()).toEqual(expect.arrayContaining(["appendonly yes", 'save ""']));
    expect(linesOf({ persistence: { mode: "none" } })).toContain("appendonly no");
  });

  it("quotes a password so that no character ends it", () => {
    const lines = linesOf({}, 'a" \\ b');
    expect(lines).toContain(String.raw`requirepass "a\" \\ b"`);
    expect(lines).toContain(String.raw`masterauth "a\" \\ b"`);
  });

  it("leaves out directives that Redis 6.2 does not know", () => {
    expect(linesOf()).toContain("busy-reply-threshold 1000");
    const old = linesOf({ redis: { engineVersion: "6.2" } });
    expect(old).toContain("lua-time-limit 1000");
    expect(old.some((line) => /busy-reply|shutdown-timeout/.test(line))).toBe(false);
  });

  it("closes the plain port when TLS is on", () => {
    const tls = { certFile: "/t/c", keyFile: "/t/k", caFile: "/t/a" };
    const lines = linesOf({ redis: { tls } });
    expect(lines).toEqual(
      expect.arrayContaining(["port 0", "tls-port 6379", "tls-replication yes"]),
    );
  });
});
