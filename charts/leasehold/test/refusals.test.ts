/** Each refusing sentence, and each rule of the schema: one value refused, a neighbour passes. */
import { describe, expect, test } from "vitest";
import { foreignKeys } from "../document.ts";
import { tryRender } from "./render.ts";

interface Case {
  /** Part of the sentence. */
  readonly says: string;
  readonly refused: unknown;
  readonly passes: unknown;
}

const USER = { name: "app", rules: "~*", passwordKey: "app" };
const users = (name: string) => ({
  auth: { acl: { users: [{ ...USER, name }], existingSecret: "s" } },
});
const SOURCE_TLS = { enabled: true, clientCertificate: true, existingSecret: "s" };
const TLS = { enabled: true, existingSecret: "s" };
const CERT_MANAGER = { enabled: true, issuerRef: { name: "i" } };
const mounting = (name: string) => [{ name: "x", image: "x", volumeMounts: [{ name }] }];

const SENTENCES: readonly Case[] = [
  {
    says: "election.leaseDurationSeconds (4) must be 5 or more",
    refused: { election: { leaseDurationSeconds: 4 } },
    passes: { election: { leaseDurationSeconds: 5 } },
  },
  {
    says: "switchover.settleSeconds (6) must not exceed the Lease's duration (5)",
    refused: { switchover: { settleSeconds: 6 } },
    passes: { switchover: { settleSeconds: 6 }, election: { profile: "frugal" } },
  },
  {
    says: "election.priorities names `orders-2`, which is no pod of this group",
    refused: { election: { priorities: { "orders-2": 0 } } },
    passes: { election: { priorities: { "orders-leasehold-2": 0 } } },
  },
  {
    says: "election.priorities gives every member 0",
    refused: { replicas: 1, election: { priorities: { "orders-leasehold-0": 0 } } },
    passes: { replicas: 2, election: { priorities: { "orders-leasehold-0": 0 } } },
  },
  {
    says: "durability.minReplicasToWrite (3) must be lower than replicas (3)",
    refused: { durability: { minReplicasToWrite: 3 } },
    passes: { durability: { minReplicasToWrite: 2 } },
  },
  {
    says: "set `persistence.acceptDataLoss=true` to run a pure cache",
    refused: { replicas: 1, persistence: { mode: "none" } },
    passes: { replicas: 1, persistence: { mode: "none", acceptDataLoss: true } },
  },
  {
    says: "set `persistence.acceptDataLoss=true` to run a pure cache",
    refused: { replicas: 1, persistence: { enabled: false } },
    passes: { replicas: 2, persistence: { enabled: false } },
  },
  {
    says: "auth.password and auth.existingSecret are both set",
    refused: { auth: { password: "p", existingSecret: "s" } },
    passes: { auth: { existingSecret: "s" } },
  },
  {
    says: "auth.password and auth.acl.users need auth.enabled=true",
    refused: { auth: { enabled: false, password: "p" } },
    passes: { auth: { enabled: false } },
  },
  {
    says: "auth.acl.users need auth.acl.existingSecret",
    refused: { auth: { acl: { users: [USER] } } },
    passes: { auth: { existingSecret: "s", acl: { users: [USER] } } },
  },
  ...["default", "leasehold", "leasehold-exporter", "leasehold-replication"].map((name) => ({
    says: `auth.acl.users[].name may not be \`${name}\``,
    refused: users(name),
    passes: users(`${name}-2`),
  })),
  {
    says: "tls.enabled needs tls.existingSecret or tls.certManager.enabled, and only one",
    refused: { tls: { enabled: true } },
    passes: { tls: TLS },
  },
  {
    says: "tls.enabled needs tls.existingSecret or tls.certManager.enabled, and only one",
    refused: { tls: { ...TLS, certManager: CERT_MANAGER } },
    passes: { tls: { enabled: true, certManager: CERT_MANAGER } },
  },
  {
    says: "sentinelCompat.port (8008) is taken in the pods",
    refused: { sentinelCompat: { enabled: true, port: 8008 } },
    passes: { sentinelCompat: { enabled: false, port: 8008 } },
  },
  {
    says: "tls.plaintextPort (26379) is taken",
    refused: { tls: { ...TLS, plaintextPort: 26_379 }, sentinelCompat: { enabled: true } },
    passes: { tls: { ...TLS, plaintextPort: 26_379 } },
  },
  {
    says: "service.read.scope=replicas needs rbac.create=true, or serviceAccount.name",
    refused: { service: { read: { scope: "replicas" } }, rbac: { create: false } },
    passes: {
      service: { read: { scope: "replicas" } },
      rbac: { create: false },
      serviceAccount: { create: false, name: "own" },
    },
  },
  {
    says: "service.read.scope=replicas needs replicas of 2 or more",
    refused: { service: { read: { scope: "replicas" } }, replicas: 1 },
    passes: { service: { read: { scope: "replicas" } }, replicas: 2 },
  },
  {
    says: "bootstrap.externalPrimary needs tls.enabled=false",
    refused: { bootstrap: { externalPrimary: { host: "old" } }, tls: TLS },
    passes: { bootstrap: { externalPrimary: { host: "old" } } },
  },
  {
    says: "bootstrap.externalPrimary.existingSecret and username need bootstrap.externalPrimary.host",
    refused: { bootstrap: { externalPrimary: { existingSecret: "s" } } },
    passes: { bootstrap: { externalPrimary: { host: "old", existingSecret: "s" } } },
  },
  {
    says: "bootstrap.externalPrimary.username needs bootstrap.externalPrimary.existingSecret",
    refused: { bootstrap: { externalPrimary: { host: "old", username: "u" } } },
    passes: { bootstrap: { externalPrimary: { host: "old", username: "u", existingSecret: "s" } } },
  },
  {
    says: "externalPrimary.tls.existingSecret, serverName and clientCertificate need",
    refused: { bootstrap: { externalPrimary: { host: "old", tls: { serverName: "s" } } } },
    passes: {
      bootstrap: { externalPrimary: { host: "old", tls: { enabled: true, serverName: "s" } } },
    },
  },
  {
    says: "bootstrap.externalPrimary.tls needs bootstrap.externalPrimary.host",
    refused: { bootstrap: { externalPrimary: { tls: { enabled: true } } } },
    passes: { bootstrap: { externalPrimary: { host: "old", tls: { enabled: true } } } },
  },
  {
    says: "externalPrimary.tls.clientCertificate needs bootstrap.externalPrimary.tls.existingSecret",
    refused: {
      bootstrap: {
        externalPrimary: { host: "old", tls: { enabled: true, clientCertificate: true } },
      },
    },
    passes: { bootstrap: { externalPrimary: { host: "old", tls: SOURCE_TLS } } },
  },
  {
    says: "tls.existingSecret and tls.certManager need tls.enabled=true",
    refused: { tls: { existingSecret: "s" } },
    passes: { tls: { certFilename: "c" } },
  },
  {
    says: "tls.plaintextPort needs tls.enabled=true",
    refused: { tls: { plaintextPort: 6380 } },
    passes: { tls: { ...TLS, plaintextPort: 6380 } },
  },
  {
    says: "tls.plaintextPort (7000) is taken",
    refused: { tls: { ...TLS, plaintextPort: 7000 }, service: { port: 7000 } },
    passes: { tls: { ...TLS, plaintextPort: 7001 }, service: { port: 7000 } },
  },
  {
    says: "tls.plaintextPort (6379) is taken",
    refused: { tls: { ...TLS, plaintextPort: 6379 }, service: { port: 1, read: { port: 1 } } },
    passes: { tls: TLS },
  },
  {
    says: "tls.certManager.issuerRef is missing",
    refused: { tls: { enabled: true, certManager: { enabled: true } } },
    passes: { tls: { enabled: true, certManager: CERT_MANAGER } },
  },
  {
    says: "need service.type=LoadBalancer",
    refused: { service: { loadBalancerSourceRanges: ["10.0.0.0/8"] } },
    passes: { service: { type: "LoadBalancer", loadBalancerSourceRanges: ["10.0.0.0/8"] } },
  },
  {
    says: "need service.type NodePort or LoadBalancer",
    refused: { service: { nodePort: 30_000 } },
    passes: { service: { type: "NodePort", nodePort: 30_000 } },
  },
  {
    says: "the alias orders-leasehold has the name of another Service",
    refused: { service: { aliases: [{ name: "orders-leasehold", target: "read" }] } },
    passes: { service: { aliases: [{ name: "orders", target: "read" }] } },
  },
  {
    says: "the alias a has the name of another Service",
    refused: { service: { aliases: ["read", "write"].map((target) => ({ name: "a", target })) } },
    passes: { service: { aliases: [{ name: "a", target: "read" }] } },
  },
  {
    says: "the alias a leads to the read Service",
    refused: { service: { read: { enabled: false }, aliases: [{ name: "a", target: "read" }] } },
    passes: { service: { read: { enabled: false }, aliases: [{ name: "a", target: "write" }] } },
  },
  {
    says: "terminationGracePeriodSeconds (39) must be at least switchover.timeoutSeconds + 30 (40)",
    refused: { terminationGracePeriodSeconds: 39 },
    passes: { terminationGracePeriodSeconds: 40 },
  },
  {
    says: "maxMemoryPercent needs resources.limits.memory",
    refused: { resources: { limits: { memory: null } } },
    passes: { resources: { limits: { memory: null } }, maxMemoryPercent: 0 },
  },
  {
    says: "resources.limits.memory (512Mib) is no quantity",
    refused: { resources: { limits: { memory: "512Mib" } } },
    passes: { resources: { limits: { memory: "0.5Gi" } } },
  },
  {
    says: "pdb.maxUnavailable must be 1 or more",
    refused: { pdb: { maxUnavailable: 0 } },
    passes: { pdb: { create: false, maxUnavailable: 0 } },
  },
  {
    says: "pdb.maxUnavailable must be 1 or more",
    refused: { pdb: { maxUnavailable: "0%" } },
    passes: { pdb: { maxUnavailable: "30%" } },
  },
  {
    says: "extraContainers[] may not mount the volume `api-token`",
    refused: { extraContainers: mounting("api-token") },
    passes: { extraContainers: mounting("data") },
  },
  {
    says: "extraInitContainers[] may not mount the volume `api-token`",
    refused: { extraInitContainers: mounting("api-token") },
    passes: { extraInitContainers: mounting("data") },
  },
  {
    says: "`dir` in config or commonConfiguration is managed by Leasehold",
    refused: { config: { dir: "/tmp" } },
    passes: { config: { hz: 20 } },
  },
  {
    says: "`ReplicaOf` in config or commonConfiguration is managed by Leasehold",
    refused: { commonConfiguration: "hz 20\n  ReplicaOf 10.0.0.1 6379" },
    passes: { commonConfiguration: "hz 20\n  # replicaof 10.0.0.1 6379" },
  },
  {
    says: '`"ReplicaOf"` in config or commonConfiguration is no name of a directive',
    refused: { commonConfiguration: '"ReplicaOf" 10.0.0.1 6379' },
    passes: { commonConfiguration: 'proc-title-template "{title}"' },
  },
  {
    says: "`hz` in config has a value with a line break",
    refused: { config: { hz: "20\nappendonly no" } },
    passes: { config: { hz: "20" } },
  },
  {
    says: "`save` in config or commonConfiguration is managed by Leasehold",
    refused: { config: { save: "60 1" } },
    passes: { config: { save: "60 1" }, persistence: { mode: "rdb" } },
  },
];

