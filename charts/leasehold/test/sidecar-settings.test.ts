/** The sidecar understands what the chart tells it. */
import { execFile } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { CHART, chartFile, find, GROUP, render, type RenderOptions } from "./render.ts";

const CI = readdirSync(`${CHART}/ci`).map((file) => file.replace("-values.yaml", ""));
const SIDECAR = fileURLToPath(new URL("../../../apps/sidecar/src/main.ts", import.meta.url));

interface Printed {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** What `--print-config` of the sidecar says, with the pod's environment and its configuration. */
async function printConfig(options: RenderOptions): Promise<Printed> {
  const objects = await render(options);
  const folder = mkdtempSync(join(tmpdir(), "leasehold-chart-"));
  const file = join(folder, "sidecar.json");
  writeFileSync(file, find(objects, "ConfigMap", GROUP).data["sidecar.json"]);
  const [sidecar] = find(objects, "StatefulSet").spec.template.spec.initContainers.slice(-1);
  const variables = sidecar.env.map(({ name }: { name: string }) => [name, `${GROUP}-0`]);
  const env = { ...process.env, ...Object.fromEntries(variables), LEASEHOLD_CONFIG: file };
  return new Promise((resolve) => {
    const args = [SIDECAR, "--print-config"];
    execFile(process.execPath, args, { env, timeout: 30_000 }, (error, stdout, stderr) => {
      rmSync(folder, { recursive: true });
      resolve({ code: Number(error?.code ?? 0), stdout, stderr });
    });
  });
}

describe.concurrent("the sidecar takes its configuration", () => {
  test.for(CI)("with the values %s", async (ci, { expect }) => {
    const { code, stderr, stdout } = await printConfig({ ci });
    expect(stderr).toBe("");
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ group: GROUP, namespace: "shop" });
  });
});

test("all that the values say arrives", async () => {
  const values = {
    election: {
      profile: "frugal",
      leaseDurationSeconds: 30,
      failsafe: { enabled: false, alone: false },
      maxLagBytes: 1e9,
      priorities: { "orders-leasehold-2": 0, "orders-leasehold-0": 200 },
    },
    service: { read: { maxStalenessSeconds: 5, maxLagBytes: 2e9 } },
    durability: { minReplicasToWrite: 1, minReplicasMaxLag: 7 },
    switchover: { timeoutSeconds: 20, maxPauseMilliseconds: 400, settleSeconds: 3 },
    coldStart: { waitSeconds: 90, onMissing: "best" },
    persistence: { mode: "rdb", fsync: "always" },
    sidecar: { log: { level: "debug", format: "text" } },
    config: { "maxmemory-policy": "allkeys-lru" },
  };
  const { stdout } = await printConfig({ values });
  expect(JSON.parse(stdout)).toMatchObject({
    election: {
      profile: "frugal",
      leaseDurationMs: 30_000,
      renewIntervalMs: 10_000,
      failsafeEnabled: false,
      failsafeAlone: false,
      maxLagBytes: 1e9,
      priorities: ["orders-leasehold-0 200", "orders-leasehold-2 0"],
    },
    read: { maxStalenessMs: 5_000, maxLagBytes: 2e9 },
    durability: { minReplicasToWrite: 1, minReplicasMaxLagSeconds: 7 },
    switchover: { timeoutMs: 20_000, maxPauseMs: 400, settleMs: 3_000 },
    coldStart: { waitMs: 90_000, onMissing: "best" },
    persistence: { mode: "rdb", fsync: "always" },
    log: { level: "debug", format: "text" },
    redis: { configuration: expect.arrayContaining(["maxmemory-policy allkeys-lru"]) },
  });
});

test("values of a release from before `bootstrap` are taken (`--reuse-values`)", async () => {
  const { code, stdout } = await printConfig({ values: { bootstrap: null } });
  expect(code).toBe(0);
  expect(JSON.parse(stdout).source.host).toBe("");
  const others = { port: null, username: null, existingSecret: null };
  const values = { bootstrap: { externalPrimary: { host: "old", ...others } } };
  const moving = await printConfig({ values });
  expect(moving.code).toBe(0);
  expect(JSON.parse(moving.stdout).source).toMatchObject({ host: "old", port: 6379 });
});

test("access arrives, and only as names of files", async () => {
  const { stdout } = await printConfig({ ci: "existing-secret" });
  expect(JSON.parse(stdout).auth).toMatchObject({
    enabled: true,
    passwordFile: "/etc/leasehold/secret/redis-password",
    internalKeyFile: "/etc/leasehold/secret/leasehold-key",
    users: ["reporting /etc/leasehold/users/reporting-password ~report:* +@read"],
    rotationOverlapMs: 3_600_000,
  });
  const { redis } = JSON.parse((await printConfig({ ci: "tls" })).stdout);
  expect(redis.plaintextPort).toBe(6380);
  expect(redis.tls).toEqual({
    certFile: "/etc/leasehold/tls/tls.crt",
    keyFile: "/etc/leasehold/tls/tls.key",
    caFile: "/etc/leasehold/tls/ca.crt",
    authClients: "optional",
  });
});

test("a primary outside the group arrives, its password as the name of a file", async () => {
  const { stdout } = await printConfig({ ci: "external-primary" });
  const passwordFile = "/etc/leasehold/source/password";
  const tls = {
    caFile: "/etc/leasehold/source-tls/ca.crt",
    serverName: "",
    certFile: "/etc/leasehold/source-tls/tls.crt",
    keyFile: "/etc/leasehold/source-tls/tls.key",
  };
  const source = { host: "old-redis-master", port: 6379, username: "mover", passwordFile, tls };
  expect(JSON.parse(stdout).source).toEqual(source);
  const objects = await render({ ci: "external-primary" });
  const { spec } = find(objects, "StatefulSet").spec.template;
  expect(spec.initContainers.at(-1).volumeMounts).toContainEqual(
    expect.objectContaining({ name: "source", mountPath: "/etc/leasehold/source" }),
  );
  expect(spec.initContainers.at(-1).volumeMounts).toContainEqual(
    expect.objectContaining({ name: "source-tls", mountPath: "/etc/leasehold/source-tls" }),
  );
  expect(spec.containers[0].volumeMounts).not.toContainEqual(
    expect.objectContaining({ name: expect.stringContaining("source") }),
  );
  // The Secret may be deleted before the last pod has restarted without it.
  const secret = expect.objectContaining({ secretName: "old-redis", optional: true });
  expect(spec.volumes).toContainEqual({ name: "source", secret });
  const authority = expect.objectContaining({ secretName: "old-redis-tls", optional: true });
  expect(spec.volumes).toContainEqual({ name: "source-tls", secret: authority });
});

test("the chart refuses the directives that the sidecar refuses", () => {
  const source = fileURLToPath(
    new URL("../../../apps/sidecar/src/files/redis-conf.ts", import.meta.url),
  );
  const [, list = ""] =
    /const RESERVED = [\s\S]*?\[([\s\S]*?)\]\.join/.exec(readFileSync(source, "utf8")) ?? [];
  const ofSidecar = [...list.matchAll(/"([^"]+)"/g)].flatMap(([, words = ""]) => words.split("|"));
  const [, own = ""] =
    /"leasehold.reservedDirectives" -}}\n(.*)\n/.exec(chartFile("templates/_refusals.tpl")) ?? [];
  expect(ofSidecar.length).toBeGreaterThan(20);
  expect(own.split("|").toSorted()).toEqual(ofSidecar.toSorted());
});
