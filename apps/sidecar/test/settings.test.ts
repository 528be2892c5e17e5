import { describe, expect, it } from "vitest";
import { SETTINGS_KEYS } from "../src/settings/keys.ts";
import { readSecrets } from "../src/auth/secrets.ts";
import { contradictions } from "../src/settings/contradictions.ts";
import { memberConfig, ordinalOf } from "../src/settings/member-config.ts";
import { podIpsOf } from "../src/settings/pod-ips.ts";
import { readSettings, redact, type SettingsOutcome } from "../src/settings/settings.ts";

const MINIMAL = `
group: orders
namespace: shop
member: { name: orders-2, podUid: u-1, host: 10.0.0.7 }
`;

function read(
  fileText: string | null,
  environment: Record<string, string> = {},
): Promise<SettingsOutcome> {
  return readSettings({ fileText, environment });
}

function settingsOf(outcome: SettingsOutcome) {
  if (!outcome.ok) throw new Error(outcome.errors.join("\n"));
  return outcome.settings;
}

function errorsOf(outcome: SettingsOutcome): readonly string[] {
  return outcome.ok ? [] : outcome.errors;
}

describe("settings", () => {
  it("needs only who the member is", async () => {
    const settings = settingsOf(await read(MINIMAL));
    expect(settings.redis.port).toBe(6379);
    expect(settings.directories).toEqual({ run: "/run/leasehold", data: "/data" });
  });

  it("names every missing key, also those of a missing section", async () => {
    expect(errorsOf(await read("group: orders"))).toEqual([
      "namespace is missing and has no default: set it.",
      "member.name is missing and has no default: set it.",
      "member.podUid is missing and has no default: set it.",
      "member.host is missing and has no default: set it.",
    ]);
  });

  it("names a key that it does not know and says what to do", async () => {
    const [error] = errorsOf(await read(`${MINIMAL}\nelection: { leaseDuration: 5 }`));
    expect(error).toBe(
      "election.leaseDuration is not a key of Leasehold; remove it or correct its name.",
    );
  });

  it("takes a variable over the file's value", async () => {
    const settings = settingsOf(
      await read(`${MINIMAL}\nredis: { port: 7000 }`, { LEASEHOLD_REDIS_PORT: "7001" }),
    );
    expect(settings.redis.port).toBe(7001);
  });

  it.each([
    ["", ["10.0.0.1"]],
    ["10.0.0.1", ["10.0.0.1"]],
    ["fd00::1,10.0.0.1", ["10.0.0.1", "fd00::1"]],
  ])("knows the pod's addresses of both families from %o", async (hosts, ips) => {
    const { member } = settingsOf(await read(MINIMAL, { LEASEHOLD_MEMBER_HOSTS: hosts }));
    expect(podIpsOf({ ...member, host: "10.0.0.1" })).toEqual(ips);
  });

  it("reads everything from variables alone", async () => {
    const settings = settingsOf(
      await read(null, {
        LEASEHOLD_GROUP: "orders",
        LEASEHOLD_NAMESPACE: "shop",
        LEASEHOLD_MEMBER_NAME: "orders-0",
        LEASEHOLD_MEMBER_POD_UID: "u",
        LEASEHOLD_MEMBER_HOST: "10.0.0.1",
        LEASEHOLD_ELECTION_FAILSAFE_ALONE: "false",
        LEASEHOLD_REDIS_CONFIGURATION: "maxmemory 1gb\nhz 20",
      }),
    );
    expect(settings.election.failsafeAlone).toBe(false);
    expect(settings.redis.configuration).toEqual(["maxmemory 1gb", "hz 20"]);
  });

  it.each([
    [{ LEASEHOLD_REDIS_PORT: "6379a" }, "LEASEHOLD_REDIS_PORT (6379a) must be a whole number."],
    [
      { LEASEHOLD_ELECTION_FAILSAFE_ALONE: "yes" },
      "LEASEHOLD_ELECTION_FAILSAFE_ALONE (yes) must be true or false.",
    ],
  ])("refuses a variable of the wrong kind: %o", async (environment, sentence) => {
    expect(errorsOf(await read(MINIMAL, environment))).toEqual([sentence]);
  });

  it("reports variables that it does not know without refusing them", async () => {
    const outcome = await read(MINIMAL, {
      LEASEHOLD_PORT_6379_TCP: "tcp://10.0.0.1:6379",
      PATH: "/bin",
    });
    expect(outcome.ok && outcome.unknownVariables).toEqual(["LEASEHOLD_PORT_6379_TCP"]);
  });

  it("says so when the file is no configuration at all", async () => {
    expect(errorsOf(await read("- a\n- b"))[0]).toContain("must hold keys and values");
    expect(errorsOf(await read("a: [1"))[0]).toContain("neither YAML nor JSON");
  });

  it("never shows a secret", async () => {
    const text = `${MINIMAL}\nredis: { password: hush }\npeers: { key: quiet }`;
    const shown = JSON.stringify(redact(settingsOf(await read(text))));
    expect(shown).toContain("(set)");
    expect(shown).not.toMatch(/hush|quiet/);
    const [error] = errorsOf(await read(`${MINIMAL}\nredis: { password: [hush] }`));
    expect(error).toContain("redis.password");
    expect(error).not.toContain("hush");
  });

  it("describes every key and gives each its own variable", async () => {
    expect(SETTINGS_KEYS.filter((key) => key.description === "")).toEqual([]);
    const variables = SETTINGS_KEYS.map((key) => key.variable);
    expect(new Set(variables).size).toBe(variables.length);
    expect(variables).toContain("LEASEHOLD_ELECTION_LEASE_DURATION_MS");
  });
});