describe.concurrent("contradictions", () => {
  test.for(SENTENCES)("$says ($refused)", async ({ says, refused, passes }, { expect }) => {
    const [bad, good] = await Promise.all([
      tryRender({ values: refused }),
      tryRender({ values: passes }),
    ]);
    expect(bad.stderr).toContain(`leasehold: `);
    expect(bad.stderr).toContain(says);
    expect(bad.code).toBe(1);
    expect(good).toMatchObject({ code: 0, stderr: "" });
  });
});

describe.concurrent("keys of other charts are refused by a sentence that says what there is instead", () => {
  test.for(foreignKeys())("%s", async (key, { expect }) => {
    const { code, stderr } = await tryRender({ values: { [key]: { any: "thing" } } });
    expect(stderr).toMatch(new RegExp(`leasehold: \`${key}\` is a value of another chart: .{15,}`));
    expect(code).toBe(1);
  });

  test("they are those of the charts that people come from", () => {
    expect(foreignKeys()).toEqual(
      expect.arrayContaining(["architecture", "sentinel", "master", "replica", "haproxy"]),
    );
    expect(foreignKeys()).toEqual(
      expect.arrayContaining(["replicaCount", "hardAntiAffinity", "dataStorage", "valkeyConfig"]),
    );
  });
});