describe("the core's configuration", () => {
  it("takes its priority from the line with its name, and else its own", async () => {
    const priorityWith = async (lines: readonly string[]) => {
      const fileText = `${MINIMAL}election: { priorities: ${JSON.stringify(lines)} }`;
      return memberConfig(settingsOf(await read(fileText))).priority;
    };
    expect(await priorityWith([])).toBe(100);
    expect(await priorityWith(["orders-0 0", "orders-2 7"])).toBe(7);
    expect(await priorityWith(["orders-20 0", "orders-1 0"])).toBe(100);
    const broken = await read(`${MINIMAL}election: { priorities: ["orders-2"] }`);
    expect(errorsOf(broken).join()).toContain("must look like orders-2 0");
  });

  it("turns a profile into durations, which single keys override", async () => {
    const fast = memberConfig(settingsOf(await read(MINIMAL)));
    expect([fast.leaseDurationMs, fast.renewIntervalMs]).toEqual([5_000, 1_000]);
    const mixed = memberConfig(
      settingsOf(await read(`${MINIMAL}\nelection: { profile: frugal, renewIntervalMs: 4000 }`)),
    );
    expect([mixed.leaseDurationMs, mixed.renewIntervalMs]).toEqual([15_000, 4_000]);
  });

  it("reads the ordinal from the pod's name", async () => {
    expect(ordinalOf("orders-leasehold-12")).toBe(12);
  });

  it("insists on the members' key and names the key of a file that it cannot read", async () => {
    const settings = settingsOf(await read(MINIMAL));
    await expect(readSecrets(settings)).rejects.toThrow("peers.keyFile is missing");
    const withFile = settingsOf(await read(`${MINIMAL}\npeers: { keyFile: /nowhere/key }`));
    await expect(readSecrets(withFile)).rejects.toThrow(
      "peers.keyFile (/nowhere/key) is not there",
    );
  });
});

describe("contradictions", () => {
  const TLS = "tls: { certFile: c, keyFile: k, caFile: a }";
  const AUTH = "enabled: true, passwordFile: /p";

  it.each([
    ["redis: { plaintextPort: 6380 }", "redis.plaintextPort needs redis.tls"],
    [`redis: { plaintextPort: 6379, ${TLS} }`, "redis.plaintextPort (6379) must differ"],
    ["auth: { passwordFile: /p }", "auth.passwordFile is set, but auth.enabled is not"],
    ["auth: { exporterFile: /p }", "auth.exporterFile is set, but auth.enabled is not"],
    ["auth: { internalKeyFile: /k }", "auth.internalKeyFile is set, but auth.enabled is not"],
    ['auth: { users: ["a /a +@all"] }', "auth.users is set, but auth.enabled is not"],
    ["auth: { enabled: true }", "auth.enabled needs auth.passwordFile"],
    [`auth: { ${AUTH} }\nredis: { passwordFile: /q }`, "redis.passwordFile has no meaning"],
    [`auth: { ${AUTH} }\npeers: { keyFile: /q }`, "peers.keyFile has no meaning"],
    [`auth: { ${AUTH}, users: ["leasehold /a +@all"] }`, "a user of Leasehold itself"],
    [`auth: { ${AUTH}, users: ["leasehold-replication /a +@all"] }`, "a user of Leasehold itself"],
    [`auth: { ${AUTH}, users: ["leasehold-exporter /a +@all"] }`, "a user of Leasehold itself"],
    [`auth: { ${AUTH}, users: ["default /a +@all"] }`, "a user of Leasehold itself"],
    [`auth: { ${AUTH}, users: ["a /a"] }`, "`a` must be followed by a file"],
    [`auth: { ${AUTH}, users: ["a(b /a +@all"] }`, "is no name"],
    [`auth: { ${AUTH}, users: ["a /a +get", "a /b +set"] }`, "`a` is there twice"],
    [`auth: { ${AUTH}, users: ["a /a +get nopass"] }`, "the rule `nopass` is Leasehold's"],
    [`auth: { ${AUTH}, defaultUserRules: "~* >hush" }`, "the rule `>…` is Leasehold's"],
  ])("refuses %s", async (text, sentence) => {
    const found = contradictions(settingsOf(await read(`${MINIMAL}\n${text}`)));
    expect(found).toHaveLength(1);
    expect(found[0]).toContain(sentence);
    expect(found[0]).not.toContain("hush");
  });

  it.each([
    "group: orders",
    `redis: { plaintextPort: 6380, ${TLS} }`,
    `auth: { ${AUTH}, users: ["metrics /m -@all +info +ping", "web.1 /w ~app:* +@read"] }`,
  ])("takes %s", async (text) => {
    const file = text.startsWith("group") ? MINIMAL : `${MINIMAL}\n${text}`;
    expect(contradictions(settingsOf(await read(file)))).toEqual([]);
  });
});