const RULES: readonly (readonly [path: string, refused: unknown, passes: unknown])[] = [
  ["unknown", 1, undefined],
  ["service.unknown", 1, undefined],
  ["replicas", 8, 7],
  ["replicas", 0, 1],
  ["replicas", "3", 3],
  ["engine", "keydb", "valkey"],
  ["fullnameOverride", "Orders", "orders"],
  ["fullnameOverride", "o".repeat(53), "o".repeat(52)],
  ["image.digest", "sha256:1", `sha256:${"1".repeat(64)}`],
  ["image.pullPolicy", "Sometimes", "Always"],
  ["sidecar.log.level", "trace", "debug"],
  ["sidecar.log.format", "xml", "text"],
  ["election.profile", "slow", "frugal"],
  ["election.leaseDurationSeconds", 5.5, 6],
  ["election.maxLagBytes", -1, 0],
  ["switchover.maxPauseMilliseconds", 1001, 1000],
  ["switchover.maxPauseMilliseconds", 99, 100],
  ["coldStart.onMissing", "worst", "best"],
  ["auth.existingSecretPasswordKey", "", "k"],
  ["auth.rotation.overlapSeconds", 0, 1],
  ["tls.authClients", true, "yes"],
  ["persistence.mode", "both", "rdb"],
  ["persistence.fsync", "sometimes", "always"],
  ["persistence.size", "8 GiB", "8Gi"],
  ["persistence.accessModes", [], ["ReadWriteOncePod"]],
  ["persistentVolumeClaimRetentionPolicy.whenScaled", "Keep", "Delete"],
  ["maxMemoryPercent", 101, 100],
  ["config", { hz: { a: 1 } }, { hz: 10 }],
  ["service.type", "ExternalName", "NodePort"],
  ["service.port", 65_536, 65_535],
  ["service.ipFamilyPolicy", "Dual", "SingleStack"],
  ["service.ipFamilies", ["IPv5"], ["IPv6"]],
  ["service.aliases", [{ name: "a" }], [{ name: "a", target: "write" }]],
  ["service.aliases", [{ name: "A", target: "write" }], [{ name: "a", target: "write" }]],
  ["bootstrap.externalPrimary.port", 0, 1],
  ["service.read.port", 0, 1],
  ["service.read.maxStalenessSeconds", -1, 0],
  ["service.read.maxLagBytes", 1.5, 1],
  ["commonLabels", { a: 1 }, { a: "1" }],
  ["openshift.enabled", "maybe", "auto"],
  ["podAntiAffinityPreset", "medium", "hard"],
  ["networkPolicy.extraIngress", ["a"], [{}]],
];

describe.concurrent("the schema", () => {
  test.for(RULES)("%s: %j is refused, %j passes", async ([path, bad, good], { expect }) => {
    const refusal = await tryRender({ values: at(path, bad) });
    expect(refusal.stderr).toContain("values don't meet the specifications of the schema");
    expect(refusal.stderr).toContain(path.split(".").at(-1));
    expect(refusal.code).toBe(1);
    const neighbour = good === undefined ? {} : at(path, good);
    expect(await tryRender({ values: neighbour })).toMatchObject({ code: 0 });
  });
});

function at(path: string, value: unknown): unknown {
  return path.split(".").reduceRight<unknown>((inner, key) => ({ [key]: inner }), value);
}

test("values that Helm itself adds, and those of a parent chart, pass", async () => {
  expect(await tryRender({ values: { global: { other: { key: 1 } } } })).toMatchObject({ code: 0 });
});
